//! One tip to be written: its key, what it is for, and its prompt.
use std::sync::Arc;

use super::policy;
use crate::domain::{
    Locale, PersonaName, Prompt, PromptBook, Route, RunBudget, TipKey, TipOrigin, TipSubject,
    hash_of_fields,
};

/// Changes when the fields of a key, or their order, change.
const SCHEMA: u64 = 1;

/// One tip to be written.
#[derive(Clone, Debug)]
pub(super) struct GenerationRequest {
    pub(super) key: TipKey,
    pub(super) origin: TipOrigin,
    pub(super) prompt: Prompt,
    /// The run that pays for it, beside the daily budget.
    pub(super) run_budget: Option<Arc<RunBudget>>,
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
        let personas = book.personas();
        let known = personas.iter().find(|name| *name == persona);
        let persona = known.or_else(|| personas.first()).unwrap_or(persona);
        let prompt_version = book.prompt_version();
        Self {
            key: tip_key(subject, locale, persona, prompt_version, route),
            origin: TipOrigin {
                challenge: subject.challenge,
                content: subject.content_hash(),
                locale: locale.clone(),
                persona: persona.clone(),
                prompt_version: prompt_version.to_owned(),
                shown: *locale == Locale::default() && personas.first() == Some(persona),
            },
            prompt: book.prompt(subject, locale, persona),
            run_budget: None,
        }
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
    let number = |number: u64| number.to_le_bytes().to_vec();
    let text = |text: &str| text.as_bytes().to_vec();
    let mut fields = vec![
        number(SCHEMA),
        subject.challenge.uuid().as_bytes().to_vec(),
        subject.content_hash().to_vec(),
        text(locale.as_str()),
        text(persona.as_str()),
        text(prompt_version),
        number(policy::VERSION),
    ];
    if let Some(route) = route {
        fields.extend([
            text(&route.provider),
            text(&route.model),
            number(route.temperature_milli.into()),
            number(route.max_output_tokens.into()),
        ]);
    }
    TipKey(hash_of_fields(fields))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
