//! Counts the tokens of an attempt, as reported by the provider or estimated.
use std::collections::VecDeque;

use super::{
    surrogates::HalfJoiner,
    thoughts::{ThinkingHabit, ThoughtFilter},
};
use crate::domain::{Prompt, StreamEvent, Usage};

/// Takes in the text of an attempt, and counts what was sent and received, and what the provider
/// says it cost.
#[derive(Debug)]
pub(super) struct UsageCounter {
    halves: HalfJoiner,
    thoughts: ThoughtFilter,
    has_text: bool,
    sent_bytes: u64,
    /// With thoughts, which are paid for as well.
    text_bytes: u64,
    reported_input: Option<u64>,
    reported_output: Option<u64>,
    is_final: bool,
}

impl UsageCounter {
    /// For an attempt with a provider that has this habit.
    pub(super) fn of(prompt: &Prompt, habit: &ThinkingHabit) -> Self {
        Self {
            halves: HalfJoiner::default(),
            thoughts: ThoughtFilter::new(habit),
            has_text: false,
            sent_bytes: length(&prompt.system) + length(&prompt.user),
            text_bytes: 0,
            reported_input: None,
            reported_output: None,
            is_final: false,
        }
    }

    /// Adds what a piece of text means. White space before the first word is left out, so that a
    /// tip that is nothing else is empty, and the first text is one that a reader sees.
    pub(super) fn text(&mut self, piece: &str, events: &mut VecDeque<StreamEvent>) {
        let piece = self.halves.join(piece);
        self.text_bytes = self.text_bytes.saturating_add(length(&piece));
        let filtered = self.thoughts.take(&piece);
        if filtered.takes_back && self.has_text {
            self.has_text = false;
            events.push_back(StreamEvent::TakenBack);
        }
        if filtered.text.is_empty() {
            events.push_back(StreamEvent::Alive);
        } else {
            self.show(filtered.text, events);
        }
    }

    /// Takes the end of the text, and adds what was held of it.
    pub(super) fn finish_text(&mut self, events: &mut VecDeque<StreamEvent>) {
        let rest = self.thoughts.finish();
        if !rest.is_empty() {
            self.show(rest, events);
        }
    }

    fn show(&mut self, text: String, events: &mut VecDeque<StreamEvent>) {
        self.has_text = true;
        events.push_back(StreamEvent::Text(text));
    }

    pub(super) fn has_text(&self) -> bool {
        self.has_text
    }

    /// Tokens read, as the provider counts them so far; nothing where it does not say. Gateways
    /// that do not know say zero, which no request and no text costs.
    pub(super) fn report_input(&mut self, tokens: Option<u64>) {
        self.reported_input = tokens
            .filter(|tokens| is_plausible(*tokens))
            .or(self.reported_input);
    }

    /// Tokens written, likewise.
    pub(super) fn report_output(&mut self, tokens: Option<u64>) {
        self.reported_output = tokens
            .filter(|tokens| is_plausible(*tokens))
            .or(self.reported_output);
    }

    /// What was reported last is the cost of the whole attempt.
    pub(super) fn close(&mut self) {
        self.is_final = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_final
    }

    /// What it cost: as reported, or estimated where no final number was reported. Each side is estimated
    /// by [`Usage::estimated`], and never below what was reported.
    pub(super) fn usage(&self) -> Usage {
        let guess = Usage::estimated(self.sent_bytes, self.text_bytes);
        let reported = self.is_final.then_some(self.reported_output).flatten();
        Usage {
            input_tokens: self.reported_input.unwrap_or(guess.input_tokens),
            output_tokens: reported
                .unwrap_or_else(|| guess.output_tokens.max(self.reported_output.unwrap_or(0))),
            is_estimated: self.reported_input.is_none() || reported.is_none(),
        }
    }
}

/// Zero is what gateways say that do not know. No request of ours comes near the most, which no model reads or writes at
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

    fn counter() -> UsageCounter {
        let prompt = Prompt {
            system: "12345678".to_owned(),
            user: "1234".to_owned(),
        };
        UsageCounter::of(&prompt, &ThinkingHabit::default())
    }

    fn read(counter: &mut UsageCounter, piece: &str) -> StreamEvent {
        let mut events = VecDeque::new();
        counter.text(piece, &mut events);
        assert_eq!(events.len(), 1);
        events.pop_front().unwrap()
    }

    #[test]
    fn a_count_that_no_model_reaches_is_not_believed() {
        let mut counter = counter();
        counter.report_input(Some(1_000_000_000_000_000_000));
        counter.report_output(Some(10_000_001));
        read(&mut counter, "12345678");
        counter.close();
        assert_eq!(counter.usage(), Usage::estimated(12, 8));
    }

    #[test]
    fn white_space_before_the_first_word_is_no_text() {
        let mut counter = counter();
        assert_eq!(read(&mut counter, " \n"), StreamEvent::Alive);
        assert!(!counter.has_text());
        assert_eq!(
            read(&mut counter, "\n Be"),
            StreamEvent::Text("Be".to_owned())
        );
        assert_eq!(
            read(&mut counter, " kind"),
            StreamEvent::Text(" kind".to_owned())
        );
        assert_eq!(read(&mut counter, ""), StreamEvent::Alive);
    }

    #[test]
    fn what_is_not_told_is_guessed_and_said_to_be() {
        let mut counter = counter();
        assert_eq!(counter.usage(), Usage::estimated(12, 0));
        counter.report_input(Some(5));
        counter.report_output(Some(1));
        read(&mut counter, "123456789");
        let usage = counter.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (5, 3));
        assert!(usage.is_estimated);
        counter.report_input(None);
        counter.report_output(Some(2));
        counter.close();
        let usage = counter.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (5, 2));
        assert!(!usage.is_estimated);
    }

    #[test]
    fn zero_is_not_told_and_thoughts_are_paid_for() {
        let mut counter = counter();
        read(&mut counter, "<think>12345");
        counter.report_input(Some(0));
        counter.report_output(Some(0));
        counter.close();
        assert_eq!(counter.usage(), Usage::estimated(12, 12));
    }

    #[test]
    fn text_that_turns_out_to_be_thoughts_is_taken_back() {
        let (mut counter, mut events) = (counter(), VecDeque::new());
        for piece in ["Why not?", "</think>", "Be", " kind.</th"] {
            counter.text(piece, &mut events);
        }
        counter.finish_text(&mut events);
        let text = |text: &str| StreamEvent::Text(text.to_owned());
        let expected = [
            text("Why not?"),
            StreamEvent::TakenBack,
            StreamEvent::Alive,
            text("Be"),
            text(" kind."),
            text("</th"),
        ];
        assert_eq!(events, expected);
    }
}
