use ring::digest;
use uuid::Uuid;

use super::{
    untrusted::{fenced, hex, plain},
    wording::{Slot, Wording},
};
use crate::domain::{ChallengeId, Difficulty, Locale, PersonaName, Prompt, PromptBook, TipSubject};

/// More than the table's column holds.
const TITLE_CHARS: usize = 200;
/// Ten times what the seeded exercises need.
const DESCRIPTION_CHARS: usize = 2_000;
/// Likewise.
const STATIC_TIP_CHARS: usize = 1_000;

/// The files, the default voice first.
const SYSTEM: &str = include_str!("../../prompts/system.md");
const USER: &str = include_str!("../../prompts/user.md");
const PERSONAS: [(&str, &str); 2] = [
    ("connell", include_str!("../../prompts/personas/connell.md")),
    ("gentle", include_str!("../../prompts/personas/gentle.md")),
];

/// The prompts that are compiled in, from the files under `prompts/`.
#[derive(Debug)]
pub struct BundledPrompts {
    system: Wording,
    user: Wording,
    voices: Vec<Wording>,
    names: Vec<PersonaName>,
    edition: String,
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
        let voices = PERSONAS.map(|(name, file)| Wording::parse(file).map_err(bad(name)));
        let names = PERSONAS.map(|(name, _)| name.parse().map_err(bad(name)));
        let mut book = Self {
            system: Wording::parse(SYSTEM).map_err(bad("system"))?,
            user: Wording::parse(USER).map_err(bad("user"))?,
            voices: voices.into_iter().collect::<Result<_, _>>()?,
            names: names.into_iter().collect::<Result<_, _>>()?,
            edition: String::new(),
        };
        book.edition = book.name_edition();
        Ok(book)
    }

    /// Names and versions for people, and a hash for the truth: of the files, and of what the code
    /// makes of them, so that a change of either is another edition although nobody counted it up.
    fn name_edition(&self) -> String {
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
        let voices = self.names.iter().zip(&self.voices);
        let voices = voices.map(|(name, voice)| format!(",{name}@{}", voice.version));
        format!(
            "system@{},user@{}{}#{}",
            self.system.version,
            self.user.version,
            voices.collect::<String>(),
            hex(hash.finish().as_ref(), 6)
        )
    }

    fn voice(&self, persona: &PersonaName) -> String {
        let mut voices = self.names.iter().zip(&self.voices);
        let named = voices.find(|(name, _)| *name == persona);
        let voice = named.map(|(_, voice)| voice).or(self.voices.first());
        voice.map(|voice| voice.fill(|_| "")).unwrap_or_default()
    }
}

impl PromptBook for BundledPrompts {
    fn edition(&self) -> &str {
        &self.edition
    }

    fn personas(&self) -> &[PersonaName] {
        &self.names
    }

    fn prompt(&self, subject: &TipSubject, locale: &Locale, persona: &PersonaName) -> Prompt {
        let voice = self.voice(persona);
        let challenge = fenced(&described(subject));
        let value = |slot| match slot {
            Slot::Persona => voice.as_str(),
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
        ("Title", plain(&subject.title, TITLE_CHARS)),
        ("What to do", plain(&subject.description, DESCRIPTION_CHARS)),
        ("What a coach said about it", plain(tip, STATIC_TIP_CHARS)),
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
