use std::collections::VecDeque;

use super::flaw::Flaw;
use crate::domain::{Ending, Usage, Writing};

/// Understands the events of one answer in one protocol: a state machine without any I/O.
pub(super) trait Decoder: Send + 'static {
    /// Takes the data of the next event, and adds what it means to `writings`. When that is
    /// [`Writing::Ended`], the tip is whole, and nothing more need be read.
    ///
    /// # Errors
    ///
    /// Why there will be no tip; nothing was added then.
    fn decode(&mut self, data: &str, writings: &mut VecDeque<Writing>) -> Result<(), Flaw>;

    /// Takes the end of the answer's body before that.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`]; in most protocols this is always one.
    fn close(&mut self) -> Result<Ending, Flaw>;

    /// What the attempt cost so far.
    fn usage(&self) -> Usage;
}
