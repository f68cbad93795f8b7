//! Shows a tip while it is written.
use std::time::Duration;

use tokio::time::Instant;
use unicode_width::UnicodeWidthStr;

use super::{
    escape::{clean, clean_lines},
    failure::Failure,
    json::word,
    output::{self, Color, Output},
    screen,
};
use crate::{
    config::EnvVars,
    pb::catalog::v1::{
        StreamTipsResponse, TipDone, TipFallback, TipProviderFailure, TipReset, TipResetCause,
        TipSource, stream_tips_response::Event,
    },
};

/// A tip as it comes, for people.
///
/// On a terminal each piece is shown at once, and text that becomes void is followed by a word
/// about it. A pipe cannot take text back, so there it is written once, when it is whole.
pub(super) struct TipPage<'a> {
    output: Output,
    environment: &'a EnvVars,
    asked: Instant,
    first_text: Option<Duration>,
    text: String,
    /// What has room for the next word, on a terminal.
    line: WrappingLine,
    is_done: bool,
}

impl<'a> TipPage<'a> {
    pub(super) fn new(output: Output, environment: &'a EnvVars, asked: Instant) -> Self {
        Self {
            output,
            environment,
            asked,
            first_text: None,
            text: String::new(),
            line: WrappingLine::of(output.width()),
            is_done: false,
        }
    }

    /// Takes in the next event.
    pub(super) fn turn(&mut self, message: StreamTipsResponse) -> Result<(), Failure> {
        match message.event {
            Some(Event::Delta(delta)) => {
                self.first_text.get_or_insert_with(|| self.asked.elapsed());
                self.text.push_str(&delta.text);
                if self.output.is_table() {
                    output::piece(&self.line.take(&clean_lines(&delta.text)))?;
                }
            }
            Some(Event::Reset(reset)) => {
                self.text.clear();
                if self.output.is_table() {
                    output::piece(&self.line.rest())?;
                    let notice = self.output.paint(Color::Yellow, notice(reset));
                    output::line(&format!("\n\n[{notice}]\n"))?;
                    self.line = WrappingLine::of(self.output.width());
                }
            }
            Some(Event::Done(done)) => {
                self.is_done = true;
                self.close(&done)?;
            }
            Some(Event::Accepted(_) | Event::Heartbeat(_)) | None => {}
        }
        Ok(())
    }

    /// To be told that nothing more comes.
    pub(super) fn finished(self) -> Result<(), Failure> {
        if self.is_done {
            Ok(())
        } else {
            Err(Failure::failed("the stream ended before the tip was whole"))
        }
    }

    fn close(&mut self, done: &TipDone) -> Result<(), Failure> {
        let written = written(done);
        if !self.output.is_table() && is_fallback(done) {
            screen::remark(&format!("note: {written}"), self.environment);
        }
        if self.output.is_data() {
            return Ok(());
        }
        if !self.output.is_table() {
            return output::line(&clean_lines(&self.text));
        }
        output::piece(&self.line.rest())?;
        let times = times(self.first_text, self.asked.elapsed());
        self.output.text(&format!("\n\n{written}; {times}"))
    }
}

/// Why text above does not count, and what follows.
fn notice(reset: TipReset) -> &'static str {
    match reset.cause() {
        TipResetCause::Restart => "the provider broke off; it begins again",
        TipResetCause::Takeover => "the server that had it written was lost; another begins again",
        TipResetCause::Fallback => "it could not be written to its end; this stands in",
        TipResetCause::Resume | TipResetCause::Unspecified => "it begins again",
    }
}

/// Whether it is another text than one that was written for this question and is current.
fn is_fallback(done: &TipDone) -> bool {
    match done.source() {
        TipSource::Ai | TipSource::Cache => false,
        TipSource::Stale | TipSource::Static | TipSource::Unspecified => true,
    }
}

/// Who wrote it, and why it is not another one.
fn written(done: &TipDone) -> String {
    let source = match done.source() {
        TipSource::Ai => "written now",
        TipSource::Cache => "written before",
        TipSource::Stale => "written before, no longer current",
        TipSource::Static => "written by a person",
        TipSource::Unspecified => "of unknown source",
    };
    let model = match done.model.as_str() {
        "" => String::new(),
        model => format!(" by {}", clean(model)),
    };
    let reason = match (done.fallback(), done.provider_failure()) {
        (TipFallback::Unspecified, _) => String::new(),
        (fallback, TipProviderFailure::Unspecified) => {
            let word = word(fallback.as_str_name(), "TIP_FALLBACK_");
            format!(", because of: {}", word.replace('_', " "))
        }
        (_, failure) => {
            let word = word(failure.as_str_name(), "TIP_PROVIDER_FAILURE_");
            format!(", because of: {}", word.replace('_', " "))
        }
    };
    format!("{source}{model}{reason}")
}

fn times(first_text: Option<Duration>, total: Duration) -> String {
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    let (first, total) = (
        first_text.map_or("none".to_owned(), seconds),
        seconds(total),
    );
    format!("first text after {first}, all after {total}")
}

/// A line of a terminal that fills while text comes: a word is held back until its end is known, so
/// that none is broken in two.
struct WrappingLine {
    width: Option<usize>,
    column: usize,
    word: String,
}

impl WrappingLine {
    fn of(width: Option<usize>) -> Self {
        Self {
            width,
            column: 0,
            word: String::new(),
        }
    }

    /// What of the text, and of what was held back, can be written.
    fn take(&mut self, text: &str) -> String {
        let mut written = String::new();
        for c in text.chars() {
            if c != ' ' && c != '\n' {
                self.word.push(c);
                continue;
            }
            written.push_str(&self.rest());
            written.push(c);
            self.column = if c == '\n' { 0 } else { self.column + 1 };
        }
        if self.width.is_none() {
            written.push_str(&self.rest());
        }
        written
    }

    /// The word that was held back.
    fn rest(&mut self) -> String {
        let word = std::mem::take(&mut self.word);
        let width = word.width();
        let is_full = self.width.is_some_and(|most| self.column + width > most);
        if is_full && self.column > 0 {
            self.column = width;
            return format!("\n{word}");
        }
        self.column += width;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tip_breaks_between_words_however_it_comes() {
        let mut line = WrappingLine::of(Some(10));
        let pieces = ["One tw", "o thr", "ee four\nfi", "ve"].map(|piece| line.take(piece));
        assert_eq!(pieces, ["One ", "two ", "\nthree four\n", ""]);
        assert_eq!(line.rest(), "five");
        assert_eq!(WrappingLine::of(None).take("One tw"), "One tw");
    }

    #[test]
    fn the_summary_says_who_wrote_and_how_long_it_took() {
        let done = TipDone {
            source: TipSource::Ai.into(),
            model: "m-1".to_owned(),
            ..TipDone::default()
        };
        assert_eq!(
            (written(&done).as_str(), is_fallback(&done)),
            ("written now by m-1", false)
        );
        let done = TipDone {
            source: TipSource::Static.into(),
            fallback: TipFallback::NoProvider.into(),
            ..TipDone::default()
        };
        assert_eq!(
            (written(&done).as_str(), is_fallback(&done)),
            ("written by a person, because of: no provider", true)
        );
        assert_eq!(
            times(
                Some(Duration::from_millis(420)),
                Duration::from_millis(1_870)
            ),
            "first text after 0.42 s, all after 1.87 s"
        );
    }
}
