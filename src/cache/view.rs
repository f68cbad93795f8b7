use std::time::Duration;

use super::Knowledge;
use crate::domain::Version;

/// What is known at one moment. An entry that is found valid *afterwards* shows
/// all of `version`, and is at most `age` old; asked for in the other order, a
/// commit could come between and be claimed without being shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// The age of what is known, while that is fresh.
    pub(super) age: Option<Duration>,
    /// The newest version applied here.
    pub(super) version: Version,
    /// The era that it is of: an entry of another one shows nothing of it.
    pub(super) era: u64,
}

impl Knowledge {
    /// What can be said of entries that are found valid after this.
    pub(super) fn view(&self) -> View {
        // First the age, then what it vouches for.
        let age = self.fresh_age();
        let (version, era) = self.version_and_era();
        View { age, version, era }
    }
}
