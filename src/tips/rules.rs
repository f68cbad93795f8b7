/// Enters the key of every tip: a tip that passed other rules is another tip.
pub(super) const VERSION: u64 = 1;

/// So many digits in a row, however they are grouped, are a phone number.
const PHONE_DIGITS: u32 = 7;
/// So many characters may stand between two digits of a phone number.
const PHONE_GAP: u32 = 2;
/// As long as the longest mark of a link.
const TAIL_CHARS: usize = 4;

/// What a tip must not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    /// More bytes than the cap.
    TooLong,
    /// A scheme, `www.`, or a domain with a path.
    Link,
    /// An e-mail address, or a handle.
    Contact,
    /// A phone number.
    Phone,
    /// A control character but the line break, or one that turns the direction of text.
    Control,
}

impl Breach {
    /// The word for logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Link => "link",
            Self::Contact => "contact",
            Self::Phone => "phone",
            Self::Control => "control",
        }
    }
}

/// Reads a tip as it comes and stops it at the first breach.
///
/// It looks at one character after the other and only ever back, so a text that holds a breach
/// holds it however the text goes on and however it was cut into pieces.
#[derive(Debug)]
pub(super) struct Rules {
    bytes_left: usize,
    /// The last characters, in lower case.
    tail: [char; TAIL_CHARS],
    domain: Domain,
    phone_digits: u32,
    phone_gap: u32,
}

/// How far the current word looks like a domain.
#[derive(Clone, Copy, Debug)]
enum Domain {
    /// Not at all.
    No,
    /// A label.
    Label,
    /// A label, and a dot.
    Dot,
    /// Labels, a dot, and so many letters.
    Suffix(u32),
}

impl Rules {
    /// For a tip of at most `max_bytes`.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            bytes_left: max_bytes,
            tail: [' '; TAIL_CHARS],
            domain: Domain::No,
            phone_digits: 0,
            phone_gap: 0,
        }
    }

    /// Reads the next piece. After a breach the text so far, without the piece, is clean.
    pub(super) fn read(&mut self, piece: &str) -> Result<(), Breach> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(piece.len())
            .ok_or(Breach::TooLong)?;
        piece.chars().try_for_each(|c| self.read_char(c))
    }

    fn read_char(&mut self, c: char) -> Result<(), Breach> {
        if is_control(c) {
            return Err(Breach::Control);
        }
        if self.completes_phone(c) {
            return Err(Breach::Phone);
        }
        let [_, .., before] = self.tail;
        if before == '@' && c.is_alphanumeric() {
            return Err(Breach::Contact);
        }
        if self.completes_domain(c) {
            return Err(Breach::Link);
        }
        self.tail.rotate_left(1);
        if let Some(last) = self.tail.last_mut() {
            *last = c.to_ascii_lowercase();
        }
        match self.tail {
            [_, ':', '/', '/'] | ['w', 'w', 'w', '.'] => Err(Breach::Link),
            _ => Ok(()),
        }
    }

    fn completes_phone(&mut self, c: char) -> bool {
        if c.is_numeric() {
            self.phone_digits += 1;
            self.phone_gap = 0;
        } else if c.is_whitespace() || matches!(c, '-' | '–' | '.' | '(' | ')' | '/' | '+') {
            self.phone_gap += 1;
        } else {
            self.phone_digits = 0;
        }
        if self.phone_gap > PHONE_GAP {
            self.phone_digits = 0;
        }
        self.phone_digits >= PHONE_DIGITS
    }

    fn completes_domain(&mut self, c: char) -> bool {
        self.domain = match (self.domain, c) {
            (Domain::Suffix(letters), '/') if letters >= 2 => return true,
            (Domain::Label | Domain::Suffix(_), '.') => Domain::Dot,
            (Domain::Dot, c) if c.is_alphabetic() => Domain::Suffix(1),
            (Domain::Suffix(letters), c) if c.is_alphabetic() => Domain::Suffix(letters + 1),
            (_, c) if c.is_alphanumeric() || c == '-' => Domain::Label,
            _ => Domain::No,
        };
        false
    }
}

fn is_control(c: char) -> bool {
    let turns_text = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns_text || (c.is_control() && c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: [(&str, Breach); 14] = [
        ("see http://a.b", Breach::Link),
        ("see HTTPS://a", Breach::Link),
        ("on WWW.example", Breach::Link),
        ("read example.com/more", Breach::Link),
        ("read a-b.example.museum/", Breach::Link),
        ("write to me@example.com", Breach::Contact),
        ("find @connell", Breach::Contact),
        ("call 555-123-4567", Breach::Phone),
        ("call +49 (0) 89 1234", Breach::Phone),
        ("call 5551234", Breach::Phone),
        ("٠١٢ ٣٤٥٦", Breach::Phone),
        ("bell \u{7}", Breach::Control),
        ("tab\there", Breach::Control),
        ("turn \u{202e}txet", Breach::Control),
    ];

    fn first_breach(text: &str, piece_chars: usize) -> Option<Breach> {
        let mut rules = Rules::new(1_000);
        let chars: Vec<char> = text.chars().collect();
        let mut pieces = chars.chunks(piece_chars).map(String::from_iter);
        pieces.find_map(|piece| rules.read(&piece).err())
    }

    #[test]
    fn links_contact_data_and_control_characters_are_stopped() {
        for (text, breach) in BAD {
            assert_eq!(first_breach(text, 1_000), Some(breach), "{text}");
        }
    }

    #[test]
    fn ordinary_advice_passes() {
        for text in [
            "Smile, and say hello. Then wait 3 to 5 seconds and/or ask: \"How was it?\"",
            "1. Breathe.\n2. Look up.\n3. Say one true thing, e.g. that you like the song.",
            "Give it 10 minutes (100 % of your attention), 24/7 is not needed... really.",
            "Meet @ the café; it's 2026-ready.",
        ] {
            assert_eq!(first_breach(text, 1_000), None, "{text}");
        }
    }

    /// P16: however a text is cut, what was let through before a breach holds none,
    /// and what follows a breach does not heal it.
    #[test]
    fn no_cut_of_the_text_lets_a_breach_through() {
        for (bad, breach) in BAD {
            let text = format!("Be kind. {bad} 12 and more, a@b.cd/ef");
            for piece_chars in 1..=text.chars().count() {
                assert_eq!(first_breach(&text, piece_chars), Some(breach), "{text}");
            }
        }
    }

    #[test]
    fn the_cap_counts_bytes_and_the_last_one_fits() {
        let mut rules = Rules::new(4);
        assert_eq!(rules.read("éé"), Ok(()));
        assert_eq!(rules.read("e"), Err(Breach::TooLong));
    }
}
