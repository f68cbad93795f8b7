//! Converts challenges and their history to messages of `ChallengesAdmin`, and back.
use prost_types::FieldMask;

use super::convert::{etag_text, same_variants, timestamp};
use crate::{
    domain::{
        CHALLENGE_FIELDS, Challenge, ChallengeDraft, ChangeDraft, Difficulty, Etag, FieldViolation,
        Operation, Revision,
    },
    pb::{admin::v1 as pb, catalog::v1::Difficulty as DifficultyNumber},
};

/// Points of a challenge whose message leaves them out.
const DEFAULT_POINTS: i32 = 10;

impl pb::EditedChallenge {
    /// The challenge as stored, with the etag that `GetChallenge` returns, if known.
    pub(super) fn of(challenge: Challenge, etag: Option<Etag>) -> Self {
        let Challenge {
            id,
            difficulty,
            title,
            description,
            points,
            tips,
            written_tip: _,
            created_at,
            updated_at,
        } = challenge;
        Self {
            id: id.to_string(),
            difficulty: DifficultyNumber::from(difficulty).into(),
            title,
            description: Some(description),
            points: Some(points),
            tips,
            create_time: created_at.map(timestamp),
            update_time: updated_at.map(timestamp),
            etag: etag.map(etag_text).unwrap_or_default(),
        }
    }
}

/// A new challenge, not looked at yet.
pub(super) fn draft(message: pb::EditedChallenge) -> ChallengeDraft {
    ChallengeDraft {
        id: message.id,
        difficulty: word(message.difficulty),
        title: message.title,
        description: message.description.unwrap_or_default(),
        points: message.points.unwrap_or(DEFAULT_POINTS).into(),
        tips: message.tips,
    }
}

/// The fields that `mask` names; without one, those that are set.
///
/// # Errors
///
/// Every path that names no field.
pub(super) fn change(
    message: pb::EditedChallenge,
    mask: Option<&FieldMask>,
) -> Result<ChangeDraft, Vec<FieldViolation>> {
    let paths = mask.map_or(&[][..], |mask| &mask.paths);
    if paths.is_empty() {
        return Ok(ChangeDraft {
            difficulty: (message.difficulty != 0).then(|| word(message.difficulty)),
            title: Some(message.title).filter(|title| !title.is_empty()),
            description: message.description,
            points: message.points.map(Into::into),
            tips: message.tips,
        });
    }
    let mut violations: Vec<_> = paths.iter().filter_map(|path| path_problem(path)).collect();
    let names = |field: &str| paths.iter().any(|path| path == field || path == "*");
    if names("points") && message.points.is_none() {
        let problem = "must be set, because update_mask names it";
        violations.push(FieldViolation::new("challenge.points", problem));
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(ChangeDraft {
        difficulty: names("difficulty").then(|| word(message.difficulty)),
        title: names("title").then_some(message.title),
        description: names("description").then(|| message.description.unwrap_or_default()),
        points: message.points.filter(|_| names("points")).map(Into::into),
        tips: names("tips").then(|| message.tips.unwrap_or_default()),
    })
}

fn path_problem(path: &str) -> Option<FieldViolation> {
    if path == "*" || CHALLENGE_FIELDS.contains(&path) {
        return None;
    }
    let known = CHALLENGE_FIELDS.join(", ");
    let path: String = path.chars().take(100).collect();
    let problem = format!("has {path:?}; it can have {known}, or *");
    Some(FieldViolation::new("update_mask", problem))
}

/// The word that drafts have; what is no difficulty stays what it was.
fn word(number: i32) -> String {
    let known = Difficulty::ALL
        .into_iter()
        .find(|known| i32::from(DifficultyNumber::from(*known)) == number);
    match known {
        Some(known) => known.to_string(),
        None if number == 0 => String::new(),
        None => number.to_string(),
    }
}

same_variants! {
    Operation => pb::RevisionOperation { Found, Created, Updated, Deleted }
}

impl From<Revision> for pb::ChallengeRevision {
    fn from(revision: Revision) -> Self {
        let difficulty = revision.difficulty.parse::<Difficulty>().ok();
        let difficulty = difficulty.map_or(DifficultyNumber::Unspecified, Into::into);
        Self {
            revision: revision.number,
            operation: pb::RevisionOperation::from(revision.operation).into(),
            challenge: Some(pb::EditedChallenge {
                id: revision.challenge.to_string(),
                difficulty: difficulty.into(),
                title: revision.title,
                description: Some(revision.description),
                points: i32::try_from(revision.points).ok(),
                tips: revision.tips,
                create_time: revision.created_at.map(timestamp),
                update_time: None,
                etag: String::new(),
            }),
            editor: revision.editor.unwrap_or_default(),
            database_role: revision.role,
            time: Some(timestamp(revision.at)),
            version: revision.version.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FieldDescriptorProto;

    use super::*;

    fn given() -> pb::EditedChallenge {
        pb::EditedChallenge {
            title: "T".to_owned(),
            points: Some(0),
            ..Default::default()
        }
    }

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask {
            paths: paths.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn every_field_that_is_edited_is_one_of_the_message() {
        let files = prost_types::FileDescriptorSet::decode(crate::pb::DESCRIPTORS).unwrap();
        let messages = files.file.iter().flat_map(|file| &file.message_type);
        let mut edited = messages.filter(|message| message.name() == "EditedChallenge");
        let edited = edited.next().unwrap().field.iter();
        let others = ["id", "create_time", "update_time", "etag"];
        let fields = edited.map(FieldDescriptorProto::name);
        let fields: Vec<_> = fields.filter(|name| !others.contains(name)).collect();
        assert_eq!(fields, CHALLENGE_FIELDS);
    }

    #[test]
    fn without_a_mask_the_fields_that_are_set_are_changed() {
        let expected = ChangeDraft {
            title: Some("T".to_owned()),
            points: Some(0),
            ..Default::default()
        };
        for no_mask in [None, Some(&mask(&[]))] {
            assert_eq!(change(given(), no_mask), Ok(expected.clone()));
        }
    }

    #[test]
    fn a_mask_changes_what_it_names_and_empties_what_is_absent() {
        let change = change(given(), Some(&mask(&["tips", "description"]))).unwrap();
        let expected = ChangeDraft {
            description: Some(String::new()),
            tips: Some(String::new()),
            ..Default::default()
        };
        assert_eq!(change, expected);
    }

    #[test]
    fn a_path_that_is_no_field_is_refused_with_those_that_are() {
        for path in ["id", "etag", "Title", "", "challenge.title"] {
            let violations = change(given(), Some(&mask(&["title", path]))).unwrap_err();
            assert_eq!(violations.len(), 1, "{path}");
            assert!(
                violations[0].problem.contains("difficulty, title"),
                "{violations:?}"
            );
        }
        let mut without_points = given();
        without_points.points = None;
        let violations = change(without_points, Some(&mask(&["*"]))).unwrap_err();
        assert_eq!(violations[0].field, "challenge.points");
    }
}
