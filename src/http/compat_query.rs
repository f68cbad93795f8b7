//! What is asked of the old list of challenges, read and refused as the replaced service did: by FastAPI 0.104 with
//! pydantic 2.5 in the form that was planned, by hand in the form that was deployed.
use http::StatusCode;
use serde::Serialize;

use super::{
    compat_number::{Number, whole},
    compat_pairs::last_value,
    compat_refusal::CompatRefusal,
};
use crate::domain::Difficulty;

/// Which form of the replaced service is asked for where the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompatForm {
    /// The one that was planned: 422 for whatever is wrong.
    Plan,
    /// The one that was deployed: 400 for a difficulty that is none, and no limit.
    Deployed,
}

/// Which challenges are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CompatQuery {
    /// Those of one difficulty, or all.
    pub(super) difficulty: Option<Difficulty>,
    /// What the answer repeats as `difficulty_filter`: what was asked for, which is empty in the deployed form when a
    /// blank one asked for all.
    pub(super) filter: Option<String>,
    /// How many at most, 1 to 100; `None` for all.
    pub(super) limit: Option<u32>,
}

const DIFFICULTY: &str = "difficulty";
const LIMIT: &str = "limit";
const PATTERN: &str = "^(beginner|intermediate|advanced)$";
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MIN: i64 = 1;
const LIMIT_MAX: i64 = 100;
/// Where pydantic explains its errors.
const EXPLAINED_AT: &str = "https://errors.pydantic.dev/2.5/v/";

impl CompatQuery {
    /// Reads the query of a request. Names that are unknown are ignored, so that of the deployed form's `limit` too.
    ///
    /// # Errors
    ///
    /// The answer that says all that is wrong.
    pub(super) fn read(query: &str, form: CompatForm) -> Result<Self, CompatRefusal> {
        let filter = last_value(query, DIFFICULTY);
        match form {
            CompatForm::Plan => Self::planned(filter, last_value(query, LIMIT).as_deref()),
            CompatForm::Deployed => Self::deployed(filter),
        }
    }

    fn planned(filter: Option<String>, limit: Option<&str>) -> Result<Self, CompatRefusal> {
        let difficulty = filter.as_deref().map(pattern).transpose();
        let limit = limit.map_or(Ok(LIMIT_DEFAULT), between);
        match (difficulty, limit) {
            (Ok(difficulty), Ok(limit)) => Ok(Self {
                difficulty,
                filter,
                limit: Some(limit),
            }),
            (difficulty, limit) => {
                let errors: Vec<_> = difficulty.err().into_iter().chain(limit.err()).collect();
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Err(CompatRefusal::telling(status, &errors))
            }
        }
    }

    fn deployed(filter: Option<String>) -> Result<Self, CompatRefusal> {
        let given = filter.as_deref().filter(|text| !text.is_empty());
        let difficulty = given.map(str::parse).transpose();
        Ok(Self {
            difficulty: difficulty.map_err(|_: String| CompatRefusal::invalid_difficulty())?,
            filter,
            limit: None,
        })
    }
}

/// An error as pydantic tells it; the fields in its order.
#[derive(Serialize)]
struct FieldError<'a> {
    r#type: &'static str,
    loc: [&'static str; 2],
    msg: String,
    input: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Bound>,
    url: String,
}

/// What a value must keep to.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Bound {
    Pattern(&'static str),
    Ge(i64),
    Le(i64),
}

impl<'a> FieldError<'a> {
    fn new(field: &'static str, input: &'a str, kind: &'static str, msg: String) -> Box<Self> {
        Box::new(Self {
            r#type: kind,
            loc: ["query", field],
            msg,
            input,
            ctx: None,
            url: format!("{EXPLAINED_AT}{kind}"),
        })
    }

    fn bound_by(mut self: Box<Self>, bound: Bound) -> Box<Self> {
        self.ctx = Some(bound);
        self
    }
}

fn pattern(text: &str) -> Result<Difficulty, Box<FieldError<'_>>> {
    text.parse().map_err(|_: String| {
        let msg = format!("String should match pattern '{PATTERN}'");
        FieldError::new(DIFFICULTY, text, "string_pattern_mismatch", msg)
            .bound_by(Bound::Pattern(PATTERN))
    })
}

fn between(text: &str) -> Result<u32, Box<FieldError<'_>>> {
    let error = |kind, msg: &str| FieldError::new(LIMIT, text, kind, msg.to_owned());
    let number = match whole(text) {
        Number::Whole(number) => number,
        Number::TooLong => {
            let msg = "Unable to parse input string as an integer, exceeded maximum size";
            return Err(error("int_parsing_size", msg));
        }
        Number::Unreadable => {
            let msg = "Input should be a valid integer, unable to parse string as an integer";
            return Err(error("int_parsing", msg));
        }
    };
    if number > LIMIT_MAX {
        let msg = format!("Input should be less than or equal to {LIMIT_MAX}");
        return Err(error("less_than_equal", &msg).bound_by(Bound::Le(LIMIT_MAX)));
    }
    let fits = u32::try_from(number).ok().filter(|_| number >= LIMIT_MIN);
    fits.ok_or_else(|| {
        let msg = format!("Input should be greater than or equal to {LIMIT_MIN}");
        error("greater_than_equal", &msg).bound_by(Bound::Ge(LIMIT_MIN))
    })
}

#[cfg(test)]
#[path = "compat_query_tests.rs"]
mod tests;
