//! Reads the path and the query of the reads that are called most: without descriptors, and without copies where
//! nothing is encoded.
use std::borrow::Cow;

use super::{cache_headers::Tags, percent, query::pairs};
use crate::{
    domain::{ChallengeId, Difficulty, FieldViolation, FieldViolations, PageSize},
    pb::catalog::v1 as pb,
    transport::ReadRequest,
};

/// A read, and the tags of its answer.
pub(super) struct ReadQuery {
    pub(super) request: ReadRequest,
    pub(super) tags: Tags,
}

/// The difficulty as the contract names it, or by its plain word; empty for all.
fn difficulty(text: &str) -> Result<Option<Difficulty>, String> {
    let word = text.strip_prefix("DIFFICULTY_");
    match (text, word) {
        ("" | "DIFFICULTY_UNSPECIFIED", _) => Ok(None),
        (_, Some(name)) => {
            let of_name = |it: &Difficulty| it.to_string().eq_ignore_ascii_case(name);
            let known = Difficulty::ALL.iter().find(|it| of_name(it));
            known.copied().map(Some)
        }
        .ok_or(()),
        (word, None) => word.parse().map(Some).map_err(|_| ()),
    }
    .map_err(|()| "must be beginner, intermediate or advanced, or left out for all".to_owned())
}

/// As many problems are noted of one query; a hostile one has thousands, and each is told in a sentence.
const NOTED_MAX: usize = 100;

/// Reads the values of a query by their names; each name may be there once.
struct Values<'a, const N: usize> {
    names: [&'static str; N],
    found: [Option<Cow<'a, str>>; N],
    violations: FieldViolations,
}

impl<'a, const N: usize> Values<'a, N> {
    fn read(pairs: impl IntoIterator<Item = (&'a str, &'a str)>, names: [&'static str; N]) -> Self {
        let mut read = Self {
            names,
            found: [const { None }; N],
            violations: FieldViolations::default(),
        };
        let mut noted = 0;
        for (name, value) in pairs {
            if let Err((field, problem)) = read.put(name, value) {
                read.violations.note(&field, problem);
                noted += 1;
            }
            if noted == NOTED_MAX {
                break;
            }
        }
        read
    }

    /// Keeps a value, or tells of which field what is wrong.
    fn put(&mut self, name: &'a str, value: &'a str) -> Result<(), (String, String)> {
        let name = percent::decode(name, true);
        let name = name.map_err(|problem| ("query".to_owned(), format!("a name {problem}")))?;
        let at = self.names.iter().position(|known| *known == name);
        let Some((slot, known)) =
            at.and_then(|at| Some((self.found.get_mut(at)?, *self.names.get(at)?)))
        else {
            return Err(self.unknown(&name));
        };
        if slot.is_some() {
            return Err((known.to_owned(), "must not be there twice".to_owned()));
        }
        let value = percent::decode(value, true);
        *slot = Some(value.map_err(|problem| (known.to_owned(), problem.to_owned()))?);
        Ok(())
    }

    fn unknown(&self, name: &str) -> (String, String) {
        let shown = name.chars().take(100).collect();
        let known = self.names.join(", ");
        (shown, format!("is not known here; there are {known}"))
    }

    fn take(&mut self, name: &str) -> Cow<'a, str> {
        let at = self.names.iter().position(|known| *known == name);
        let value = at.and_then(|at| self.found.get_mut(at));
        value.and_then(Option::take).unwrap_or_default()
    }
}

/// `GET /v1/challenges`.
///
/// # Errors
///
/// All that is wrong with the query.
pub(super) fn list(query: &str) -> Result<ReadQuery, Vec<FieldViolation>> {
    let names = ["difficulty", "page_size", "page_token", "min_version"];
    let mut values = Values::read(pairs(query), names);
    let wanted = values.take("difficulty");
    let size = values.take("page_size");
    let (page_token, min_version) = (values.take("page_token"), values.take("min_version"));
    let mut violations = values.violations;
    let difficulty = violations.field("difficulty", difficulty(&wanted));
    let size = violations.field("page_size", page_size(&size));
    let version = violations.version(&min_version);
    let (Some(difficulty), Some(page_size), Some(_), true) =
        (difficulty, size, version, violations.is_empty())
    else {
        return Err(violations.into());
    };
    let request = pb::ListChallengesRequest {
        difficulty: difficulty.map_or(0, |only| pb::Difficulty::from(only).into()),
        page_size,
        page_token: page_token.into_owned(),
        if_none_match: String::new(),
        min_version: min_version.into_owned(),
    };
    Ok(ReadQuery {
        request: ReadRequest::List(request),
        tags: Tags::List(difficulty),
    })
}

fn page_size(text: &str) -> Result<i32, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let number = text.parse();
    let number = number.map_err(|_| "must be a whole number of 32 bits".to_owned())?;
    PageSize::parse(number).map(|_| number)
}

