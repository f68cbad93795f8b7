use crate::domain::{Prompt, Usage, Writing};

/// Counts what an attempt sent and received, and what the provider says it cost.
#[derive(Debug)]
pub(super) struct Tally {
    sent_bytes: u64,
    text_bytes: u64,
    told_input: Option<u64>,
    told_output: Option<u64>,
    is_final: bool,
}

impl Tally {
    pub(super) fn of(prompt: &Prompt) -> Self {
        Self {
            sent_bytes: length(&prompt.system) + length(&prompt.user),
            text_bytes: 0,
            told_input: None,
            told_output: None,
            is_final: false,
        }
    }

    /// What a piece of text means. White space before the first word is left out, so that a tip
    /// that is nothing else is empty, and the first text is one that a reader sees.
    pub(super) fn text(&mut self, piece: &str) -> Writing {
        let seen = match self.text_bytes {
            0 => piece.trim_start(),
            _ => piece,
        };
        if seen.is_empty() {
            return Writing::Alive;
        }
        self.text_bytes += length(seen);
        Writing::Text(seen.to_owned())
    }

    pub(super) fn has_text(&self) -> bool {
        self.text_bytes > 0
    }

    /// Tokens read, as the provider counts them so far; nothing where it does not say.
    pub(super) fn tell_input(&mut self, tokens: Option<u64>) {
        self.told_input = tokens.or(self.told_input);
    }

    /// Tokens written, likewise.
    pub(super) fn tell_output(&mut self, tokens: Option<u64>) {
        self.told_output = tokens.or(self.told_output);
    }

    /// What was told last is what it all cost.
    pub(super) fn close(&mut self) {
        self.is_final = true;
    }

    /// What it cost: as told, or guessed where the end of it was not told. Each side is guessed
    /// by [`Usage::estimated`], and never below what was told.
    pub(super) fn usage(&self) -> Usage {
        let guess = Usage::estimated(self.sent_bytes, self.text_bytes);
        let told = self.is_final.then_some(self.told_output).flatten();
        Usage {
            input_tokens: self.told_input.unwrap_or(guess.input_tokens),
            output_tokens: told
                .unwrap_or_else(|| guess.output_tokens.max(self.told_output.unwrap_or(0))),
            is_estimated: self.told_input.is_none() || told.is_none(),
        }
    }
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::of(&Prompt {
            system: "12345678".to_owned(),
            user: "1234".to_owned(),
        })
    }

    #[test]
    fn white_space_before_the_first_word_is_no_text() {
        let mut tally = tally();
        assert_eq!(tally.text(" \n"), Writing::Alive);
        assert!(!tally.has_text());
        assert_eq!(tally.text("\n Be"), Writing::Text("Be".to_owned()));
        assert_eq!(tally.text(" kind"), Writing::Text(" kind".to_owned()));
        assert_eq!(tally.text(""), Writing::Alive);
    }

    #[test]
    fn what_is_not_told_is_guessed_and_said_to_be() {
        let mut tally = tally();
        assert_eq!(tally.usage(), Usage::estimated(12, 0));
        tally.tell_input(Some(5));
        tally.tell_output(Some(1));
        tally.text("123456789");
        let usage = tally.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (5, 3));
        assert!(usage.is_estimated);
        tally.tell_input(None);
        tally.tell_output(Some(2));
        tally.close();
        let usage = tally.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (5, 2));
        assert!(!usage.is_estimated);
    }
}
