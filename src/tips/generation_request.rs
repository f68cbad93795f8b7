//! One tip to be written: its key, what it is for, and its prompt.
use std::sync::Arc;

use super::key::tip_key;
use crate::domain::{
    Locale, PersonaName, Prompt, PromptBook, Route, RunBudget, TipKey, TipOrigin, TipSubject,
};

/// One tip to be written: its name, what it is for, and what a provider is told.
#[derive(Clone, Debug)]
pub(super) struct GenerationRequest {
    pub(super) key: TipKey,
    pub(super) origin: TipOrigin,
    pub(super) prompt: Prompt,
    /// Where its attempts are entered, beside the attempt ledger.
    pub(super) account: Option<Arc<RunBudget>>,
}

impl GenerationRequest {
    /// A persona that the book lacks becomes its default.
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
        let prompt_version = book.prompt_version();
        Self {
            key: tip_key(subject, locale, persona, prompt_version, route),
            origin: TipOrigin {
                challenge: subject.challenge,
                content: subject.content_hash(),
                locale: locale.clone(),
                persona: persona.clone(),
                prompt_version: prompt_version.to_owned(),
                shown: *locale == Locale::default() && voices.first() == Some(persona),
            },
            prompt: book.prompt(subject, locale, persona),
            account: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::Difficulty;

    struct Voices(Vec<PersonaName>);

    impl PromptBook for Voices {
        fn prompt_version(&self) -> &'static str {
            "1"
        }

        fn personas(&self) -> &[PersonaName] {
            &self.0
        }

        fn prompt(&self, _: &TipSubject, _: &Locale, _: &PersonaName) -> Prompt {
            Prompt {
                system: String::new(),
                user: String::new(),
            }
        }
    }

    #[test]
    fn only_a_tip_in_the_default_language_and_voice_is_shown_beside_its_challenge() {
        let book = Voices(["warm", "brief"].map(|name| name.parse().unwrap()).to_vec());
        let subject = TipSubject {
            challenge: Uuid::nil().into(),
            difficulty: Difficulty::Beginner,
            title: "Say hello".to_owned(),
            description: String::new(),
            static_tip: None,
        };
        for (locale, persona, shown) in [
            ("en", "warm", true),
            ("en", "nobody", true),
            ("en", "brief", false),
            ("de", "warm", false),
            ("en-GB", "warm", false),
        ] {
            let (locale, persona) = (locale.parse().unwrap(), persona.parse().unwrap());
            let request = GenerationRequest::new(&book, None, &subject, &locale, &persona);
            assert_eq!(request.origin.shown, shown, "{locale} {persona}");
        }
    }
}
