//! The contract and its routes, read once for all tests of this module.
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::routes::Routes;

/// The compiled-in contract.
pub(super) static CONTRACT: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(crate::pb::DESCRIPTORS).unwrap());

/// Its routes.
pub(super) static ROUTES: LazyLock<Routes> = LazyLock::new(|| Routes::read().unwrap());

/// A message of it, such as `catalog.v1.Challenge`.
pub(super) fn kind(name: &str) -> MessageDescriptor {
    let kind = CONTRACT.get_message_by_name(&format!("challenges.{name}"));
    kind.unwrap()
}
