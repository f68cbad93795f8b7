//! Questions to an edge, as callers ask them, and what their answers prove.
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode, header};
use url::Url;

use super::client::{EdgeClient, Reply, path_behind};
use crate::domain::{EdgeFailure, Tag, Version};

/// The version of the catalog that an answer shows.
const VERSION: HeaderName = HeaderName::from_static("x-catalog-version");
/// One question may take so long.
const QUESTION_TIMEOUT: Duration = Duration::from_millis(800);
/// Of many challenges the first ones are asked for.
const CHALLENGES_MAX: usize = 5;

/// A path and its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    path: String,
    query: Option<String>,
}

/// What to ask about `tags`: a short page of each list, and the first challenges.
pub(super) fn questions(tags: &[Tag]) -> Vec<Question> {
    let list = |filter: &str| Question {
        path: "/v1/challenges".to_owned(),
        query: Some(format!("{filter}page_size=1")),
    };
    if tags.contains(&Tag::Everything) {
        return vec![list("")];
    }
    let mut challenges = 0;
    let questions = tags.iter().filter_map(|tag| match tag {
        Tag::Everything => Some(list("")),
        Tag::Difficulty(difficulty) => Some(list(&format!("difficulty={difficulty}&"))),
        Tag::Challenge(id) => {
            challenges += 1;
            (challenges <= CHALLENGES_MAX).then(|| Question {
                path: format!("/v1/challenges/{id}"),
                query: None,
            })
        }
        Tag::Flags => None,
    });
    questions.collect()
}

/// Asks once, and tells why the answer does not show `version`.
pub(super) async fn ask(
    client: &EdgeClient,
    base: &Url,
    question: &Question,
    version: Version,
) -> Result<(), EdgeFailure> {
    let mut url = path_behind(base, &question.path);
    url.set_query(question.query.as_deref());
    let request = client
        .inner()
        .get(url)
        .header(header::ACCEPT, "application/json");
    let request = request.build();
    let request = request.map_err(|error| EdgeFailure::new(error.without_url().to_string()))?;
    let reply = client.exchange(request, QUESTION_TIMEOUT).await?;
    judge(&reply, version).map_err(EdgeFailure::new)
}

/// What is wrong with an answer as a proof that the edge has nothing from before `version`.
///
/// An answer that shows a version proves it by that. One without, such as that there is no such challenge or that the
/// catalog is switched off, proves it if nobody may keep it and nobody has: then the edge had nothing to give, and asked.
fn judge(reply: &Reply, version: Version) -> Result<(), String> {
    let status = reply.status;
    let shown = reply
        .headers
        .get(VERSION)
        .and_then(|shown| shown.to_str().ok());
    let shown = shown.and_then(|shown| shown.parse::<Version>().ok());
    match shown {
        Some(shown) if matches!(status, StatusCode::OK | StatusCode::NOT_FOUND) => {
            if shown.reaches(version) {
                return Ok(());
            }
            Err(format!("it still shows version {shown}"))
        }
        None if matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::SERVICE_UNAVAILABLE
        ) && is_from_origin(&reply.headers) =>
        {
            Ok(())
        }
        Some(_) | None => Err(format!(
            "it was asked and answered {} without a version",
            status.as_u16()
        )),
    }
}

/// Whether no cache may keep the answer, and it has not been in one.
fn is_from_origin(headers: &HeaderMap) -> bool {
    let is_unstorable = headers.get_all(header::CACHE_CONTROL).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        value
            .split(',')
            .any(|part| part.trim().eq_ignore_ascii_case("no-store"))
    });
    let age = headers.get(header::AGE);
    is_unstorable && age.is_none_or(|age| age.as_bytes() == b"0")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::domain::{ChallengeId, DatabaseId, Difficulty, Stamp};

    fn version(database: u64, timeline: u32, seq: u64) -> Version {
        Version {
            database: DatabaseId(database),
            stamp: Stamp { timeline, seq },
        }
    }

    fn judged(status: u16, headers: &[(&'static str, &str)]) -> Result<(), String> {
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        });
        let reply = Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: Vec::new(),
        };
        judge(&reply, version(7, 1, 42))
    }

    #[test]
    fn only_an_answer_of_the_same_history_that_is_new_enough_proves_something() {
        let shows =
            |status, shown: Version| judged(status, &[("x-catalog-version", &shown.to_string())]);
        for good in [version(7, 1, 42), version(7, 1, 43)] {
            assert_eq!(shows(200, good), Ok(()));
            assert_eq!(shows(404, good), Ok(()));
        }
        for bad in [version(7, 1, 41), version(8, 1, 43), version(7, 2, 43)] {
            assert!(
                shows(200, bad).unwrap_err().contains("still shows"),
                "{bad}"
            );
        }
        for status in [301, 401, 500] {
            assert!(shows(status, version(7, 1, 43)).is_err(), "{status}");
        }
    }

    #[test]
    fn an_answer_without_a_version_proves_something_if_nobody_kept_it() {
        for status in [404, 503] {
            let judged = |headers: &[_]| judged(status, headers);
            assert_eq!(judged(&[("cache-control", "no-store")]), Ok(()));
            let with_age = |age| judged(&[("cache-control", "private, No-Store"), ("age", age)]);
            assert_eq!(with_age("0"), Ok(()));
            assert!(with_age("1").is_err());
            assert!(judged(&[("cache-control", "max-age=2")]).is_err());
            assert!(judged(&[]).is_err());
        }
        for status in [200, 401, 502] {
            assert!(judged(status, &[("cache-control", "no-store")]).is_err());
        }
        assert!(judged(200, &[("x-catalog-version", "soon")]).is_err());
    }

    #[test]
    fn lists_are_asked_about_by_their_filter_and_few_of_many_challenges() {
        let shown = |tags: &[Tag]| {
            let questions = questions(tags).into_iter();
            let text = questions.map(|one| match one.query {
                Some(query) => format!("{}?{query}", one.path),
                None => one.path,
            });
            text.collect::<Vec<_>>()
        };
        let id = |n: u128| ChallengeId::parse(&uuid::Uuid::from_u128(n).to_string()).unwrap();
        let challenges: Vec<_> = (1..=9).map(|n| Tag::Challenge(id(n))).collect();
        assert_eq!(shown(&[Tag::Everything]), ["/v1/challenges?page_size=1"]);
        assert_eq!(
            shown(&[Tag::Difficulty(Difficulty::Advanced), challenges[0]]),
            [
                "/v1/challenges?difficulty=advanced&page_size=1".to_owned(),
                format!("/v1/challenges/{}", id(1))
            ]
        );
        assert_eq!(shown(&challenges).len(), CHALLENGES_MAX);
        assert_eq!(shown(&[challenges[0], Tag::Everything]).len(), 1);
        assert!(shown(&[Tag::Flags]).is_empty());
    }
}
