//! What the decoders of all protocols have in common.
use std::collections::VecDeque;

use super::protocol_error::ProtocolError;
use crate::domain::{StreamEvent, Usage};

/// Understands the events of one answer in one protocol: a state machine without any I/O.
pub(super) trait Decoder: Send + 'static {
    /// Takes the data of the next event, or a whole answer that is no stream, and adds what it means to `writings`. When that is
    /// [`StreamEvent::Ended`], the tip is whole, and nothing more need be read.
    ///
    /// # Errors
    ///
    /// Why there will be no tip; nothing was added then.
    fn decode(
        &mut self,
        data: &str,
        writings: &mut VecDeque<StreamEvent>,
    ) -> Result<(), ProtocolError>;

    /// Takes the end of the answer's body before that. Once the reason to stop was told, the tip is
    /// whole all the same, and its end is added to `writings`.
    ///
    /// # Errors
    ///
    /// Why there will be no tip.
    fn close(&mut self, writings: &mut VecDeque<StreamEvent>) -> Result<(), ProtocolError>;

    /// Whether no text can be missing, even if the body does not end but breaks.
    fn is_complete(&self) -> bool;

    /// What the attempt cost so far.
    fn usage(&self) -> Usage;
}
