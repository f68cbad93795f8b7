//! What kinds of values settings have: their ranges, and how they are read and shown.
use std::time::Duration;

use super::unit;

/// What a setting's text must look like. Of a range both ends are included.
#[derive(Clone, Copy, Debug)]
pub enum ValueKind {
    /// Text that its own type reads.
    Text {
        /// What help texts call the value, such as `URL`.
        value_name: &'static str,
        /// What is accepted, in words.
        expected: &'static str,
    },
    /// On or off.
    Switch,
    /// A whole number, from the least to the most.
    Count(u64, u64),
    /// A length of time: least and most, in milliseconds.
    Duration(u64, u64),
    /// A size: least and most, in bytes.
    Bytes(u64, u64),
    /// An amount: least and most, in millionths of a US dollar.
    Money(u64, u64),
}

impl ValueKind {
    /// What help texts call the value.
    #[must_use]
    pub const fn value_name(self) -> &'static str {
        match self {
            Self::Text { value_name, .. } => value_name,
            Self::Switch => "BOOL",
            Self::Count(..) => "NUMBER",
            Self::Duration(..) => "DURATION",
            Self::Bytes(..) => "BYTES",
            Self::Money(..) => "AMOUNT",
        }
    }

    /// The accepted words, if the setting is an enumeration; read from `expected`.
    #[must_use]
    pub fn words(self) -> Option<Vec<&'static str>> {
        let Self::Text { expected, .. } = self else {
            return None;
        };
        let (others, last) = expected.split_once(" or ")?;
        let words: Vec<_> = others.split(", ").chain([last]).collect();
        let is_word = |word: &&str| word.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        words.iter().all(is_word).then_some(words)
    }

    /// What is accepted, in words.
    #[must_use]
    pub fn range(self) -> String {
        match self {
            Self::Text { expected, .. } => expected.to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Count(min, max)
            | Self::Duration(min, max)
            | Self::Bytes(min, max)
            | Self::Money(min, max) => format!("{} to {}", self.show(min), self.show(max)),
        }
    }

    /// Reads a number of this kind: a count, milliseconds, bytes or millionths of a US dollar.
    ///
    /// # Errors
    ///
    /// What was expected instead.
    pub fn number(self, text: &str) -> Result<u64, String> {
        let (value, min, max, of_bare) = match self {
            Self::Count(min, max) => (unit::count(text)?, min, max, ""),
            Self::Duration(min, max) => (unit::duration(text)?, min, max, "seconds"),
            Self::Bytes(min, max) => (unit::bytes(text)?, min, max, ""),
            Self::Money(min, max) => (unit::money(text)?, min, max, "millionths of a US dollar"),
            Self::Text { .. } | Self::Switch => return Err("is no number".to_owned()),
        };
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        let is_ambiguous = unit::is_bare(text) && !of_bare.is_empty();
        let remark = is_ambiguous.then(|| format!(" (a number without a unit is {of_bare})"));
        let remark = remark.unwrap_or_default();
        Err(format!("must be {}, not {text}{remark}", self.range()))
    }

    /// Such a number as people write it: with the largest unit that there is a whole one of.
    #[must_use]
    pub fn show(self, number: u64) -> String {
        match self {
            Self::Text { .. } | Self::Switch | Self::Count(..) => number.to_string(),
            Self::Duration(..) => unit::show_duration(Duration::from_millis(number)),
            Self::Bytes(..) => unit::show_bytes(number),
            Self::Money(..) => unit::show_money(number),
        }
    }
}

#[cfg(test)]
#[path = "value_kind_tests.rs"]
mod tests;
