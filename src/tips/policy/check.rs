//! Checks text as it streams against the content policy, and holds back what may become a violation.
use std::iter;

use unicode_normalization::UnicodeNormalization;

use super::{domain::LinkDetector, phone::PhoneDetector};
use crate::domain::is_invisible;

/// Enters the key of every tip: a tip that passed other rules is another tip.
pub(in crate::tips) const VERSION: u64 = 2;

/// As long as the longest mark of a link.
const TAIL_CHARS: usize = 4;

/// What a tip must not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tips) enum PolicyViolation {
    /// More bytes than the cap.
    TooLong,
    /// A scheme, `www.`, a domain, or the markup of a link.
    Link,
    /// A tag, as of HTML.
    Markup,
    /// An e-mail address, or a handle.
    Contact,
    /// A phone number.
    Phone,
    /// A control character, or one that overrides the direction of text.
    Control,
}

impl PolicyViolation {
    /// The word for logs.
    pub(in crate::tips) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Link => "link",
            Self::Markup => "markup",
            Self::Contact => "contact",
            Self::Phone => "phone",
            Self::Control => "control",
        }
    }
}

/// Reads a tip as it comes, gives it on in the shape in which it is kept, and stops it at the first violation.
///
/// A word or a number that may turn out to be a violation is held back until it is known, and so is
/// white space until something follows it. So what was given on holds no violation, however the text
/// goes on and however it was cut into pieces.
#[derive(Debug)]
pub(in crate::tips) struct ContentPolicy {
    bytes_left: usize,
    whitespace: Whitespace,
    /// The last characters, in lower case.
    tail: [char; TAIL_CHARS],
    domain: LinkDetector,
    /// The last character is the colon behind one.
    has_scheme: bool,
    phone: PhoneDetector,
    held: String,
}

impl ContentPolicy {
    /// For a tip of at most `max_bytes`.
    pub(in crate::tips) fn new(max_bytes: usize) -> Self {
        Self {
            bytes_left: max_bytes,
            whitespace: Whitespace::default(),
            tail: [' '; TAIL_CHARS],
            domain: LinkDetector::default(),
            has_scheme: false,
            phone: PhoneDetector::default(),
            held: String::new(),
        }
    }

    /// Reads the next piece; gives what may be shown by now, which may be nothing. After a violation
    /// what was given before is clean.
    pub(in crate::tips) fn read(&mut self, piece: &str) -> Result<String, PolicyViolation> {
        let mut clean = String::new();
        for c in piece.chars() {
            if self.whitespace.takes(c) {
                continue;
            }
            if is_control(c) {
                return Err(PolicyViolation::Control);
            }
            for c in self.whitespace.before_text() {
                self.read_char(c, &mut clean)?;
            }
            self.read_char(c, &mut clean)?;
        }
        Ok(clean)
    }

    /// The text is at its end; gives what was held back.
    pub(in crate::tips) fn finish(&mut self) -> Result<String, PolicyViolation> {
        if self.phone.ends() {
            return Err(PolicyViolation::Phone);
        }
        if self.domain.ends() {
            return Err(PolicyViolation::Link);
        }
        Ok(std::mem::take(&mut self.held))
    }

    fn read_char(&mut self, c: char, clean: &mut String) -> Result<(), PolicyViolation> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(c.len_utf8())
            .ok_or(PolicyViolation::TooLong)?;
        // Between the characters of a violation they would hide it from this check, and from no reader.
        if !is_invisible(c) {
            folded(c).try_for_each(|c| self.check(c))?;
        }
        self.held.push(c);
        if !self.phone.is_open() && !self.domain.is_open() {
            clean.push_str(&self.held);
            self.held.clear();
        }
        Ok(())
    }

    fn check(&mut self, c: char) -> Result<(), PolicyViolation> {
        if self.phone.read(c) {
            return Err(PolicyViolation::Phone);
        }
        let [.., third, second, before] = self.tail;
        if before == '@' && c.is_alphanumeric() {
            return Err(PolicyViolation::Contact);
        }
        let is_letter = c.is_ascii_alphabetic();
        if is_letter && (before == '<' || (second, before) == ('<', '/')) {
            return Err(PolicyViolation::Markup);
        }
        let is_path = (second, before) == ('/', '/') && third != '/' && c.is_alphanumeric();
        let is_target = (second, before) == (']', '(') && !c.is_whitespace();
        let is_scheme = before == ':' && self.has_scheme && !c.is_whitespace();
        if is_path || is_target || is_scheme {
            return Err(PolicyViolation::Link);
        }
        self.has_scheme = c == ':' && self.domain.is_scheme();
        if self.domain.read(c) {
            return Err(PolicyViolation::Link);
        }
        self.tail.rotate_left(1);
        if let Some(last) = self.tail.last_mut() {
            *last = c.to_ascii_lowercase();
        }
        match self.tail {
            [_, ':', '/', '/'] | ['w', 'w', 'w', '.'] => Err(PolicyViolation::Link),
            _ => Ok(()),
        }
    }
}

