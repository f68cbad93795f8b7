use std::collections::VecDeque;

use super::{
    surrogates::HalfJoiner,
    thoughts::{ThinkingHabit, ThoughtFilter},
};
use crate::domain::{Prompt, Usage, Writing};

/// Takes in the text of an attempt, and counts what was sent and received, and what the provider
/// says it cost.
#[derive(Debug)]
pub(super) struct Tally {
    halves: HalfJoiner,
    thoughts: ThoughtFilter,
    has_text: bool,
    sent_bytes: u64,
    /// With thoughts, which are paid for as well.
    text_bytes: u64,
    told_input: Option<u64>,
    told_output: Option<u64>,
    is_final: bool,
}

impl Tally {
    /// For an attempt with a provider that has this habit.
    pub(super) fn of(prompt: &Prompt, habit: &ThinkingHabit) -> Self {
        Self {
            halves: HalfJoiner::default(),
            thoughts: ThoughtFilter::new(habit),
            has_text: false,
            sent_bytes: length(&prompt.system) + length(&prompt.user),
            text_bytes: 0,
            told_input: None,
            told_output: None,
            is_final: false,
        }
    }

    /// Adds what a piece of text means. White space before the first word is left out, so that a
    /// tip that is nothing else is empty, and the first text is one that a reader sees.
    pub(super) fn text(&mut self, piece: &str, writings: &mut VecDeque<Writing>) {
        let piece = self.halves.join(piece);
        self.text_bytes = self.text_bytes.saturating_add(length(&piece));
        let filtered = self.thoughts.take(&piece);
        if filtered.takes_back && self.has_text {
            self.has_text = false;
            writings.push_back(Writing::TakenBack);
        }
        if filtered.text.is_empty() {
            writings.push_back(Writing::Alive);
        } else {
            self.show(filtered.text, writings);
        }
    }

    /// Takes the end of the text, and adds what was held of it.
    pub(super) fn finish_text(&mut self, writings: &mut VecDeque<Writing>) {
        let rest = self.thoughts.finish();
        if !rest.is_empty() {
            self.show(rest, writings);
        }
    }

    fn show(&mut self, text: String, writings: &mut VecDeque<Writing>) {
        self.has_text = true;
        writings.push_back(Writing::Text(text));
    }

    pub(super) fn has_text(&self) -> bool {
        self.has_text
    }

    /// Tokens read, as the provider counts them so far; nothing where it does not say. Gateways
    /// that do not know say zero, which no order and no text costs.
    pub(super) fn tell_input(&mut self, tokens: Option<u64>) {
        self.told_input = tokens
            .filter(|tokens| is_plausible(*tokens))
            .or(self.told_input);
    }

    /// Tokens written, likewise.
    pub(super) fn tell_output(&mut self, tokens: Option<u64>) {
        self.told_output = tokens
            .filter(|tokens| is_plausible(*tokens))
            .or(self.told_output);
    }

    /// What was told last is what it all cost.
    pub(super) fn close(&mut self) {
        self.is_final = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_final
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

/// Zero is what gateways say that do not know. No order of ours comes near the most, which no model reads or writes at
/// once: a number beyond it would take the money of the day for what nobody charged.
const fn is_plausible(tokens: u64) -> bool {
    0 < tokens && tokens <= 10_000_000
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let prompt = Prompt {
            system: "12345678".to_owned(),
            user: "1234".to_owned(),
        };
        Tally::of(&prompt, &ThinkingHabit::default())
    }

    fn read(tally: &mut Tally, piece: &str) -> Writing {
        let mut writings = VecDeque::new();
        tally.text(piece, &mut writings);
        assert_eq!(writings.len(), 1);
        writings.pop_front().unwrap()
    }

    #[test]
    fn a_count_that_no_model_reaches_is_not_believed() {
        let mut tally = tally();
        tally.tell_input(Some(1_000_000_000_000_000_000));
        tally.tell_output(Some(10_000_001));
        read(&mut tally, "12345678");
        tally.close();
        assert_eq!(tally.usage(), Usage::estimated(12, 8));
    }

    #[test]
    fn white_space_before_the_first_word_is_no_text() {
        let mut tally = tally();
        assert_eq!(read(&mut tally, " \n"), Writing::Alive);
        assert!(!tally.has_text());
        assert_eq!(read(&mut tally, "\n Be"), Writing::Text("Be".to_owned()));
        assert_eq!(read(&mut tally, " kind"), Writing::Text(" kind".to_owned()));
        assert_eq!(read(&mut tally, ""), Writing::Alive);
    }

    #[test]
    fn what_is_not_told_is_guessed_and_said_to_be() {
        let mut tally = tally();
        assert_eq!(tally.usage(), Usage::estimated(12, 0));
        tally.tell_input(Some(5));
        tally.tell_output(Some(1));
        read(&mut tally, "123456789");
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

    #[test]
    fn zero_is_not_told_and_thoughts_are_paid_for() {
        let mut tally = tally();
        read(&mut tally, "<think>12345");
        tally.tell_input(Some(0));
        tally.tell_output(Some(0));
        tally.close();
        assert_eq!(tally.usage(), Usage::estimated(12, 12));
    }

    #[test]
    fn text_that_turns_out_to_be_thoughts_is_taken_back() {
        let (mut tally, mut writings) = (tally(), VecDeque::new());
        for piece in ["Why not?", "</think>", "Be", " kind.</th"] {
            tally.text(piece, &mut writings);
        }
        tally.finish_text(&mut writings);
        let text = |text: &str| Writing::Text(text.to_owned());
        let expected = [
            text("Why not?"),
            Writing::TakenBack,
            Writing::Alive,
            text("Be"),
            text(" kind."),
            text("</th"),
        ];
        assert_eq!(writings, expected);
    }
}
