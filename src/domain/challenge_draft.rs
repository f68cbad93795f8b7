use super::{ChallengeId, Difficulty, FieldViolation, challenge_text};

/// A challenge as somebody proposes it: nothing is checked yet.
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
        let mut wrong = Vec::new();
        let mut note = |field: &str, problem: Option<String>| {
            wrong.extend(problem.map(|problem| FieldViolation::new(field, problem)));
        };
        let id = ChallengeId::parse(&self.id)
            .map_err(|problem| note("id", Some(problem)))
            .ok();
        let difficulty = self
            .difficulty
            .parse()
            .map_err(|problem| note("difficulty", Some(problem)))
            .ok();
        note("title", challenge_text::title_problem(&self.title));
        note(
            "description",
            challenge_text::text_problem(&self.description),
        );
        let tips = self.tips.as_deref().and_then(challenge_text::text_problem);
        note("tips", tips);
        let points = challenge_text::points(self.points)
            .map_err(|problem| note("points", Some(problem)))
            .ok();
        match (id, difficulty, points) {
            (Some(id), Some(difficulty), Some(points)) if wrong.is_empty() => Ok(NewChallenge {
                id,
                difficulty,
                title: self.title,
                description: self.description,
                points,
                tips: self.tips,
            }),
            _ => Err(wrong),
        }
    }
}

/// Some fields of a challenge as somebody would have them: nothing is checked yet.
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
        let mut wrong = Vec::new();
        let mut note = |field: &str, problem: Option<String>| {
            wrong.extend(problem.map(|problem| FieldViolation::new(field, problem)));
        };
        let difficulty = self.difficulty.map(|word| word.parse()).transpose();
        note("difficulty", difficulty.clone().err());
        let title = self.title.as_deref();
        note("title", title.and_then(challenge_text::title_problem));
        let description = self.description.as_deref();
        note(
            "description",
            description.and_then(challenge_text::text_problem),
        );
        let tips = self.tips.as_deref();
        note("tips", tips.and_then(challenge_text::text_problem));
        let points = self.points.map(challenge_text::points).transpose();
        note("points", points.clone().err());
        match (difficulty, points) {
            (Ok(difficulty), Ok(points)) if wrong.is_empty() => Ok(ChallengeChange {
                difficulty,
                title: self.title,
                description: self.description,
                points,
                tips: self.tips,
            }),
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(wrong: Vec<FieldViolation>) -> Vec<String> {
        wrong.into_iter().map(|wrong| wrong.field).collect()
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