/// Turns every kind of line break into `\n` and tabs into spaces, and drops white space before and
/// behind the text and at the ends of lines, blank lines behind a blank one too.
///
/// What counts as a line break is from the Unicode Standard, section 5.8.
#[derive(Debug, Default)]
struct Whitespace {
    has_text: bool,
    /// Breaks and, behind the last one, spaces that were read since the last visible character.
    breaks: usize,
    spaces: usize,
    after_return: bool,
}

impl Whitespace {
    /// Takes in a character if it is white space, and keeps it until something visible follows.
    fn takes(&mut self, c: char) -> bool {
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
    fn before_text(&mut self) -> impl Iterator<Item = char> + use<> {
        let kept = usize::from(self.has_text);
        let (breaks, spaces) = (self.breaks.min(2) * kept, self.spaces * kept);
        *self = Self {
            has_text: true,
            ..Self::default()
        };
        iter::repeat_n('\n', breaks).chain(iter::repeat_n(' ', spaces))
    }
}

/// Isolates stay, because Hebrew and Arabic need them around words of other scripts; they end with
/// their line. Embeddings and overrides can make a text read as another one.
fn is_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}') || c.is_control()
}

/// As programs read it that look for links: without its width, its circle or its typeface; the full stop of
/// Chinese and Japanese as the one that IDNA takes it for (RFC 3490, section 3.1).
fn folded(c: char) -> impl Iterator<Item = char> {
    iter::once(c)
        .nfkc()
        .map(|c| if c == '\u{3002}' { '.' } else { c })
}

