//! The fields of a challenge on the command line: flags, messages, lines of a file and rows of a table. All that takes a
//! challenge apart here is in this file.
use clap::{Arg, ArgMatches};

use super::{
    args::{given, option, text, whole},
    escape::clean,
    view::{difficulty, difficulty_of},
};
use crate::{
    domain::{CHALLENGE_FIELDS, ChallengeDraft, Difficulty, NewChallenge},
    pb::{
        admin::v1::EditedChallenge,
        catalog::v1::{Challenge, Difficulty as DifficultyNumber},
    },
};

/// The fields as flags.
pub(super) fn flags() -> [Arg; CHALLENGE_FIELDS.len()] {
    let words = |name, help: &'static str| option(name, "TEXT").help(help);
    [
        option("difficulty", "DIFFICULTY")
            .value_parser(Difficulty::ALL.map(Difficulty::as_str))
            .help("How hard it is"),
        words("title", "One line of 1 to 200 characters"),
        words("description", "What to do"),
        option("points", "NUMBER")
            .allow_negative_numbers(true)
            .value_parser(whole::<i32>(0..=1_000))
            .help("What it earns, 0 to 1000"),
        words("tips", "A short coaching tip; empty for none"),
    ]
}

/// The names of the fields that were typed, empty ones too.
pub(super) fn given_fields(matches: &ArgMatches) -> Vec<String> {
    let names = CHALLENGE_FIELDS.into_iter();
    let given = names.filter(|name| matches.contains_id(name));
    given.map(str::to_owned).collect()
}

/// The challenge `id` with the fields that were typed.
pub(super) fn typed(matches: &ArgMatches, id: String) -> EditedChallenge {
    EditedChallenge {
        id,
        difficulty: difficulty_of(matches.get_one("difficulty")).into(),
        title: text(matches, "title"),
        description: given(matches, "description"),
        points: matches.get_one::<i32>("points").copied(),
        tips: given(matches, "tips"),
        create_time: None,
        update_time: None,
        etag: String::new(),
    }
}

/// A challenge of a file, as an import sends it.
pub(super) fn imported(challenge: NewChallenge) -> EditedChallenge {
    let NewChallenge {
        id,
        difficulty,
        title,
        description,
        points,
        tips,
    } = challenge;
    EditedChallenge {
        id: id.to_string(),
        difficulty: DifficultyNumber::from(difficulty).into(),
        title,
        description: Some(description),
        points: Some(points),
        tips,
        create_time: None,
        update_time: None,
        etag: String::new(),
    }
}

/// A challenge of an export, as a file has it.
pub(super) fn exported(challenge: EditedChallenge) -> ChallengeDraft {
    ChallengeDraft {
        difficulty: difficulty(challenge.difficulty()),
        description: challenge.description().to_owned(),
        points: challenge.points().into(),
        id: challenge.id,
        title: challenge.title,
        tips: challenge.tips,
    }
}

/// A challenge as readers see it, in a row for each field that has something.
pub(super) fn read_rows(
    challenge: Challenge,
    etag: String,
) -> impl Iterator<Item = (&'static str, String)> {
    let Challenge {
        id,
        difficulty,
        title,
        description,
        points,
        tips,
        create_time,
        update_time,
    } = challenge;
    rows(EditedChallenge {
        id,
        difficulty,
        title,
        description: Some(description),
        points: Some(points),
        tips,
        create_time,
        update_time,
        etag,
    })
}

/// The same of a challenge as its editors see it.
pub(super) fn rows(challenge: EditedChallenge) -> impl Iterator<Item = (&'static str, String)> {
    let difficulty = difficulty(challenge.difficulty());
    let EditedChallenge {
        id,
        difficulty: _,
        title,
        description,
        points,
        tips,
        create_time,
        update_time,
        etag,
    } = challenge;
    let rows = [
        ("id", Some(id)),
        ("difficulty", Some(difficulty)),
        ("points", Some(points.unwrap_or_default().to_string())),
        ("title", Some(title)),
        ("description", Some(description.unwrap_or_default())),
        ("tips", tips),
        ("create_time", create_time.map(|time| time.to_string())),
        ("update_time", update_time.map(|time| time.to_string())),
        ("etag", Some(etag)),
    ];
    let rows = rows.into_iter();
    rows.filter_map(|(name, value)| Some((name, clean(&value?))))
}
