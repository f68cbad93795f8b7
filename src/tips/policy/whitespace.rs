//! The white space of a tip as it is kept: spaces, line breaks, and at most one blank line in a row.

/// Turns every kind of line break into `\n` and tabs into spaces, and drops white space before and
/// behind the text and at the ends of lines, blank lines behind a blank one too.
///
/// What counts as a line break is from the Unicode Standard, section 5.8.
#[derive(Debug, Default)]
pub(super) struct Whitespace {
    has_text: bool,
    /// Breaks and, behind the last one, spaces that were read since the last visible character.
    breaks: usize,
    spaces: usize,
    after_return: bool,
}

impl Whitespace {
    /// Takes in a character if it is white space, and keeps it until something visible follows.
    pub(super) fn takes(&mut self, c: char) -> bool {
        let after_return = std::mem::replace(&mut self.after_return, c == '\r');
        match c {
            '\n' if after_return => {}
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                self.breaks = self.breaks.saturating_add(1);
                self.spaces = 0;
            }
            ' ' | '\t' => self.spaces = self.spaces.saturating_add(1),
            _ => return false,
        }
        true
    }

    /// What stands before the visible character that comes now.
    pub(super) fn before_text(&mut self) -> impl Iterator<Item = char> + use<> {
        let kept = usize::from(self.has_text);
        let (breaks, spaces) = (self.breaks.min(2) * kept, self.spaces * kept);
        *self = Self {
            has_text: true,
            ..Self::default()
        };
        std::iter::repeat_n('\n', breaks).chain(std::iter::repeat_n(' ', spaces))
    }
}
