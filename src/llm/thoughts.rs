//! Removes a model's thinking from its text.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// What models put around their thoughts, in lower case: `DeepSeek`, Qwen and those after them; Claude where it is asked to
/// think aloud; Gemma, Magistral, Kimi and Seed.
const TAGS: [[&str; 2]; 9] = [
    ["<think>", "</think>"],
    ["<thinking>", "</thinking>"],
    ["<thought>", "</thought>"],
    ["<reasoning>", "</reasoning>"],
    ["<reflection>", "</reflection>"],
    ["<analysis>", "</analysis>"],
    ["[think]", "[/think]"],
    ["◁think▷", "◁/think▷"],
    ["<seed:think>", "</seed:think>"],
];

/// Whether a provider was seen to leave out the tag that opens its thoughts: with some models the
/// prompt's template holds it, so only the closing one is in the text. Shared by its attempts.
#[derive(Clone, Debug, Default)]
pub(super) struct ThinkingHabit(Arc<AtomicBool>);

/// Leaves out what a model thinks before it writes: `<think>…</think>` and the like at the beginning of a text,
/// and everything before a closing tag without an opening one.
///
/// Nobody can know at the beginning of a text that a closing tag will come, so the first such text
/// of a provider is let through and taken back. Its later ones are held until the tag comes.
#[derive(Debug)]
pub(super) struct ThoughtFilter {
    habit: ThinkingHabit,
    state: FilterState,
    /// What is not decided yet: the beginning of a text, or of a tag.
    held: String,
    /// Text that may turn out to be thoughts.
    withheld: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilterState {
    /// Before the first word.
    Start,
    /// Between the tags.
    Thoughts,
    /// Within the text.
    Text,
}

/// What came of a piece.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filtered {
    /// Whether all text before was thoughts.
    pub(super) takes_back: bool,
    /// Text to show.
    pub(super) text: String,
}

impl ThoughtFilter {
    pub(super) fn new(habit: &ThinkingHabit) -> Self {
        Self {
            habit: habit.clone(),
            state: FilterState::Start,
            held: String::new(),
            withheld: habit.0.load(Relaxed).then(String::new),
        }
    }

    /// Takes the next piece. White space before the first word is left out.
    pub(super) fn take(&mut self, piece: &str) -> Filtered {
        self.held.push_str(piece);
        let mut filtered = Filtered::default();
        while self.step(&mut filtered) {}
        filtered
    }

    /// Takes the end of the text.
    pub(super) fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        let text = match self.state {
            FilterState::Start | FilterState::Text => held,
            FilterState::Thoughts => String::new(),
        };
        self.withheld.take().unwrap_or_default() + &text
    }

    /// Decides as much as can be decided at once; false when that needs more text.
    fn step(&mut self, filtered: &mut Filtered) -> bool {
        match self.state {
            FilterState::Start => self.start(),
            FilterState::Thoughts => self.skip_thoughts(),
            FilterState::Text => self.pass_text(filtered),
        }
    }

    fn start(&mut self) -> bool {
        self.held = self.held.trim_start().to_owned();
        let held = self.held.to_ascii_lowercase();
        if let Some([open, _]) = TAGS.iter().find(|[open, _]| held.starts_with(open)) {
            self.held.drain(..open.len());
            self.state = FilterState::Thoughts;
            return true;
        }
        let is_decided = !TAGS.iter().any(|[open, _]| open.starts_with(&held));
        if is_decided {
            self.state = FilterState::Text;
        }
        is_decided
    }

    fn skip_thoughts(&mut self) -> bool {
        if let Some(end) = end_of_thoughts(&self.held) {
            self.held.drain(..end);
            self.state = FilterState::Start;
            self.withheld = None;
            return true;
        }
        let kept = self.held.len() - begun_tag(&self.held);
        self.held.drain(..kept);
        false
    }

    fn pass_text(&mut self, filtered: &mut Filtered) -> bool {
        if let Some(end) = end_of_thoughts(&self.held) {
            self.held.drain(..end);
            self.state = FilterState::Start;
            // What was withheld needs not be taken back.
            filtered.takes_back |= self.withheld.take().is_none();
            filtered.text.clear();
            self.habit.0.store(true, Relaxed);
            return true;
        }
        let length = self.held.len() - begun_tag(&self.held);
        let text = self.held.drain(..length);
        self.withheld
            .as_mut()
            .unwrap_or(&mut filtered.text)
            .extend(text);
        false
    }
}

/// Where the text begins behind the first closing tag.
fn end_of_thoughts(text: &str) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    let ends = TAGS
        .iter()
        .filter_map(|[_, close]| Some(text.find(close)? + close.len()));
    ends.min()
}

