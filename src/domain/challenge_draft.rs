//! Checks a proposed challenge and turns it into one that may be written.
use super::{ChallengeId, Difficulty, FieldViolation, FieldViolations, challenge_text};

/// The fields that editors may write. A test compares the drafts with this list.
pub const CHALLENGE_FIELDS: [&str; 5] = ["difficulty", "title", "description", "points", "tips"];

/// A proposed challenge: nothing is checked yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChallengeDraft {
    /// A UUID.
    pub id: String,
    /// beginner, intermediate or advanced.
    pub difficulty: String,
    /// 1 to 200 characters on one line, in NFC.
    pub title: String,
    /// At most 5 000 characters; line breaks and tabs are the only control characters.
    pub description: String,
    /// 0 to 1 000.
    pub points: i64,
    /// As `description`.
    pub tips: Option<String>,
}

/// A challenge that may be written: every field was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChallenge {
    /// Names it.
    pub id: ChallengeId,
    /// How hard it is.
    pub difficulty: Difficulty,
    /// 1 to 200 characters.
    pub title: String,
    /// What to do; may be empty.
    pub description: String,
    /// 0 to 1 000.
    pub points: i32,
    /// A short coaching tip.
    pub tips: Option<String>,
}

impl ChallengeDraft {
    /// Checks every field; text is kept as given.
    ///
    /// # Errors
    ///
    /// Every field that is wrong, at once.
    pub fn check(self) -> Result<NewChallenge, Vec<FieldViolation>> {
        let mut violations = FieldViolations::default();
        let id = violations.field("id", ChallengeId::parse(&self.id));
        let all = ChangeDraft {
            difficulty: Some(self.difficulty),
            title: Some(self.title),
            description: Some(self.description),
            points: Some(self.points),
            tips: self.tips,
        };
        let all = all.check().map_err(|wrong| violations.add(wrong)).ok();
        let new = || {
            let all = all?;
            Some(NewChallenge {
                id: id?,
                difficulty: all.difficulty?,
                title: all.title?,
                description: all.description?,
                points: all.points?,
                tips: all.tips,
            })
        };
        new().ok_or_else(|| violations.into())
    }
}

/// Proposed values of some fields of a challenge: nothing is checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeDraft {
    /// As [`ChallengeDraft::difficulty`]; `None` leaves it.
    pub difficulty: Option<String>,
    /// Likewise.
    pub title: Option<String>,
    /// Likewise.
    pub description: Option<String>,
    /// Likewise.
    pub points: Option<i64>,
    /// Likewise; an empty tip is none.
    pub tips: Option<String>,
}

/// What of a challenge is to be changed: every field was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChallengeChange {
    /// `None` leaves it.
    pub difficulty: Option<Difficulty>,
    /// Likewise.
    pub title: Option<String>,
    /// Likewise.
    pub description: Option<String>,
    /// Likewise.
    pub points: Option<i32>,
    /// Likewise; an empty tip is none.
    pub tips: Option<String>,
}

impl ChangeDraft {
    /// Checks every field that is given; text is kept as given.
    ///
    /// # Errors
    ///
    /// Every field that is wrong, at once.
    pub fn check(self) -> Result<ChallengeChange, Vec<FieldViolation>> {
        let mut violations = FieldViolations::default();
        let difficulty = self.difficulty.map(|word| word.parse()).transpose();
        let difficulty = violations.field("difficulty", difficulty);
        let title = self.title.map(challenge_text::title).transpose();
        let title = violations.field("title", title);
        let description = self.description.map(challenge_text::text).transpose();
        let description = violations.field("description", description);
        let tips = violations.field("tips", self.tips.map(challenge_text::text).transpose());
        let points = self.points.map(challenge_text::points).transpose();
        let points = violations.field("points", points);
        let change = || {
            Some(ChallengeChange {
                difficulty: difficulty?,
                title: title?,
                description: description?,
                points: points?,
                tips: tips?,
            })
        };
        change().ok_or_else(|| violations.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(wrong: Vec<FieldViolation>) -> Vec<String> {
        wrong.into_iter().map(|wrong| wrong.field).collect()
    }

    #[test]
    fn the_list_of_fields_is_that_of_a_draft() {
        let draft = ChallengeDraft {
            id: String::new(),
            difficulty: String::new(),
            title: String::new(),
            description: String::new(),
            points: 0,
            tips: None,
        };
        let json = serde_json::to_value(draft).unwrap();
        let mut listed = [&["id"], &CHALLENGE_FIELDS[..]].concat();
        listed.sort_unstable();
        let mut fields: Vec<_> = json.as_object().unwrap().keys().collect();
        fields.sort_unstable();
        assert_eq!(fields, listed);
    }

    #[test]
    fn a_draft_names_all_its_bad_fields_at_once() {
        let draft = ChallengeDraft {
            id: "beg-001".to_owned(),
            difficulty: "easy".to_owned(),
            title: "x".repeat(201),
            description: "bell \u{7}".to_owned(),
            points: -1,
            tips: Some("\0".to_owned()),
        };
        let wrong = fields(draft.check().unwrap_err());
        let all = ["id", "difficulty", "title", "description", "tips", "points"];
        assert_eq!(wrong, all);
    }

    #[test]
    fn a_change_names_all_its_bad_fields_and_none_that_it_leaves() {
        assert_eq!(
            ChangeDraft::default().check(),
            Ok(ChallengeChange::default())
        );
        let draft = ChangeDraft {
            difficulty: Some(String::new()),
            title: Some(String::new()),
            description: Some("\r".to_owned()),
            points: Some(1_001),
            tips: Some("\0".to_owned()),
        };
        let wrong = fields(draft.check().unwrap_err());
        let all = ["difficulty", "title", "description", "tips", "points"];
        assert_eq!(wrong, all);
    }
}
