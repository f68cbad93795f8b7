//! The code that `build.rs` generates from `proto/` and `protocols/`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::allow_attributes
)]

/// `challenges.admin.v1`.
pub mod admin {
    /// The one version so far.
    pub mod v1 {
        tonic::include_proto!("challenges.admin.v1");
    }
}

/// `challenges.catalog.v1`.
pub mod catalog {
    /// The one version so far.
    pub mod v1 {
        tonic::include_proto!("challenges.catalog.v1");
    }
}

/// `grpc.health.v1`.
pub mod health {
    /// The one version so far.
    pub mod v1 {
        tonic::include_proto!("grpc.health.v1");
    }
}

/// Every message and service of both folders, with comments, for server reflection.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("descriptors");
