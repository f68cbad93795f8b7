//! Counts calls by method and code when they end, however they end.
use std::{ops::Deref, sync::Arc, time::Instant};

use tonic::Code;

use super::{
    audit::AuditRecord,
    code::CODES,
    methods::{METHODS, Method},
};
use crate::telemetry::{Buckets, Counter, Histogram, Page};

/// How the calls of this replica went, method by method.
pub struct RpcStats {
    /// In the order of [`METHODS`].
    methods: Vec<Arc<MethodStats>>,
    /// Calls of methods that are not here.
    other: Arc<MethodStats>,
}

/// How the calls of one method went.
pub(super) struct MethodStats {
    /// `None` for calls of methods that are not here.
    pub(super) method: Option<&'static Method>,
    label: String,
    begun: Counter,
    /// In the order of [`CODES`].
    ended: [Counter; CODES.len()],
    took: Histogram,
}

impl Default for RpcStats {
    /// Nothing was called yet.
    fn default() -> Self {
        let stats = |method| Arc::new(MethodStats::new(Some(method)));
        Self {
            methods: METHODS.iter().map(stats).collect(),
            other: Arc::new(MethodStats::new(None)),
        }
    }
}

impl RpcStats {
    /// The method that is called by this path, and where its calls are counted.
    pub(super) fn at(&self, path: &str) -> &Arc<MethodStats> {
        let is_it = |(_, method): &(_, &Method)| method.is_at(path);
        let found = self.methods.iter().zip(METHODS).find(is_it);
        found.map_or(&self.other, |(stats, _)| stats)
    }

    /// Writes the metrics of all methods.
    pub fn collect(&self, page: &mut Page) {
        let mut calls = page.counter(
            "catalog_rpc_requests_total",
            "Calls that ended, by method and gRPC code; a stream counts by the code in its trailers.",
        );
        for method in self.all() {
            for ((code, name), count) in CODES.iter().zip(&method.ended) {
                if *code == Code::Ok || count.get() > 0 {
                    calls.sample(&[("method", &method.label), ("code", name)], count.get());
                }
            }
        }
        let mut took = page.histogram(
            "catalog_rpc_duration_seconds",
            "Duration of calls from their headers to their end; of streams, to the last message.",
        );
        for method in self.all() {
            took.spread(&[("method", &method.label)], &method.took.distribution());
        }
        let mut open = page.gauge("catalog_rpc_in_flight", "Calls and streams in progress.");
        for method in self.all() {
            open.sample(&[("method", &method.label)], method.in_flight());
        }
    }

    fn all(&self) -> impl Iterator<Item = &MethodStats> {
        self.methods.iter().chain([&self.other]).map(AsRef::as_ref)
    }
}

impl MethodStats {
    fn new(method: Option<&'static Method>) -> Self {
        Self {
            method,
            label: method.map_or_else(|| "other".to_owned(), Method::label),
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
    audit: Option<Box<AuditRecord>>,
}

impl<S: Deref<Target = MethodStats>> OpenCall<S> {
    /// Counts a call that began then.
    pub(super) fn begin(stats: S, began: Instant) -> Self {
        stats.begun.add(1);
        Self {
            stats,
            began,
            is_over: false,
            audit: None,
        }
    }

    /// Has the call's end written to the audit trail.
    pub(super) fn audit(&mut self, record: AuditRecord) {
        self.audit = Some(Box::new(record));
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
        if let Some(record) = &self.audit {
            record.write(code);
        }
    }

    /// The same call, for one who outlives this.
    pub(super) fn hand_over<T: Deref<Target = MethodStats>>(mut self, stats: T) -> OpenCall<T> {
        self.is_over = true;
        OpenCall {
            stats,
            began: self.began,
            is_over: false,
            audit: self.audit.take(),
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
        let list = stats.at("/challenges.catalog.v1.ChallengesCatalog/ListChallenges");
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
    fn every_method_has_metrics_of_its_own_and_what_is_unknown_has_others() {
        let stats = RpcStats::default();
        for (path, label) in [
            ("/grpc.health.v1.Health/Watch", "Health/Watch"),
            ("/grpc.health.v1.Health/X", "other"),
            ("grpc.health.v1.Health/Watch", "other"),
            (
                "/challenges.admin.v1.ChallengesAdmin/GetChallenge",
                "ChallengesAdmin/GetChallenge",
            ),
            (
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                "ServerReflectionV1Alpha/ServerReflectionInfo",
            ),
        ] {
            assert_eq!(stats.at(path).label, label);
        }
    }
}
