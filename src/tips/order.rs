use super::key::{content_hash, tip_key};
use crate::domain::{
    Locale, PersonaName, Prompt, PromptBook, Route, TipKey, TipOrigin, TipSubject,
};

/// One tip to be written: its name, what it is for, and what a provider is told.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) key: TipKey,
    pub(super) origin: TipOrigin,
    pub(super) prompt: Prompt,
}

impl Order {
    /// A voice that the book lacks becomes its default.
    pub(super) fn new(
        book: &dyn PromptBook,
        route: Option<&Route>,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Self {
        let voices = book.personas();
        let known = voices.iter().find(|voice| *voice == persona);
        let persona = known.or_else(|| voices.first()).unwrap_or(persona);
        let edition = book.edition();
        Self {
            key: tip_key(subject, locale, persona, edition, route),
            origin: TipOrigin {
                challenge: subject.challenge,
                content: content_hash(subject),
                locale: locale.clone(),
                persona: persona.clone(),
                edition: edition.to_owned(),
            },
            prompt: book.prompt(subject, locale, persona),
        }
    }
}
