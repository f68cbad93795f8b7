use std::time::Duration;

/// How long a tip is kept that seems to lack its end: long enough that its readers do not all order
/// another, and no longer. Some gateways call an answer whole that was cut on its way to them.
const UNFINISHED: Duration = Duration::from_mins(10);

/// How long a tip is current: `ttl`, unless its text ends in the middle of a sentence.
pub(super) fn keep_time(text: &str, ttl: Duration) -> Duration {
    if ends_a_sentence(text) {
        ttl
    } else {
        ttl.min(UNFINISHED)
    }
}

/// Whether a text may end so. Items of a list need no full stop, if the one before has none.
fn ends_a_sentence(text: &str) -> bool {
    let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty());
    let Some(last) = lines.next() else {
        return true;
    };
    let before = lines.next().unwrap_or_default();
    let is_listed = is_item(last) && is_item(before) && !is_closed(before);
    is_closed(last) || is_listed
}

/// Letters, digits and marks that lead on leave a line open. Thai and Lao have no full stop.
fn is_closed(line: &str) -> bool {
    let Some(last) = line.trim_end().chars().next_back() else {
        return true;
    };
    let leads_on = ",;:-–—([{&/¿¡、，；：،".contains(last);
    let is_without_stops = matches!(last, '\u{E00}'..='\u{EFF}');
    !leads_on && (is_without_stops || !last.is_alphanumeric())
}

fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = number.len() < line.len() && number.starts_with(['.', ')']);
    is_numbered || ["- ", "* ", "• "].iter().any(|mark| line.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: Duration = Duration::from_hours(7 * 24);

    #[test]
    fn a_text_that_ends_is_kept_for_long() {
        for text in [
            "Say hello.",
            "Say hello!\n",
            "Ask: \"How are you?\"",
            "Say hello. 🙂",
            "Smile (a little)",
            "**Smile.**",
            "対話を始めましょう。",
            "नमस्ते कहो।",
            "ยิ้มแล้วทักทาย",
            "Try this:\n- Smile\n- Say hello",
            "1. Smile\n2) Say hello",
        ] {
            assert_eq!(keep_time(text, WEEK), WEEK, "{text}");
        }
    }

    #[test]
    fn a_text_that_ends_in_the_middle_of_a_sentence_is_kept_for_minutes() {
        for text in [
            "Say hel",
            "Say hello,",
            "Say hello. Then",
            "Do this:",
            "- Smile.\n- Say hel",
            "- Smile",
            "Wait 3",
            "対話を始め",
            "Grüß",
        ] {
            assert_eq!(keep_time(text, WEEK), UNFINISHED, "{text}");
        }
        let short = Duration::from_secs(5);
        assert_eq!(keep_time("Say hel", short), short);
    }
}
