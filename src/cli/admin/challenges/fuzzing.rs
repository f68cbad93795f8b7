//! What the targets in `fuzz/` try of this module: how it reads files of challenges.
//!
//! It is always compiled, so that the targets are built from the same crate as all tests. The product calls none of it.
use std::io::BufReader;

use super::file::{ChallengeFile, FileRow};
use crate::{
    cli::escape,
    domain::{ChallengeDraft, NewChallenge},
};

/// Every challenge of a file with the line that it begins on, or what is wrong with it; read in pieces of `buffer` bytes.
#[must_use]
pub fn rows(file: &[u8], buffer: usize) -> Vec<Result<(u64, NewChallenge), Vec<String>>> {
    let mut file = ChallengeFile::new(BufReader::with_capacity(buffer, file));
    let mut rows = Vec::new();
    loop {
        match file.next() {
            Ok(Some(FileRow { line, challenge })) => rows.push(Ok((line, challenge))),
            Ok(None) => return rows,
            Err(wrong) => rows.push(Err(wrong.iter().map(ToString::to_string).collect())),
        }
        if file.is_over() {
            return rows;
        }
    }
}

/// A challenge as `export` writes it.
#[must_use]
pub fn exported(challenge: &NewChallenge) -> Option<String> {
    let draft = ChallengeDraft {
        id: challenge.id.to_string(),
        difficulty: challenge.difficulty.to_string(),
        title: challenge.title.clone(),
        description: challenge.description.clone(),
        points: challenge.points.into(),
        tips: challenge.tips.clone(),
    };
    let line = serde_json::to_string(&draft).ok()?;
    Some(escape::json(&line))
}
