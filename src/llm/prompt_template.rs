//! Prompt files with slots.
/// A text with a version and with slots, from a file under `prompts/`: a line `version: 1`, an
/// empty line, and the text, where `{{name}}` is a slot.
#[derive(Debug)]
pub(super) struct PromptTemplate {
    pub(super) version: u32,
    parts: Vec<TemplatePart>,
}

#[derive(Debug)]
enum TemplatePart {
    Text(&'static str),
    Slot(Slot),
}

/// What is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Persona,
    Locale,
    Difficulty,
    Challenge,
}

impl Slot {
    const ALL: [(Self, &str); 4] = [
        (Self::Persona, "persona"),
        (Self::Locale, "locale"),
        (Self::Difficulty, "difficulty"),
        (Self::Challenge, "challenge"),
    ];
}

impl PromptTemplate {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(file: &'static str) -> Result<Self, String> {
        let no_version = || "does not start with a version and an empty line".to_owned();
        let head = file
            .strip_prefix("version: ")
            .and_then(|rest| rest.split_once("\n\n"));
        let (version, text) = head.ok_or_else(no_version)?;
        Ok(Self {
            version: version.parse().map_err(|_| no_version())?,
            parts: parts(text.trim_end())?,
        })
    }

    /// The text with every slot filled, in one pass: what is put in is never read for slots.
    pub(super) fn fill<'a>(&'a self, value: impl Fn(Slot) -> &'a str) -> String {
        let parts = self.parts.iter().map(|part| match part {
            TemplatePart::Text(text) => text,
            TemplatePart::Slot(slot) => value(*slot),
        });
        parts.collect()
    }
}

fn parts(text: &'static str) -> Result<Vec<TemplatePart>, String> {
    let mut pieces = text.split("{{");
    let mut parts = vec![TemplatePart::Text(pieces.next().unwrap_or_default())];
    for piece in pieces {
        let (name, text) = piece.split_once("}}").ok_or("has a slot without an end")?;
        let slot = Slot::ALL.into_iter().find(|(_, known)| *known == name);
        let (slot, _) = slot.ok_or_else(|| format!("has an unknown slot {name:?}"))?;
        parts.extend([TemplatePart::Slot(slot), TemplatePart::Text(text)]);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_and_what_is_put_in_is_left_alone() {
        let template = PromptTemplate::parse("version: 3\n\n{{locale}}: {{challenge}}!\n").unwrap();
        let text = template.fill(|slot| match slot {
            Slot::Challenge => "{{locale}}",
            Slot::Locale => "en",
            Slot::Persona | Slot::Difficulty => "?",
        });
        assert_eq!((template.version, text.as_str()), (3, "en: {{locale}}!"));
    }

    #[test]
    fn a_file_without_version_or_with_a_wrong_slot_is_refused() {
        for file in [
            "",
            "text",
            "version: x\n\na",
            "version: 1\na",
            "version: 1\n\n{{a",
            "version: 1\n\n{{tip}}",
        ] {
            assert!(PromptTemplate::parse(file).is_err(), "{file:?}");
        }
    }
}
