//! The methods that this server answers: one row for each.
//!
//! How a call is dispatched, who may make it, how long it may take and under which name it is counted follow from
//! this table. Tests compare it with the contract, and with the expressions of alerts and dashboards.

use crate::domain::Role;

/// One method.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Method {
    service: Service,
    name: &'static str,
    pub(super) kind: Kind,
    pub(super) access: Access,
    pub(super) limit: TimeLimit,
}

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Every caller: probes bring no credentials.
    Everybody,
    /// As the server's operators set it for reflection.
    Reflection,
    /// Callers with this role or a higher one.
    Role(Role),
}

/// A service's full name, and its short one, which is the first part of its methods' labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Service(&'static str, &'static str);

/// Who answers a method, and how its messages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The hot path, which does without tonic's codec (ADR 2): `ListChallenges`.
    List,
    /// The hot path: `GetChallenge`.
    Get,
    /// The hot path: `BatchGetChallenges`.
    BatchGet,
    /// The hot path: `StreamTips`.
    StreamTips,
    /// The hot path: `StreamTipsBatch`.
    StreamTipsBatch,
    /// Server reflection, in either version.
    Reflection,
    /// A generated server; one message comes, one or more go back.
    Generated,
    /// A generated server; many messages come.
    GeneratedUpload,
}

/// How long a call may take, if its caller does not name less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeLimit {
    /// As long as a unary call.
    Call,
    /// `stream_timeout`; a server stream also takes a stream permit, and ends at shutdown.
    Stream,
    /// The answer must begin within the time of a unary call; then it lasts as long as its caller reads.
    Start,
}

const CATALOG: Service = Service(
    "challenges.catalog.v1.ChallengesCatalog",
    "ChallengesCatalog",
);
const CHALLENGES: Service = Service("challenges.admin.v1.ChallengesAdmin", "ChallengesAdmin");
const CACHE: Service = Service("challenges.admin.v1.CacheAdmin", "CacheAdmin");
const TIPS: Service = Service("challenges.admin.v1.TipsAdmin", "TipsAdmin");
const FLAGS: Service = Service("challenges.admin.v1.FeatureFlags", "FeatureFlags");
const SETTINGS: Service = Service("challenges.admin.v1.RuntimeSettings", "RuntimeSettings");
const HEALTH: Service = Service("grpc.health.v1.Health", "Health");
const REFLECTION: Service = Service("grpc.reflection.v1.ServerReflection", "ServerReflection");
const REFLECTION_ALPHA: Service = Service(
    "grpc.reflection.v1alpha.ServerReflection",
    "ServerReflectionV1Alpha",
);

