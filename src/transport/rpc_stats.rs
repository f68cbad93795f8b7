use std::{collections::BTreeMap, ops::Deref, sync::Arc, time::Instant};

use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;

use super::{code::CODES, rpc::Rpc};
use crate::telemetry::{Buckets, Counter, Histogram, Page};

/// How the calls of this replica went, method by method.
///
/// Every method of the contract has its counters from the start, so that counting a call takes no
/// search in a map but for operators' calls, and no lock for any.
pub struct RpcStats {
    list: Arc<MethodStats>,
    get: Arc<MethodStats>,
    batch_get: Arc<MethodStats>,
    stream_tips: Arc<MethodStats>,
    stream_tips_batch: Arc<MethodStats>,
    /// Those of operators.
    by_path: BTreeMap<String, Arc<MethodStats>>,
    other: Arc<MethodStats>,
}

/// How the calls of one method went.
pub(super) struct MethodStats {
    /// The service without its package, and the method.
    name: String,
    begun: Counter,
    /// In the order of [`CODES`].
    ended: [Counter; CODES.len()],
    took: Histogram,
}

impl Default for RpcStats {
    /// Nothing was called yet.
    fn default() -> Self {
        let files = [
            crate::pb::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let paths = files.into_iter().flat_map(methods);
        let paths = paths.filter(|path| Rpc::of(path).is_for_operators());
        let of = |method: &str| Arc::new(MethodStats::new(format!("ChallengesCatalog/{method}")));
        Self {
            list: of("ListChallenges"),
            get: of("GetChallenge"),
            batch_get: of("BatchGetChallenges"),
            stream_tips: of("StreamTips"),
            stream_tips_batch: of("StreamTipsBatch"),
            by_path: paths
                .map(|path| (path.clone(), Arc::new(MethodStats::new(brief(&path)))))
                .collect(),
            other: Arc::new(MethodStats::new("other".to_owned())),
        }
    }
}

/// The paths of all methods in encoded descriptors.
fn methods(descriptors: &[u8]) -> Vec<String> {
    // They are compiled in; were they broken, their calls would be counted as others.
    let files = FileDescriptorSet::decode(descriptors).unwrap_or_default();
    let mut paths = Vec::new();
    for file in &files.file {
        for service in &file.service {
            let package = file.package();
            let path = |method: &str| format!("/{package}.{}/{method}", service.name());
            paths.extend(service.method.iter().map(|method| path(method.name())));
        }
    }
    paths
}

/// `Service/Method` of `/some.package.Service/Method`; an alpha version is told apart.
fn brief(path: &str) -> String {
    let (service, method) = path.rsplit_once('/').unwrap_or(("", path));
    let service = service.rsplit('.').next().unwrap_or(service);
    let version = if path.contains("v1alpha") {
        "V1Alpha"
    } else {
        ""
    };
    format!("{service}{version}/{method}")
}

impl RpcStats {
    /// Where a call is counted.
    pub(super) fn of(&self, rpc: Rpc, path: &str) -> &Arc<MethodStats> {
        match rpc {
            Rpc::List => &self.list,
            Rpc::Get => &self.get,
            Rpc::BatchGet => &self.batch_get,
            Rpc::StreamTips => &self.stream_tips,
            Rpc::StreamTipsBatch => &self.stream_tips_batch,
            Rpc::GetEditedChallenge
            | Rpc::CreateChallenge
            | Rpc::UpdateChallenge
            | Rpc::DeleteChallenge
            | Rpc::RevertChallenge
            | Rpc::ListChallengeRevisions
            | Rpc::ImportChallenges
            | Rpc::ExportChallenges
            | Rpc::Reflect
            | Rpc::Routed => self.by_path.get(path).unwrap_or(&self.other),
            Rpc::Unknown => &self.other,
        }
    }

