//! The bundled prompts, and the version that names them.
use ring::digest;
use uuid::Uuid;

use super::{
    prompt_template::{PromptTemplate, Slot},
    untrusted::{delimit, hex, sanitize},
};
use crate::domain::{ChallengeId, Difficulty, Locale, PersonaName, Prompt, PromptBook, TipSubject};

/// More than the table's column holds.
const TITLE_CHARS: usize = 200;
/// Ten times what the seeded exercises need.
const DESCRIPTION_CHARS: usize = 2_000;
/// Likewise.
const STATIC_TIP_CHARS: usize = 1_000;

/// The files, the default persona first.
const SYSTEM: &str = include_str!("../../prompts/system.md");
const USER: &str = include_str!("../../prompts/user.md");
const PERSONAS: [(&str, &str); 2] = [
    ("connell", include_str!("../../prompts/personas/connell.md")),
    ("gentle", include_str!("../../prompts/personas/gentle.md")),
];

/// The prompts that are compiled in, from the files under `prompts/`.
#[derive(Debug)]
pub struct BundledPrompts {
    system: PromptTemplate,
    user: PromptTemplate,
    personas: Vec<PromptTemplate>,
    names: Vec<PersonaName>,
    prompt_version: String,
}

/// A file under `prompts/` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("prompts: {file} {problem}")]
pub struct BadPrompt {
    file: &'static str,
    problem: String,
}

impl BundledPrompts {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`BadPrompt`] names the first that is wrong.
    pub fn load() -> Result<Self, BadPrompt> {
        let bad = |file| move |problem| BadPrompt { file, problem };
        let personas = PERSONAS.map(|(name, file)| PromptTemplate::parse(file).map_err(bad(name)));
        let names = PERSONAS.map(|(name, _)| name.parse().map_err(bad(name)));
        let mut book = Self {
            system: PromptTemplate::parse(SYSTEM).map_err(bad("system"))?,
            user: PromptTemplate::parse(USER).map_err(bad("user"))?,
            personas: personas.into_iter().collect::<Result<_, _>>()?,
            names: names.into_iter().collect::<Result<_, _>>()?,
            prompt_version: String::new(),
        };
        book.prompt_version = book.make_version();
        Ok(book)
    }

    /// Names and versions for people, and a hash for the truth: of the files, and of what the code
    /// makes of them, so that a change of either is another prompt version although nobody counted it up.
    fn make_version(&self) -> String {
        let files = PERSONAS.iter().map(|(_, file)| *file);
        let mut texts: Vec<String> = files.chain([SYSTEM, USER]).map(str::to_owned).collect();
        for persona in &self.names {
            for difficulty in Difficulty::ALL {
                let prompt = self.prompt(&sample(difficulty), &Locale::default(), persona);
                texts.extend([prompt.system, prompt.user]);
            }
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        for text in texts {
            hash.update(&text.len().to_be_bytes());
            hash.update(text.as_bytes());
        }
        let personas = self.names.iter().zip(&self.personas);
        let personas =
            personas.map(|(name, persona_text)| format!(",{name}@{}", persona_text.version));
        format!(
            "system@{},user@{}{}#{}",
            self.system.version,
            self.user.version,
            personas.collect::<String>(),
            hex(hash.finish().as_ref(), 6)
        )
    }

    fn persona_text(&self, persona: &PersonaName) -> String {
        let mut personas = self.names.iter().zip(&self.personas);
        let named = personas.find(|(name, _)| *name == persona);
        let persona_text = named
            .map(|(_, persona_text)| persona_text)
            .or(self.personas.first());
        persona_text
            .map(|persona_text| persona_text.fill(|_| ""))
            .unwrap_or_default()
    }
}

impl PromptBook for BundledPrompts {
    fn prompt_version(&self) -> &str {
        &self.prompt_version
    }

    fn personas(&self) -> &[PersonaName] {
        &self.names
    }

    fn prompt(&self, subject: &TipSubject, locale: &Locale, persona: &PersonaName) -> Prompt {
        let persona_text = self.persona_text(persona);
        let challenge = delimit(&described(subject));
        let value = |slot| match slot {
            Slot::Persona => persona_text.as_str(),
            Slot::Locale => locale.as_str(),
            Slot::Difficulty => subject.difficulty.as_str(),
            Slot::Challenge => challenge.as_str(),
        };
        Prompt {
            system: self.system.fill(value),
            user: self.user.fill(value),
        }
    }
}

/// The challenge in its own words; a line each, and none for what it lacks.
fn described(subject: &TipSubject) -> String {
    let tip = subject.static_tip.as_deref().unwrap_or_default();
    let lines = [
        ("Title", sanitize(&subject.title, TITLE_CHARS)),
        (
            "What to do",
            sanitize(&subject.description, DESCRIPTION_CHARS),
        ),
        (
            "What a coach said about it",
            sanitize(tip, STATIC_TIP_CHARS),
        ),
    ];
    let lines = lines.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<_> = lines
        .map(|(label, value)| format!("{label}: {value}"))
        .collect();
    lines.join("\n")
}

/// A challenge that shows what the code does to one.
fn sample(difficulty: Difficulty) -> TipSubject {
    TipSubject {
        challenge: ChallengeId::from(Uuid::nil()),
        difficulty,
        title: "t<\u{200B}\t".repeat(TITLE_CHARS),
        description: "d>\r\n".repeat(DESCRIPTION_CHARS),
        static_tip: Some("s".repeat(STATIC_TIP_CHARS + 1)),
    }
}

#[cfg(test)]
#[path = "prompt_tests.rs"]
mod tests;