/// `GET /v1/challenges/{id}`.
///
/// # Errors
///
/// All that is wrong with the id and the query.
pub(super) fn get(id: &str, query: &str) -> Result<ReadQuery, Vec<FieldViolation>> {
    let mut values = Values::read(pairs(query), ["min_version"]);
    let min_version = values.take("min_version");
    let mut violations = values.violations;
    let parsed = violations.field("id", ChallengeId::parse(id));
    let version = violations.version(&min_version);
    let (Some(parsed), Some(_), true) = (parsed, version, violations.is_empty()) else {
        return Err(violations.into());
    };
    let request = pb::GetChallengeRequest {
        id: id.to_owned(),
        if_none_match: String::new(),
        min_version: min_version.into_owned(),
    };
    Ok(ReadQuery {
        request: ReadRequest::Get(request),
        tags: Tags::Challenges(vec![parsed]),
    })
}

/// The most ids that are looked at; the service takes fewer.
const IDS_READ_MAX: usize = 1_000;

/// `GET /v1/challenges:batchGet`; the ids may stand in one value with commas, or in several.
///
/// # Errors
///
/// All that is wrong with the query, but for the ids, which the service checks.
pub(super) fn batch(query: &str) -> Result<ReadQuery, Vec<FieldViolation>> {
    let (mut ids, mut rest, mut unreadable) = (Vec::new(), Vec::new(), None);
    for (name, value) in pairs(query) {
        if percent::decode(name, true).as_deref() != Ok("ids") {
            rest.push((name, value));
            continue;
        }
        match percent::decode(value, true) {
            Ok(value) => {
                let room = IDS_READ_MAX.saturating_sub(ids.len());
                ids.extend(value.split(',').take(room).map(str::to_owned));
            }
            Err(problem) => unreadable = Some(problem),
        }
    }
    let mut values = Values::read(rest, ["min_version"]);
    let min_version = values.take("min_version");
    let mut violations = values.violations;
    if let Some(problem) = unreadable {
        violations.note("ids", problem);
    }
    if violations.version(&min_version).is_none() || !violations.is_empty() {
        return Err(violations.into());
    }
    let parsed = ids.iter().filter_map(|id| ChallengeId::parse(id).ok());
    let tags = Tags::Challenges(parsed.collect());
    let request = pb::BatchGetChallengesRequest {
        ids,
        if_none_match: String::new(),
        min_version: min_version.into_owned(),
    };
    Ok(ReadQuery {
        request: ReadRequest::BatchGet(request),
        tags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list_request(query: &str) -> Result<pb::ListChallengesRequest, Vec<FieldViolation>> {
        match list(query)?.request {
            ReadRequest::List(request) => Ok(request),
            ReadRequest::Get(_) | ReadRequest::BatchGet(_) => unreachable!(),
        }
    }

    fn fields(violations: &[FieldViolation]) -> Vec<&str> {
        violations.iter().map(|it| it.field.as_str()).collect()
    }

    #[test]
    fn a_difficulty_goes_by_its_word_and_by_its_name() {
        for text in ["beginner", "DIFFICULTY_BEGINNER", "%62eginner"] {
            let request = list_request(&format!("difficulty={text}&page_size=3"));
            let request = request.unwrap();
            assert_eq!((request.difficulty, request.page_size), (1, 3), "{text}");
        }
        for text in ["", "difficulty=", "difficulty=DIFFICULTY_UNSPECIFIED"] {
            assert_eq!(list_request(text).unwrap().difficulty, 0, "{text}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let query = "difficulty=hard&page_size=101&page_size=1&cb=7&min_version=x";
        let violations = list_request(query).unwrap_err();
        let expected = ["page_size", "cb", "difficulty", "page_size", "min_version"];
        assert_eq!(fields(&violations), expected);
        for query in [
            "difficulty=%00",
            "difficulty=%c0%af",
            "difficulty=%zz",
            "page_size=1e3",
            "page_size=99999999999",
            "page_size=-1",
            "page_token=%00",
            "page_token=%c0%af",
            "min_version=%z",
            "%ff=1",
        ] {
            assert_eq!(list_request(query).unwrap_err().len(), 1, "{query}");
        }
    }

    #[test]
    fn an_unknown_name_is_shown_in_part() {
        let violations = list_request(&"x".repeat(100_000)).unwrap_err();
        assert_eq!(violations[0].field.len(), 100);
    }

    #[test]
    fn of_a_query_with_thousands_of_mistakes_some_are_told() {
        let noted = |query: &str| list_request(&query.repeat(5_000)).unwrap_err().len();
        assert_eq!(noted("x=1&"), NOTED_MAX);
        assert_eq!(noted("page_size=1&"), NOTED_MAX);
    }

    #[test]
    fn ids_stand_in_one_value_or_in_several_and_are_bounded() {
        let ids = |query: &str| match batch(query).ok().unwrap().request {
            ReadRequest::BatchGet(request) => request.ids,
            ReadRequest::Get(_) | ReadRequest::List(_) => unreachable!(),
        };
        assert_eq!(ids("ids=a,b&ids=c"), ["a", "b", "c"]);
        assert_eq!(
            ids(&format!("ids={}", ",".repeat(50_000))).len(),
            IDS_READ_MAX
        );
        assert_eq!(fields(&batch("ids=a&x=1").err().unwrap()), ["x"]);
        assert_eq!(fields(&batch("ids=a&ids=%zz").err().unwrap()), ["ids"]);
    }
}