/// Whether there is nothing to see.
pub(in crate::tips) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: [(&str, PolicyViolation); 42] = [
        ("see http://a.b", PolicyViolation::Link),
        ("see HTTPS://a", PolicyViolation::Link),
        ("on WWW.example", PolicyViolation::Link),
        ("read example.com/more", PolicyViolation::Link),
        ("read a-b.evil.coach/", PolicyViolation::Link),
        ("read evil.example", PolicyViolation::Link),
        ("read evil.example.", PolicyViolation::Link),
        ("(evil.com...)", PolicyViolation::Link),
        ("read EVIL.COM, or", PolicyViolation::Link),
        ("read sub.evil.io or", PolicyViolation::Link),
        ("read evil.xn--p1ai or", PolicyViolation::Link),
        ("read evil\u{200b}.c\u{2060}om now", PolicyViolation::Link),
        ("read evil.\u{fe0f}com now", PolicyViolation::Link),
        ("read evil.\u{3164}com now", PolicyViolation::Link),
        ("read evil。com now", PolicyViolation::Link),
        ("read ｅｖｉｌ．ｃｏｍ now", PolicyViolation::Link),
        ("read ⓔⓥⓘⓛ.ⓒⓞⓜ now", PolicyViolation::Link),
        ("read evil\u{2024}com now", PolicyViolation::Link),
        ("read пример.рф now", PolicyViolation::Link),
        ("mailto:joe", PolicyViolation::Link),
        ("javascript:alert(1)", PolicyViolation::Link),
        ("read ｈｔｔｐ：／／evil", PolicyViolation::Link),
        ("read //evil/x", PolicyViolation::Link),
        ("read [this](/x)", PolicyViolation::Link),
        ("read <a href=x>", PolicyViolation::Markup),
        ("</answer>", PolicyViolation::Markup),
        ("write to joe＠evil", PolicyViolation::Contact),
        ("call 030•123•4567", PolicyViolation::Phone),
        ("call 555_123_4567", PolicyViolation::Phone),
        (
            "call 5\u{20e3}5\u{20e3}5\u{20e3}1\u{20e3}2\u{20e3}3\u{20e3}4\u{20e3}",
            PolicyViolation::Phone,
        ),
        ("write to me@example.com", PolicyViolation::Contact),
        ("find @connell", PolicyViolation::Contact),
        ("call 555-123-4567", PolicyViolation::Phone),
        ("call +49 (0) 89 1234", PolicyViolation::Phone),
        ("call 5551234", PolicyViolation::Phone),
        ("call 555\u{2068}12\u{2069}34 now", PolicyViolation::Phone),
        ("٠١٢ ٣٤٥٦", PolicyViolation::Phone),
        ("bell \u{7}", PolicyViolation::Control),
        ("escape \u{1b}[2J", PolicyViolation::Control),
        ("turn \u{202e}txet", PolicyViolation::Control),
        ("turn \u{202b}txet", PolicyViolation::Control),
        ("next\u{9b}31m", PolicyViolation::Control),
    ];

    /// What is given on, and the violation that ends it.
    fn read(text: &str, piece_chars: usize) -> (String, Option<PolicyViolation>) {
        let mut rules = ContentPolicy::new(1_000);
        let chars: Vec<char> = text.chars().collect();
        let mut clean = String::new();
        for piece in chars.chunks(piece_chars) {
            match rules.read(&String::from_iter(piece)) {
                Ok(more) => clean.push_str(&more),
                Err(violation) => return (clean, Some(violation)),
            }
        }
        match rules.finish() {
            Ok(rest) => (clean + &rest, None),
            Err(violation) => (clean, Some(violation)),
        }
    }

    #[test]
    fn links_contact_data_and_control_characters_are_stopped() {
        for (text, violation) in BAD {
            assert_eq!(read(text, 1_000).1, Some(violation), "{text}");
        }
    }

    #[test]
    fn ordinary_advice_passes_as_it_is() {
        for text in [
            "Smile, and say hello. Then wait 3 to 5 seconds and/or ask: \"How was it?\"",
            "1. Breathe.\n2. Look up.\n\n3. Say one true thing, e.g. that you like the song.",
            "Give it 10 minutes (100 % of your attention), 24/7 is not needed... really.",
            "Meet @ the café; it's 2026-ready.",
            "Smile.Then go. Say it.Me too. Walk 3.5 km at 7 a.m. or 8 p.m., i.e. not late...",
            "Until 2026-11-29, count 10 9 8 7 6 5 4 3 2 1 and take 10 000 000 steps.",
            "  - one\n    - two",
            "我很好。我们去公园。Then come home。好！",
            "I <3 this; 3 < 5, Node.js or Wait.What? Note: data: none, tel: none.",
            "Pi is 3.14159265358979, and 0.482913 is not; 1,234,567 steps.",
            "אמור \u{2066}hello\u{2069} לה.",
            "قل \u{2067}مرحبا\u{2069} now.\u{200f}",
        ] {
            let trimmed = text.trim_start();
            for piece_chars in [1, 2, 3, 1_000] {
                assert_eq!(read(text, piece_chars), (trimmed.to_owned(), None));
            }
        }
    }

    #[test]
    fn white_space_has_one_shape() {
        for (text, kept) in [
            ("\r\n Say\r\nhello.\r\n", "Say\nhello."),
            ("Say\rhello.", "Say\nhello."),
            ("One.\n\n\n\nTwo.\n\n", "One.\n\nTwo."),
            ("One. \t \n \n\tTwo.\t", "One.\n\n Two."),
            ("One.\u{2029}Two.\u{85}Three.\u{b}", "One.\nTwo.\nThree."),
            ("a\tb", "a b"),
            ("\r\r\n\n\r", ""),
            ("One.\n\r\nTwo.", "One.\n\nTwo."),
        ] {
            for piece_chars in [1, 2, 1_000] {
                assert_eq!(read(text, piece_chars), (kept.to_owned(), None));
            }
        }
    }

    /// However a text is cut, what was given on before a violation holds none, and what follows a violation does
    /// not heal it.
    #[test]
    fn no_cut_of_the_text_lets_a_breach_through() {
        for (bad, violation) in BAD {
            let text = format!("Be kind. {bad} 12 and more, a@b.cd/ef");
            for piece_chars in 1..=text.chars().count() {
                let (clean, found) = read(&text, piece_chars);
                assert_eq!(found, Some(violation), "{text}");
                assert_eq!(read(&clean, 1_000).1, None, "{clean}");
            }
        }
    }

    #[test]
    fn a_piece_is_held_back_no_longer_than_it_may_be_a_breach() {
        let mut rules = ContentPolicy::new(1_000);
        for (piece, given) in [
            ("Say", "Say"),
            (" hello", " hello"),
            (". Visit evil", ". Visit evil"),
            (".thing", "."),
            ("s", ""),
            (" not", "things not"),
            (" 2026-11", " 2026-11"),
            ("-29", "-"),
            (" then", "29 then"),
        ] {
            assert_eq!(rules.read(piece).as_deref(), Ok(given));
        }
    }

    #[test]
    fn the_cap_counts_bytes_and_the_last_one_fits() {
        let mut rules = ContentPolicy::new(4);
        assert_eq!(rules.read("éé").as_deref(), Ok("éé"));
        assert_eq!(rules.read(" \n").as_deref(), Ok(""));
        assert_eq!(rules.read("e"), Err(PolicyViolation::TooLong));
    }
}