    /// Writes the figures of all methods.
    pub fn collect(&self, page: &mut Page) {
        let mut calls = page.counter(
            "catalog_rpc_requests_total",
            "Calls that ended, by method and gRPC code; a stream has the code of its trailers.",
        );
        for method in self.all() {
            for ((code, name), count) in CODES.iter().zip(&method.ended) {
                if *code == Code::Ok || count.get() > 0 {
                    calls.sample(&[("method", &method.name), ("code", name)], count.get());
                }
            }
        }
        let mut took = page.histogram(
            "catalog_rpc_duration_seconds",
            "From the head of a call to its end; of a stream, to its last message.",
        );
        for method in self.all() {
            took.spread(&[("method", &method.name)], &method.took.distribution());
        }
        let mut open = page.gauge("catalog_rpc_in_flight", "Calls and streams that are open.");
        for method in self.all() {
            open.sample(&[("method", &method.name)], method.in_flight());
        }
    }

    fn all(&self) -> impl Iterator<Item = &MethodStats> {
        let own = [
            &self.list,
            &self.get,
            &self.batch_get,
            &self.stream_tips,
            &self.stream_tips_batch,
        ];
        let all = own.into_iter().chain(self.by_path.values());
        all.chain([&self.other]).map(AsRef::as_ref)
    }
}

impl MethodStats {
    fn new(name: String) -> Self {
        Self {
            name,
            begun: Counter::default(),
            ended: Default::default(),
            took: Histogram::new(&Buckets::CALLS),
        }
    }

    fn in_flight(&self) -> u64 {
        // In this order: a call that ends meanwhile is not missing among those that begun.
        let ended: u64 = self.ended.iter().map(Counter::get).sum();
        self.begun.get().saturating_sub(ended)
    }
}

/// A call that has not ended. Dropped without a word it was given up: its caller went away.
pub(super) struct OpenCall<S: Deref<Target = MethodStats>> {
    stats: S,
    began: Instant,
    is_over: bool,
}

impl<S: Deref<Target = MethodStats>> OpenCall<S> {
    /// Counts a call that began then.
    pub(super) fn begin(stats: S, began: Instant) -> Self {
        stats.begun.add(1);
        Self {
            stats,
            began,
            is_over: false,
        }
    }

    /// Counts how it ended, once.
    pub(super) fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let at = usize::try_from(i32::from(code)).unwrap_or(0);
        if let Some(count) = self.stats.ended.get(at) {
            count.add(1);
        }
        self.stats.took.record_time(self.began.elapsed());
    }

    /// The same call, for one who outlives this.
    pub(super) fn hand_over<T: Deref<Target = MethodStats>>(mut self, stats: T) -> OpenCall<T> {
        self.is_over = true;
        OpenCall {
            stats,
            began: self.began,
            is_over: false,
        }
    }
}

impl<S: Deref<Target = MethodStats>> Drop for OpenCall<S> {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(stats: &MethodStats) -> (u64, u64, u64) {
        let of = |code: Code| {
            let at = usize::try_from(i32::from(code)).unwrap();
            stats.ended[at].get()
        };
        (of(Code::Ok), of(Code::Cancelled), stats.in_flight())
    }

    #[test]
    fn a_call_counts_once_and_one_that_was_given_up_is_cancelled() {
        let stats = RpcStats::default();
        let list = stats.of(Rpc::List, "");
        let mut open = OpenCall::begin(list.as_ref(), Instant::now());
        assert_eq!(counts(list), (0, 0, 1));
        open.end(Code::Ok);
        drop(open);
        assert_eq!(counts(list), (1, 0, 0));
        drop(OpenCall::begin(list.as_ref(), Instant::now()));
        assert_eq!(counts(list), (1, 1, 0));
        let open = OpenCall::begin(list.as_ref(), Instant::now());
        let mut open = open.hand_over(Arc::clone(list));
        assert_eq!(counts(list), (1, 1, 1));
        open.end(Code::Ok);
        assert_eq!(counts(list), (2, 1, 0));
        assert_eq!(list.took.distribution().count, 3);
    }

    #[test]
    fn every_method_that_is_served_has_figures_of_its_own() {
        let stats = RpcStats::default();
        for path in methods(crate::pb::DESCRIPTORS) {
            let name = &stats.of(Rpc::of(&path), &path).name;
            assert_eq!(*name, brief(&path));
        }
        for path in [
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(stats.of(Rpc::of(path), path).name, brief(path));
        }
        assert_eq!(
            stats.of(Rpc::Routed, "/grpc.health.v1.Health/X").name,
            "other"
        );
    }
}