/// All of them, those that are called most first: they are looked up in this order.
#[rustfmt::skip] // A row is a line.
pub(super) static METHODS: &[Method] = &[
    row(CATALOG, "ListChallenges", Kind::List, VIEWER, TimeLimit::Call),
    row(CATALOG, "GetChallenge", Kind::Get, VIEWER, TimeLimit::Call),
    row(CATALOG, "BatchGetChallenges", Kind::BatchGet, VIEWER, TimeLimit::Call),
    row(CATALOG, "StreamTips", Kind::StreamTips, VIEWER, TimeLimit::Stream),
    row(CATALOG, "StreamTipsBatch", Kind::StreamTipsBatch, VIEWER, TimeLimit::Stream),
    row(HEALTH, "Check", Kind::Generated, Access::Everybody, TimeLimit::Call),
    row(HEALTH, "List", Kind::Generated, Access::Everybody, TimeLimit::Call),
    row(HEALTH, "Watch", Kind::Generated, Access::Everybody, TimeLimit::Start),
    row(CHALLENGES, "GetChallenge", Kind::Generated, EDITOR, TimeLimit::Call),
    row(CHALLENGES, "CreateChallenge", Kind::Generated, EDITOR, TimeLimit::Call),
    row(CHALLENGES, "UpdateChallenge", Kind::Generated, EDITOR, TimeLimit::Call),
    row(CHALLENGES, "DeleteChallenge", Kind::Generated, EDITOR, TimeLimit::Call),
    row(CHALLENGES, "RevertChallenge", Kind::Generated, EDITOR, TimeLimit::Call),
    row(CHALLENGES, "ListChallengeRevisions", Kind::Generated, EDITOR, TimeLimit::Call),
    row(CHALLENGES, "ImportChallenges", Kind::GeneratedUpload, EDITOR, TimeLimit::Stream),
    row(CHALLENGES, "ExportChallenges", Kind::Generated, EDITOR, TimeLimit::Stream),
    row(CACHE, "InvalidateCache", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(CACHE, "GetCacheStatus", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(CACHE, "WarmCache", Kind::Generated, OPERATOR, TimeLimit::Start),
    row(TIPS, "BatchGenerateTips", Kind::Generated, OPERATOR, TimeLimit::Start),
    row(TIPS, "ResumeProviders", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(FLAGS, "ListFeatureFlags", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(FLAGS, "GetFeatureFlag", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(FLAGS, "UpdateFeatureFlag", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(FLAGS, "ResetFeatureFlag", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(SETTINGS, "ListRuntimeSettings", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(SETTINGS, "UpdateRuntimeSetting", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(SETTINGS, "ResetRuntimeSetting", Kind::Generated, OPERATOR, TimeLimit::Call),
    row(REFLECTION, "ServerReflectionInfo", Kind::Reflection, Access::Reflection, TimeLimit::Stream),
    row(REFLECTION_ALPHA, "ServerReflectionInfo", Kind::Reflection, Access::Reflection, TimeLimit::Stream),
];

const VIEWER: Access = Access::Role(Role::Viewer);
const EDITOR: Access = Access::Role(Role::Editor);
const OPERATOR: Access = Access::Role(Role::Operator);

const fn row(
    service: Service,
    name: &'static str,
    kind: Kind,
    access: Access,
    limit: TimeLimit,
) -> Method {
    Method {
        service,
        name,
        kind,
        access,
        limit,
    }
}

impl Method {
    /// The name in metrics.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.service.1, self.name)
    }

    /// Whether it is called by this path.
    pub(super) fn is_at(&self, path: &str) -> bool {
        // Compared from the end: methods differ more than services.
        let service = path.strip_suffix(self.name);
        let service = service.and_then(|path| path.strip_suffix('/'));
        service.and_then(|path| path.strip_prefix('/')) == Some(self.service.0)
    }

    /// Whether it is of those services that an admin listener takes away from the others.
    pub(super) fn is_admin(&self) -> bool {
        matches!(self.access, Access::Role(Role::Editor | Role::Operator))
    }

    /// Whether it takes one of the streams that may be open at once.
    pub(super) fn takes_stream_permit(&self) -> bool {
        let is_stream = match self.kind {
            Kind::StreamTips | Kind::StreamTipsBatch | Kind::Generated => true,
            Kind::List | Kind::Get | Kind::BatchGet | Kind::Reflection | Kind::GeneratedUpload => {
                false
            }
        };
        is_stream && self.limit == TimeLimit::Stream
    }

    /// Whether probes call it.
    pub(super) fn is_health(&self) -> bool {
        self.service == HEALTH
    }
}

/// The role that the method at this path needs; none if everybody may call it, or there is no such method.
#[must_use]
pub fn role_of(path: &str) -> Option<Role> {
    let method = METHODS.iter().find(|method| method.is_at(path))?;
    match method.access {
        Access::Role(role) => Some(role),
        Access::Everybody | Access::Reflection => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;

    use super::*;

    /// The paths of all methods of the contract, health and reflection.
    fn paths() -> BTreeSet<String> {
        let sets = [
            crate::pb::DESCRIPTORS,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut paths = BTreeSet::new();
        for set in sets {
            for file in prost_types::FileDescriptorSet::decode(set).unwrap().file {
                for service in &file.service {
                    let service_name = format!("{}.{}", file.package(), service.name());
                    let methods = service.method.iter();
                    paths.extend(methods.map(|it| format!("/{service_name}/{}", it.name())));
                }
            }
        }
        paths
    }

    #[test]
    fn every_method_of_the_contract_has_one_row_and_every_row_a_method() {
        for path in paths() {
            let rows = METHODS.iter().filter(|method| method.is_at(&path));
            assert_eq!(rows.count(), 1, "{path}");
        }
        assert_eq!(paths().len(), METHODS.len());
        let labels: BTreeSet<_> = METHODS.iter().map(Method::label).collect();
        assert_eq!(labels.len(), METHODS.len(), "labels are different");
    }

    #[test]
    fn alerts_and_dashboards_ask_for_methods_that_there_are() {
        let texts = [
            include_str!("../../alerts/challenges-catalog.rules.yml"),
            include_str!("../../alerts/tests.yml"),
            include_str!("../../dashboards/challenges-catalog.json"),
        ];
        let labels: Vec<_> = METHODS.iter().map(Method::label).collect();
        let mut asked = 0;
        for text in texts.map(|text| text.replace('\\', "")) {
            for expression in text.split("method=~\"").skip(1) {
                let expression = expression.split('"').next().unwrap();
                let all_reads = "ChallengesCatalog/(List|Get|BatchGet).*";
                assert_eq!(
                    expression, all_reads,
                    "the reads, which have no stream among them"
                );
                asked += 1;
            }
            for name in text.split("method=\"").skip(1) {
                let name = name.split('"').next().unwrap().to_owned();
                // Tests of alerts that hold for every method call it m.
                assert!(name == "m" || labels.contains(&name), "{name}");
            }
        }
        assert!(asked > 0);
        let is_read =
            |method: &&Method| matches!(method.kind, Kind::List | Kind::Get | Kind::BatchGet);
        let reads: Vec<_> = METHODS.iter().filter(is_read).map(Method::label).collect();
        let begins = ["List", "Get", "BatchGet"].map(|verb| format!("ChallengesCatalog/{verb}"));
        for label in &labels {
            let is_asked_for = begins.iter().any(|begin| label.starts_with(begin));
            assert_eq!(reads.contains(label), is_asked_for, "{label}");
        }
    }
}
