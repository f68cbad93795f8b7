//! The secret that all replicas of one database share.
use std::fmt;

/// A secret of the fleet, which its database keeps: what replicas leave for each other elsewhere is sealed
/// with it. `Debug` does not show it.
#[derive(Clone)]
pub struct FleetKey([u8; 32]);

impl FleetKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for FleetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetKey(***)")
    }
}
