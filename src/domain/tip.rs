//! A tip, what it is about, and the key that names it.
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Challenge, ChallengeId, Difficulty, UnixMicros, content_hash,
    words::{read_by_word, words},
};

/// The language that a tip is to be written in: a language, perhaps a script
/// and a region, as in BCP 47, such as `en`, `de-AT` or `zh-Hant-TW`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Locale(String);

impl Locale {
    /// The language as it is spelled everywhere: `de-AT`, never `DE_at`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a language for which `wanted` is a variety: `de` for `de-AT`, also for itself.
    #[must_use]
    pub fn covers(&self, wanted: &Self) -> bool {
        let is_variety = |wanted: &str| {
            let rest = wanted.strip_prefix(&self.0);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        is_variety(&wanted.0) || wanted.other_name().is_some_and(|name| is_variety(&name))
    }

    /// The same with the script that is written where it is spoken, or by its name of today; from the likely subtags and
    /// aliases of Unicode's CLDR.
    fn other_name(&self) -> Option<String> {
        let (language, rest) = self.0.split_once('-').unwrap_or((&self.0, ""));
        let today = match (language, rest) {
            ("zh", "TW" | "HK" | "MO") => return Some(format!("zh-Hant-{rest}")),
            ("no", _) => "nb",
            ("iw", _) => "he",
            ("in", _) => "id",
            _ => return None,
        };
        Some(today.to_owned() + self.0.strip_prefix(language).unwrap_or_default())
    }
}

impl Default for Locale {
    fn default() -> Self {
        Self("en".to_owned())
    }
}

impl FromStr for Locale {
    type Err = String;

    /// Reads a language of 2 or 3 letters, then perhaps a script of 4 letters and a
    /// region of 2 letters or 3 digits, in either case, with hyphens.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "must be a language such as en, de-AT or zh-Hant-TW".to_owned();
        let mut parts = text.split('-').peekable();
        let is_letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
        let language = parts
            .next()
            .filter(|part| matches!(part.len(), 2 | 3) && is_letters(part))
            .ok_or_else(wrong)?;
        let mut spelled = language.to_ascii_lowercase();
        if let Some(script) = parts.next_if(|part| part.len() == 4 && is_letters(part)) {
            let (first, rest) = script.split_at(1);
            spelled.push('-');
            spelled.push_str(&first.to_ascii_uppercase());
            spelled.push_str(&rest.to_ascii_lowercase());
        }
        let is_region = |part: &&str| {
            (part.len() == 2 && is_letters(part))
                || (part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if let Some(region) = parts.next_if(is_region) {
            spelled.push('-');
            spelled.push_str(&region.to_ascii_uppercase());
        }
        match parts.next() {
            None => Ok(Self(spelled)),
            Some(_) => Err(wrong()),
        }
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The persona of a coach, by its name in the settings: 1 to 40 of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PersonaName(String);

impl PersonaName {
    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PersonaName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_ordinary =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=40).contains(&text.len()) && text.bytes().all(is_ordinary) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 1 to 40 lower-case letters, digits and hyphens".to_owned())
        }
    }
}

impl fmt::Display for PersonaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a tip is about: as much of a challenge as decides its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipSubject {
    /// The challenge.
    pub challenge: ChallengeId,
    /// How hard it is.
    pub difficulty: Difficulty,
    /// Its title, as other programs wrote it: it may hold anything.
    pub title: String,
    /// Its description, likewise; may be empty.
    pub description: String,
    /// The tip that a person wrote, if there is one.
    pub static_tip: Option<String>,
}

impl TipSubject {
    /// Names the texts that decide the tip, see [`content_hash`].
    #[must_use]
    pub fn content_hash(&self) -> [u8; 32] {
        content_hash(&self.title, &self.description, self.difficulty)
    }
}

impl From<&Challenge> for TipSubject {
    fn from(challenge: &Challenge) -> Self {
        Self {
            challenge: challenge.id,
            difficulty: challenge.difficulty,
            title: challenge.title.clone(),
            description: challenge.description.clone(),
            static_tip: challenge.tips.clone(),
        }
    }
}

/// Names a tip: equal for equal challenge text, language, persona, prompt and route, and for nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TipKey(pub [u8; 32]);

impl fmt::Display for TipKey {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Counts the generations of one tip: what an older one sends counts for nothing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

words! {
    /// Why a provider stopped writing, where the text is whole.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Stop {
        /// It had said what it had to say.
        EndTurn = "end_turn",
        /// It wrote a text that was to end it.
        StopSequence = "stop_sequence",
    }
}

read_by_word!(Stop);

/// What an attempt cost, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, those from the provider's cache with them.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// True when the provider reported no final number, so that this is an estimate from the text.
    pub is_estimated: bool,
}

