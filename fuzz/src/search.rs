//! A search that is not guided: it changes inputs of the corpus at random. What it lacks in depth it has in comfort: no
//! other compiler, no other build, and the same seed tries the same inputs.
use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use crate::Target;

/// No input is longer, in bytes.
const MAX_BYTES: usize = 4096;

/// An input for which something does not hold that must.
#[derive(Debug)]
pub struct Find {
    /// The input.
    pub data: Vec<u8>,
    /// What went wrong.
    pub problem: String,
}

/// The inputs that are kept for a target, with their files' names.
///
/// # Errors
///
/// For a folder that cannot be read.
pub fn corpus(target: &Target) -> io::Result<Vec<(String, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder.join(target.name))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        inputs.push((name, fs::read(entry.path())?));
    }
    // The order of a folder is not the same everywhere.
    inputs.sort();
    Ok(inputs)
}

/// Tries `corpus`, and then changes of it for `time`. Tells how many inputs were tried.
///
/// # Errors
///
/// The first input for which something does not hold.
pub fn search(target: &Target, corpus: &[Vec<u8>], time: Duration, seed: u64) -> Result<u64, Find> {
    for data in corpus {
        attempt(target, data)?;
    }
    let (began, mut tried) = (Instant::now(), corpus.len() as u64);
    let mut mutator = Mutator {
        random: Random(seed | 1),
        corpus,
        words: target.words,
    };
    while began.elapsed() < time {
        attempt(target, &mutator.input())?;
        tried += 1;
    }
    Ok(tried)
}

fn attempt(target: &Target, data: &[u8]) -> Result<(), Find> {
    let tried = catch_unwind(AssertUnwindSafe(|| target.run(data)));
    tried.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Find {
            data: data.to_vec(),
            problem: text.unwrap_or_default(),
        }
    })
}

/// xorshift64* (Vigna, arXiv:1402.6246).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Less than `end`; 0 for an empty range.
    fn below(&mut self, end: usize) -> usize {
        let below = self.next().checked_rem(end as u64);
        below.map_or(0, |below| usize::try_from(below).unwrap_or(0))
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[7]
    }
}

struct Mutator<'a> {
    random: Random,
    corpus: &'a [Vec<u8>],
    words: &'a [&'a str],
}

impl Mutator<'_> {
    /// An input of the corpus with a few changes.
    fn input(&mut self) -> Vec<u8> {
        let mut data = self.known().to_vec();
        for _ in 0..=self.random.below(4) {
            self.change(&mut data);
        }
        data.truncate(MAX_BYTES);
        data
    }

    fn known(&mut self) -> &[u8] {
        let at = self.random.below(self.corpus.len());
        self.corpus.get(at).map_or(&[], Vec::as_slice)
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let at = self.random.below(data.len() + 1);
        let end = at + self.random.below((data.len() - at).min(64) + 1);
        match self.random.below(8) {
            0 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << self.random.below(8);
                }
            }
            1 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte = self.random.byte();
                }
            }
            2 => drop(data.drain(at..end)),
            3 => {
                let copied = data[at..end].to_vec();
                let to = self.random.below(data.len() + 1);
                data.splice(to..to, copied);
            }
            4 => {
                let word = self.words.get(self.random.below(self.words.len()));
                let word = word.map_or(&b"\0"[..], |word| word.as_bytes());
                data.splice(at..end.min(at + word.len()), word.iter().copied());
            }
            5 => data.insert(at, self.random.byte()),
            // What numbers and lengths are wrong by.
            6 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff][self.random.below(5)];
                }
            }
            _ => {
                let other = self.known().to_vec();
                let from = self.random.below(other.len() + 1);
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
        }
    }
}
