//! Detects domains in a text, which programs that show it may turn into links.

/// Longest domain; see RFC 1035, section 2.3.4.
const LONGEST: usize = 253;

/// Top-level domains at whose end a bare word counts as a link: those of linkify-it beside all countries', those that
/// RFC 2606 keeps for examples, and those that most newer domains are in. In other ones a link needs a path or `www.`.
const TOP_LEVELS: &str = "aero app asia biz blog click club com coop dev edu example gov info invalid jobs link localhost \
    mil mobi museum name net online org page pro shop site store test top web website xyz рф";
/// Those of countries (ISO 3166-1, and `ac`, `eu`, `su`, `uk`).
const COUNTRIES: &str = "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo bq br bs bt bv bw by bz \
    ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et eu fi fj fk fm fo fr ga gb gd ge \
    gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr \
    kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni \
    nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss \
    st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw";
/// What stands before the colon of a link that has no slashes.
const SCHEMES: &str = "data facetime javascript mailto sip skype sms tel vbscript";

/// Detects links in a text that is read character by character: keeps the current word as long as it may be a domain.
#[derive(Debug, Default)]
pub(super) struct LinkDetector {
    word: String,
    /// Where the word's last label begins.
    label: usize,
    /// The word cannot become a domain any more.
    is_rejected: bool,
}

impl LinkDetector {
    /// Whether what was read may yet turn out to be a domain: a label, a dot, and a letter.
    pub(super) fn is_open(&self) -> bool {
        let first = self.word.find('.');
        !self.is_rejected && first.is_some_and(|dot| dot + 1 < self.word.len())
    }

    /// Reads the next character; returns whether a link ends before or with it.
    pub(super) fn read(&mut self, c: char) -> bool {
        // Scripts that put no space between sentences: none of the domains that are looked for is in them.
        if c >= '\u{2e80}' && c.is_alphabetic() {
            return self.ends();
        }
        if !(c.is_alphanumeric() || matches!(c, '-' | '.')) {
            let has_path = c == '/' && self.has_suffix();
            return self.ends() || has_path;
        }
        let is_empty_label = c == '.' && self.label == self.word.len();
        if is_empty_label || self.word.len() == LONGEST {
            let was_rejected = self.is_rejected;
            let is_domain = self.ends();
            self.is_rejected = was_rejected || is_empty_label || !is_domain;
            return is_domain;
        }
        self.word.push(c);
        if c == '.' {
            self.label = self.word.len();
        }
        false
    }

    /// Whether the word is one that begins a link where a colon follows.
    pub(super) fn is_scheme(&self) -> bool {
        has_word(SCHEMES, &self.word.to_lowercase())
    }

    /// Ends the word; returns whether it is a domain.
    pub(super) fn ends(&mut self) -> bool {
        let word = std::mem::take(self);
        if word.is_rejected {
            return false;
        }
        // A full stop behind it belongs to the sentence.
        let name = word.word.strip_suffix('.').unwrap_or(&word.word);
        name.rsplit_once('.')
            .is_some_and(|(rest, last)| !rest.is_empty() && is_top_level(last))
    }

    /// Whether the last label could be one of the top.
    fn has_suffix(&self) -> bool {
        let label = self.word.get(self.label..).unwrap_or_default();
        let letters = label.chars().filter(|c| c.is_alphabetic()).count();
        self.label > 0 && !self.is_rejected && letters >= 2 && letters == label.chars().count()
    }
}

/// Whether a word that ends with this label behind a dot is taken for a link.
fn is_top_level(label: &str) -> bool {
    let lower = label.to_lowercase();
    if has_word(TOP_LEVELS, &lower) || lower.starts_with("xn--") {
        return true;
    }
    // Two letters are a country, but for a sentence that begins without a space before it.
    let is_country = label.len() == 2 && has_word(COUNTRIES, &lower);
    let begins_a_sentence = label.starts_with(|c: char| c.is_ascii_uppercase())
        && label.ends_with(|c: char| c.is_ascii_lowercase());
    is_country && !begins_a_sentence
}

/// Whether a list, whose words are separated by spaces, has `word`.
fn has_word(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == word)
}