impl Usage {
    /// A token is about four characters of English text, says the providers' own rule of thumb
    /// (platform.openai.com/tokenizer). Here it is four bytes, rounded up, which errs upwards for
    /// other languages: money is better counted twice than not.
    pub const BYTES_PER_TOKEN: u64 = 4;

    /// A guess from the bytes of text that were sent and received.
    #[must_use]
    pub const fn estimated(input_bytes: u64, output_bytes: u64) -> Self {
        Self {
            input_tokens: input_bytes.div_ceil(Self::BYTES_PER_TOKEN),
            output_tokens: output_bytes.div_ceil(Self::BYTES_PER_TOKEN),
            is_estimated: true,
        }
    }

    /// The estimate for an attempt that was given up after `output_bytes` of text, from what was reported until then.
    #[must_use]
    pub fn cut_short(self, output_bytes: u64) -> Self {
        let seen = Self::estimated(0, output_bytes);
        Self {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens.max(seen.output_tokens),
            is_estimated: true,
        }
    }
}

/// A tip that was written to its end by a provider.
///
/// Its serialized form goes to replicas of other releases: fields may be added there; none may change its name or meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// Names it.
    #[serde(skip)]
    pub key: TipKey,
    /// Which of its generations wrote it.
    pub epoch: Epoch,
    /// The text: 1 byte to the configured cap.
    pub text: String,
    /// SHA-256 of the text.
    pub sha256: [u8; 32],
    /// Who wrote it, such as `anthropic`.
    pub provider: String,
    /// With what, as the provider named it.
    pub model: String,
    /// Why it ended.
    pub stop: Stop,
    /// What it cost.
    #[serde(flatten)]
    pub usage: Usage,
    /// When it was finished.
    pub created_at: UnixMicros,
    /// From when on it is not to be called current.
    pub expires_at: UnixMicros,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_covers_its_varieties_by_every_name_that_they_have() {
        let covers = |language: &str, wanted: &str| {
            let language: Locale = language.parse().unwrap();
            language.covers(&wanted.parse().unwrap())
        };
        for (language, wanted) in [
            ("de", "de-AT"),
            ("zh", "zh-TW"),
            ("zh-Hant", "zh-TW"),
            ("zh-Hant", "zh-HK"),
            ("zh-TW", "zh-TW"),
            ("nb", "no"),
            ("he", "iw"),
            ("id", "in-ID"),
        ] {
            assert!(covers(language, wanted), "{language} {wanted}");
        }
        for (language, wanted) in [
            ("zh-Hant", "zh-CN"),
            ("zh-Hant", "zh"),
            ("de", "den"),
            ("de-AT", "de"),
        ] {
            assert!(!covers(language, wanted), "{language} {wanted}");
        }
    }

    #[test]
    fn a_locale_has_one_spelling() {
        for (given, spelled) in [
            ("en", "en"),
            ("DE-at", "de-AT"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("fil", "fil"),
        ] {
            assert_eq!(given.parse::<Locale>().unwrap().as_str(), spelled);
        }
    }

    #[test]
    fn a_guess_counts_every_started_token_and_never_less_than_was_told() {
        let guess = Usage::estimated(9, 4);
        assert_eq!((guess.input_tokens, guess.output_tokens), (3, 1));
        assert_eq!(Usage::estimated(9, 0).cut_short(4), guess);
        let told = Usage {
            input_tokens: 7,
            output_tokens: 5,
            is_estimated: false,
        };
        assert_eq!(told.cut_short(1).output_tokens, 5);
        assert!(told.cut_short(1).is_estimated);
    }

    #[test]
    fn a_stop_reads_back_as_it_is_kept_and_no_other_word_does() {
        for stop in Stop::ALL {
            assert_eq!(stop.as_str().parse(), Ok(stop));
        }
        assert!("max_tokens".parse::<Stop>().is_err());
    }

    #[test]
    fn what_is_no_locale_is_refused() {
        for text in [
            "", "e", "engl", "en_US", "en-", "-en", "en-US-x", "de-AT-", "12", "ën", "en\n",
        ] {
            assert!(text.parse::<Locale>().is_err(), "{text:?}");
        }
    }
}