/// How many bytes at the end may be the beginning of a closing tag.
fn begun_tag(text: &str) -> usize {
    let text = text.to_ascii_lowercase();
    let is_begun = |close: &str, length| {
        close
            .get(..length)
            .is_some_and(|begun| text.ends_with(begun))
    };
    let begun = |close: &'static str| {
        (1..close.len())
            .rev()
            .find(|length| is_begun(close, *length))
    };
    TAGS.iter()
        .filter_map(|[_, close]| begun(close))
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader has at the end, and whether something was taken back before.
    fn read(filter: &mut ThoughtFilter, pieces: &[&str]) -> (String, bool) {
        let (mut text, mut took_back) = (String::new(), false);
        for piece in pieces {
            let filtered = filter.take(piece);
            if filtered.takes_back && !text.is_empty() {
                text.clear();
                took_back = true;
            }
            text.push_str(&filtered.text);
        }
        (text + &filter.finish(), took_back)
    }

    /// The text in two pieces, cut at every position, and in pieces of one character.
    fn every_cut(text: &str) -> Vec<Vec<&str>> {
        let cuts = text.char_indices().map(|(at, _)| at);
        let mut all: Vec<Vec<&str>> = cuts.map(|at| vec![&text[..at], &text[at..]]).collect();
        all.push(text.split("").collect());
        all
    }

    #[test]
    fn thoughts_are_known_by_the_tags_of_many_models_in_any_case() {
        for [open, close] in TAGS {
            for (open, close) in [
                (open.to_owned(), close.to_owned()),
                (open.to_uppercase(), close.to_uppercase()),
            ] {
                let text = format!("{open}Why? <b>{close}\nBe kind.");
                for size in [1, 2, text.chars().count()] {
                    let chars: Vec<char> = text.chars().collect();
                    let pieces: Vec<String> = chars.chunks(size).map(String::from_iter).collect();
                    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
                    let mut filter = ThoughtFilter::new(&ThinkingHabit::default());
                    assert_eq!(
                        read(&mut filter, &pieces),
                        ("Be kind.".to_owned(), false),
                        "{text}"
                    );
                }
            }
        }
    }

    #[test]
    fn thoughts_at_the_beginning_are_left_out_however_they_are_cut() {
        for (text, expected) in [
            ("<think>Why <b>not</b>?</think>\n\nBe kind.", "Be kind."),
            (" \n<think>\n</think>Be kind.", "Be kind."),
            ("<think>a</think> <think>b</think> Be kind.", "Be kind."),
            ("<think>a</thin</think>Be kind.", "Be kind."),
            (
                "Be kind: 1 < 2, a </b> and </thin",
                "Be kind: 1 < 2, a </b> and </thin",
            ),
            ("<thing> is no thought.", "<thing> is no thought."),
            ("Say <think> twice.", "Say <think> twice."),
            ("<th", "<th"),
        ] {
            for pieces in every_cut(text) {
                let mut filter = ThoughtFilter::new(&ThinkingHabit::default());
                let read = read(&mut filter, &pieces);
                assert_eq!(read, (expected.to_owned(), false), "{pieces:?}");
            }
        }
    }

    #[test]
    fn thoughts_that_have_no_end_are_no_text() {
        for text in [
            "<think>Why not? Be kind.",
            "<think>",
            "\n<think>a</think><think>b</thin",
        ] {
            for pieces in every_cut(text) {
                let mut filter = ThoughtFilter::new(&ThinkingHabit::default());
                assert_eq!(
                    read(&mut filter, &pieces),
                    (String::new(), false),
                    "{pieces:?}"
                );
            }
        }
    }

    #[test]
    fn of_thoughts_without_an_opening_tag_the_first_are_taken_back_and_later_ones_held() {
        let text = "Why not?\n</think>\n\nBe kind.";
        for pieces in every_cut(text) {
            let habit = ThinkingHabit::default();
            let (first, _) = read(&mut ThoughtFilter::new(&habit), &pieces);
            assert_eq!(first, "Be kind.", "{pieces:?}");
            let second = read(&mut ThoughtFilter::new(&habit), &pieces);
            assert_eq!(second, ("Be kind.".to_owned(), false), "{pieces:?}");
        }
    }

    #[test]
    fn a_provider_with_that_habit_may_do_without_thoughts() {
        let habit = ThinkingHabit::default();
        read(&mut ThoughtFilter::new(&habit), &["a</think>b"]);
        for text in ["Be kind.", "<think>a</think>Be kind."] {
            let read = read(&mut ThoughtFilter::new(&habit), &[text]);
            assert_eq!(read, ("Be kind.".to_owned(), false), "{text}");
        }
    }
}
