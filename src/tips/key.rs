//! The keys of tips, and hashes of their texts.
use std::fmt;

use ring::digest::{Context, SHA256};

use super::policy;
use crate::domain::{Locale, PersonaName, Route, TipKey, TipSubject};

/// Changes when the fields below, or their order, change.
const SCHEMA: u64 = 1;

/// SHA-256 of a text.
pub(super) fn sha256(text: &str) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(text.as_bytes());
    bytes_of(hash)
}

/// The first 8 bytes of the SHA-256 of a text: enough to tell one prefix from another.
pub(super) fn short_hash(text: &str) -> [u8; 8] {
    let hash = sha256(text);
    hash.first_chunk().copied().unwrap_or_default()
}

/// The [`short_hash`] of a text that grows, without hashing it anew each time.
#[derive(Clone)]
pub(super) struct Growing(Context);

impl Growing {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(super) fn push(&mut self, text: &str) {
        self.0.update(text.as_bytes());
    }

    pub(super) fn short_hash(&self) -> [u8; 8] {
        let hash = bytes_of(self.0.clone());
        hash.first_chunk().copied().unwrap_or_default()
    }
}

impl fmt::Debug for Growing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Growing({:02x?})", self.short_hash())
    }
}

/// Names the tip: whatever may change its text goes in, and the route of the provider that is
/// asked first stands for all of them, so that the second one's tip is found again too.
pub(super) fn tip_key(
    subject: &TipSubject,
    locale: &Locale,
    persona: &PersonaName,
    prompt_version: &str,
    route: Option<&Route>,
) -> TipKey {
    let mut fields = Fields::new();
    fields.number(SCHEMA);
    fields.bytes(subject.challenge.uuid().as_bytes());
    fields.bytes(&subject.content_hash());
    fields.text(locale.as_str());
    fields.text(persona.as_str());
    fields.text(prompt_version);
    fields.number(policy::VERSION);
    if let Some(route) = route {
        fields.text(&route.provider);
        fields.text(&route.model);
        fields.number(route.temperature_milli.into());
        fields.number(route.max_output_tokens.into());
    }
    TipKey(fields.hash())
}

/// Hashes fields with their lengths, so that no two lists of fields look alike.
struct Fields(Context);

impl Fields {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn bytes(&mut self, field: &[u8]) {
        self.0.update(&(field.len() as u64).to_le_bytes());
        self.0.update(field);
    }

    fn text(&mut self, field: &str) {
        self.bytes(field.as_bytes());
    }

    fn number(&mut self, field: u64) {
        self.bytes(&field.to_le_bytes());
    }

    fn hash(self) -> [u8; 32] {
        bytes_of(self.0)
    }
}

fn bytes_of(hash: Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    let digest = hash.finish();
    // Both are 32 bytes long: SHA-256 has no other length.
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use uuid::Uuid;

    use super::*;
    use crate::domain::Difficulty;

    fn subject() -> TipSubject {
        TipSubject {
            challenge: Uuid::nil().into(),
            difficulty: Difficulty::Beginner,
            title: "Say hello".to_owned(),
            description: "To a stranger".to_owned(),
            static_tip: None,
        }
    }

    fn route() -> Route {
        Route {
            provider: "anthropic".to_owned(),
            model: "m".to_owned(),
            temperature_milli: 700,
            max_output_tokens: 300,
        }
    }

    fn key(subject: &TipSubject, locale: &str, persona: &str, prompt_version: &str) -> TipKey {
        let (locale, persona) = (locale.parse().unwrap(), persona.parse().unwrap());
        tip_key(subject, &locale, &persona, prompt_version, Some(&route()))
    }

    /// Whatever may change the text changes the key, and fields cannot be shifted.
    #[test]
    fn a_growing_text_has_the_hash_of_the_whole_at_every_moment() {
        let mut growing = Growing::new();
        assert_eq!(growing.short_hash(), short_hash(""));
        for (piece, whole) in [("Say ", "Say "), ("„Hallo“", "Say „Hallo“")] {
            growing.push(piece);
            assert_eq!(growing.short_hash(), short_hash(whole));
        }
    }

    #[test]
    fn every_field_changes_the_key_and_no_field_runs_into_the_next() {
        let plain = subject();
        let mut keys = vec![
            key(&plain, "en", "connell", "1"),
            key(&plain, "de", "connell", "1"),
            key(&plain, "en", "other", "1"),
            key(&plain, "en", "connell", "2"),
        ];
        let changes: [fn(&mut TipSubject); 5] = [
            |it| it.challenge = Uuid::from_u128(1).into(),
            |it| it.difficulty = Difficulty::Advanced,
            |it| it.title.push('T'),
            |it| it.description.push('!'),
            |it| (it.title, it.description) = ("Say helloTo".into(), " a stranger".into()),
        ];
        for change in changes {
            let mut other = subject();
            change(&mut other);
            keys.push(key(&other, "en", "connell", "1"));
        }
        let routes: [fn(&mut Route); 4] = [
            |it| it.provider.push('x'),
            |it| it.model.push('x'),
            |it| it.temperature_milli += 1,
            |it| it.max_output_tokens += 1,
        ];
        let (en, connell) = ("en".parse().unwrap(), "connell".parse().unwrap());
        for change in routes {
            let mut other = route();
            change(&mut other);
            keys.push(tip_key(&plain, &en, &connell, "1", Some(&other)));
        }
        keys.push(tip_key(&plain, &en, &connell, "1", None));
        let different: HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    /// What does not change the text does not change the key.
    #[test]
    fn the_tip_that_a_person_wrote_does_not_change_the_key() {
        let mut other = subject();
        other.static_tip = Some("Smile".to_owned());
        let keys = [subject(), other].map(|it| key(&it, "en", "connell", "1"));
        assert_eq!(keys[0], keys[1]);
    }
}
