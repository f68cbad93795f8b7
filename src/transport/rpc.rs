/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rpc {
    List,
    Get,
    BatchGet,
    StreamTips,
    StreamTipsBatch,
    GetEditedChallenge,
    CreateChallenge,
    UpdateChallenge,
    DeleteChallenge,
    RevertChallenge,
    ListChallengeRevisions,
    ImportChallenges,
    ExportChallenges,
    /// Server reflection, in either version.
    Reflect,
    /// One of the others that tonic's router answers.
    Routed,
    Unknown,
}

/// What tonic's router answers.
const ROUTED: [&str; 3] = [
    "/grpc.health.v1.",
    "/grpc.reflection.",
    "/challenges.admin.v1.",
];

/// Both versions of reflection, whose messages are the same.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The service that edits the catalog, beside those that are routed.
const EDITS: &str = "/challenges.admin.v1.ChallengesAdmin/";

impl Rpc {
    fn of_edits(path: &str) -> Self {
        match path.strip_prefix(EDITS) {
            Some("GetChallenge") => Self::GetEditedChallenge,
            Some("CreateChallenge") => Self::CreateChallenge,
            Some("UpdateChallenge") => Self::UpdateChallenge,
            Some("DeleteChallenge") => Self::DeleteChallenge,
            Some("RevertChallenge") => Self::RevertChallenge,
            Some("ListChallengeRevisions") => Self::ListChallengeRevisions,
            Some("ImportChallenges") => Self::ImportChallenges,
            Some("ExportChallenges") => Self::ExportChallenges,
            Some(_) | None => Self::Unknown,
        }
    }

    /// Whether operators call it, who do so seldom.
    pub(super) const fn is_for_operators(self) -> bool {
        match self {
            Self::GetEditedChallenge
            | Self::CreateChallenge
            | Self::UpdateChallenge
            | Self::DeleteChallenge
            | Self::RevertChallenge
            | Self::ListChallengeRevisions
            | Self::ImportChallenges
            | Self::ExportChallenges
            | Self::Reflect
            | Self::Routed => true,
            Self::List
            | Self::Get
            | Self::BatchGet
            | Self::StreamTips
            | Self::StreamTipsBatch
            | Self::Unknown => false,
        }
    }

    /// Whether a path is one of health, which is asked by probes.
    pub(super) fn is_health(path: &str) -> bool {
        path.starts_with("/grpc.health.v1.")
    }

    /// The method of this path.
    pub(super) fn of(path: &str) -> Self {
        match path.strip_prefix("/challenges.catalog.v1.ChallengesCatalog/") {
            Some("ListChallenges") => Self::List,
            Some("GetChallenge") => Self::Get,
            Some("BatchGetChallenges") => Self::BatchGet,
            Some("StreamTips") => Self::StreamTips,
            Some("StreamTipsBatch") => Self::StreamTipsBatch,
            None if path.starts_with(EDITS) => Self::of_edits(path),
            None if REFLECTION.contains(&path) => Self::Reflect,
            None if ROUTED.iter().any(|package| path.starts_with(package)) => Self::Routed,
            Some(_) | None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn every_rpc_of_the_catalog_is_served() {
        let files = prost_types::FileDescriptorSet::decode(crate::pb::DESCRIPTORS).unwrap();
        let services = files.file.iter().flat_map(|file| {
            let service = file.service.iter();
            service.map(|service| (file.package(), service))
        });
        let mut seen = 0;
        for (package, service) in services {
            for method in &service.method {
                let path = format!("/{package}.{}/{}", service.name(), method.name());
                assert_ne!(Rpc::of(&path), Rpc::Unknown, "{path}");
                seen += 1;
            }
        }
        assert!(seen > 5);
    }
}
