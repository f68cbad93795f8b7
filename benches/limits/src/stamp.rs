//! A moment as a word: tips may hold no long numbers.
use std::time::{SystemTime, UNIX_EPOCH};

const MARK: &[u8] = b"tick";
const LETTERS: usize = 12;

/// The wall clock, in microseconds: provider and reader run on one machine.
pub fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// `tick` and 12 letters.
pub fn word(mut micros: u64) -> String {
    let mut letters = [b'a'; LETTERS];
    for letter in letters.iter_mut().rev() {
        *letter = b'a' + u8::try_from(micros % 26).unwrap_or(0);
        micros /= 26;
    }
    MARK.iter()
        .chain(&letters)
        .copied()
        .map(char::from)
        .collect()
}

/// The moments that `bytes` hold.
pub fn moments(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes
        .windows(MARK.len() + LETTERS)
        .filter(|window| window.starts_with(MARK))
        .map(|window| {
            let letters = &window[MARK.len()..];
            letters
                .iter()
                .fold(0, |micros, letter| micros * 26 + u64::from(letter - b'a'))
        })
}
