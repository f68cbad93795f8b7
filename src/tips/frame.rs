//! Entries of a tip's stream in Redis, and how they are written and read.
use serde::{Deserialize, Serialize};

use super::key::sha256;
use crate::domain::{Epoch, FallbackCause, ResetCause, Stop, Tip, TipKey, UnixMicros, Usage};

/// One entry of the log of a tip in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) at: Position,
    pub(super) entry: Entry,
}

/// The id of an entry: the epoch, and the number within it. Redis keeps them in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) epoch: Epoch,
    pub(super) number: u64,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A new epoch: the text so far is void.
    Begin(ResetCause),
    /// More text, from this offset on.
    Text { offset: u64, text: String },
    /// The end: this is the tip.
    Whole(Box<Tip>),
    /// The end: there is none.
    Failed(FallbackCause),
}

impl Position {
    /// As Redis spells it.
    pub(super) fn id(self) -> String {
        format!("{}-{}", self.epoch.0, self.number)
    }

    /// Whether nothing lies between `earlier` and this.
    pub(super) fn follows(self, earlier: Self) -> bool {
        self.epoch == earlier.epoch && self.number == earlier.number + 1
    }

    pub(super) fn read(id: &str) -> Option<Self> {
        let (epoch, number) = id.split_once('-')?;
        Some(Self {
            epoch: Epoch(epoch.parse().ok()?),
            number: number.parse().ok()?,
        })
    }
}

impl Entry {
    /// The letter that stands for its kind.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Begin(_) => "R",
            Self::Text { .. } => "D",
            Self::Whole(_) => "E",
            Self::Failed(_) => "X",
        }
    }

    pub(super) const fn offset(&self) -> u64 {
        match self {
            Self::Text { offset, .. } => *offset,
            Self::Begin(_) | Self::Whole(_) | Self::Failed(_) => 0,
        }
    }

    pub(super) fn payload(&self) -> Vec<u8> {
        match self {
            Self::Begin(cause) => cause.as_str().as_bytes().to_vec(),
            Self::Text { text, .. } => text.as_bytes().to_vec(),
            Self::Whole(tip) => pack(tip),
            Self::Failed(cause) => cause.as_str().as_bytes().to_vec(),
        }
    }
}

impl Frame {
    /// Reads an entry but the finished tip; `None` when it is something else.
    pub(super) fn read(at: Position, kind: &str, offset: &str, payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let entry = match kind {
            "R" if text == ResetCause::Restart.as_str() => Entry::Begin(ResetCause::Restart),
            "R" => Entry::Begin(ResetCause::Takeover),
            "D" => Entry::Text {
                offset: offset.parse().ok()?,
                text: text.to_owned(),
            },
            "X" => Entry::Failed(FallbackCause::named(text)?),
            _ => return None,
        };
        Some(Self { at, entry })
    }
}

/// A finished tip as other replicas read it. Fields may be added; none may change its meaning.
#[derive(Serialize, Deserialize)]
struct Packed {
    epoch: u64,
    text: String,
    sha256: [u8; 32],
    provider: String,
    model: String,
    stop: String,
    input_tokens: u64,
    output_tokens: u64,
    is_estimated: bool,
    created_at: i64,
    expires_at: i64,
}

/// The tip as it lies in Redis.
pub(super) fn pack(tip: &Tip) -> Vec<u8> {
    let packed = Packed {
        epoch: tip.epoch.0,
        text: tip.text.clone(),
        sha256: tip.sha256,
        provider: tip.provider.clone(),
        model: tip.model.clone(),
        stop: tip.stop.as_str().to_owned(),
        input_tokens: tip.usage.input_tokens,
        output_tokens: tip.usage.output_tokens,
        is_estimated: tip.usage.is_estimated,
        created_at: tip.created_at.0,
        expires_at: tip.expires_at.0,
    };
    // Numbers and texts: there is nothing in it that could not be written.
    serde_json::to_vec(&packed).unwrap_or_default()
}

/// Reads it back; `None` when it is damaged, or another version's.
pub(super) fn unpack(key: TipKey, bytes: &[u8]) -> Option<Tip> {
    let packed: Packed = serde_json::from_slice(bytes).ok()?;
    let stop: Stop = packed.stop.parse().ok()?;
    (sha256(&packed.text) == packed.sha256).then_some(Tip {
        key,
        epoch: Epoch(packed.epoch),
        text: packed.text,
        sha256: packed.sha256,
        provider: packed.provider,
        model: packed.model,
        stop,
        usage: Usage {
            input_tokens: packed.input_tokens,
            output_tokens: packed.output_tokens,
            is_estimated: packed.is_estimated,
        },
        created_at: UnixMicros(packed.created_at),
        expires_at: UnixMicros(packed.expires_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: TipKey = TipKey([7; 32]);

    fn tip() -> Tip {
        Tip {
            key: KEY,
            epoch: Epoch(1_790_000_000_000),
            text: "Sag \"Hallo\".\n👋".to_owned(),
            sha256: sha256("Sag \"Hallo\".\n👋"),
            provider: "anthropic".to_owned(),
            model: "m".to_owned(),
            stop: Stop::StopSequence,
            usage: Usage {
                input_tokens: 3,
                output_tokens: 4,
                is_estimated: true,
            },
            created_at: UnixMicros(5),
            expires_at: UnixMicros(6),
        }
    }

    #[test]
    fn every_entry_is_read_as_it_was_written() {
        let at = Position {
            epoch: Epoch(9),
            number: 3,
        };
        assert_eq!(Position::read(&at.id()), Some(at));
        for entry in [
            Entry::Begin(ResetCause::Restart),
            Entry::Begin(ResetCause::Takeover),
            Entry::Text {
                offset: 12,
                text: "two\nlines".to_owned(),
            },
            Entry::Failed(FallbackCause::Rules),
        ] {
            let (kind, offset, payload) = (entry.kind(), entry.offset(), entry.payload());
            let frame = Frame { at, entry };
            let read = Frame::read(at, kind, &offset.to_string(), &payload);
            assert_eq!(read, Some(frame));
        }
        assert_eq!(unpack(KEY, &pack(&tip())), Some(tip()));
    }

    #[test]
    fn a_tip_whose_text_was_damaged_is_not_read() {
        let packed = String::from_utf8(pack(&tip())).unwrap();
        assert!(unpack(KEY, packed.as_bytes()).is_some());
        let damaged = packed.replace("Hallo", "Hullo");
        assert!(unpack(KEY, damaged.as_bytes()).is_none());
    }
}
