//! Reads ids of challenges as they are typed: whole, or as short as a table shows them.
use clap::{Arg, ArgMatches};
use tokio::time::timeout;

use super::{client, escape::clean, failure::Failure, runtime};
use crate::{
    config::ClientConfig,
    domain::{ChallengeId, PageSize},
    pb::catalog::v1::{ListChallengesRequest, challenges_catalog_client::ChallengesCatalogClient},
};

/// A shorter beginning fits too many.
const SHORTEST: usize = 8;
/// How many ids that begin alike are printed.
const SEVERAL_SHOWN: usize = 10;

/// `ID`, which must be given.
pub(super) fn arg() -> Arg {
    Arg::new("id")
        .value_name("ID")
        .required(true)
        .value_parser(typed)
        .help("The challenge's UUID, or its first 8 digits or more")
}

/// The id, or the beginning of one.
pub(super) fn typed(text: &str) -> Result<String, String> {
    let is_beginning = |text: &str| {
        let template = "00000000-0000-0000-0000-000000000000";
        let fits = text
            .chars()
            .zip(template.chars())
            .all(|(typed, like)| match like {
                '-' => typed == '-',
                _ => typed.is_ascii_hexdigit(),
            });
        fits && (SHORTEST..template.len()).contains(&text.len())
    };
    if is_beginning(text) {
        return Ok(text.to_ascii_lowercase());
    }
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digits && text.len() < SHORTEST {
        return Err(format!("at least {SHORTEST} digits are needed"));
    }
    if is_digits && text.len() <= 32 {
        return typed(&hyphenated(text));
    }
    ChallengeId::parse(text).map(|id| id.to_string())
}

/// The digits of an id, parted as a UUID is.
fn hyphenated(digits: &str) -> String {
    let mut id = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}

/// The whole id of the challenge that was named; empty when none was.
pub(super) fn whole(config: &ClientConfig, matches: &ArgMatches) -> Result<String, Failure> {
    Ok(all_whole(config, matches)?.pop().unwrap_or_default())
}

/// The whole ids of all challenges that were named.
pub(super) fn all_whole(
    config: &ClientConfig,
    matches: &ArgMatches,
) -> Result<Vec<String>, Failure> {
    let typed = matches.try_get_many::<String>("id").ok().flatten();
    let typed: Vec<_> = typed.into_iter().flatten().cloned().collect();
    let short = typed.iter().filter(|id| ChallengeId::parse(id).is_err());
    let short: Vec<_> = short.cloned().collect();
    if short.is_empty() {
        return Ok(typed);
    }
    let found = beginning_with(config, &short, usize::MAX);
    let FoundIds {
        ids: found,
        is_stale,
    } = runtime::command()?.block_on(found)?;
    let fitting = |typed: &str| {
        let ids = found.iter().map(|(id, _)| id.clone());
        ids.filter(|id| id.starts_with(typed)).collect::<Vec<_>>()
    };
    let ambiguous = short.iter().find(|typed| fitting(typed).len() > 1);
    if let Some(typed) = ambiguous {
        let failure = Failure::failed(format!("several ids begin with {typed}"));
        let several = fitting(typed);
        let more = several.len().saturating_sub(SEVERAL_SHOWN);
        let more = (more > 0).then(|| format!("and {more} more"));
        let told = several.into_iter().take(SEVERAL_SHOWN).chain(more);
        return Err(told.fold(failure, Failure::with_line));
    }
    let whole = typed.iter().map(|typed| {
        let missing = || {
            if is_stale {
                return Failure::failed(format!(
                    "no id of a stale copy of the catalog begins with {typed}, and the challenge may be newer: the \
                     server cannot read its database; try again later, or with the whole id"
                ));
            }
            Failure::failed(format!(
                "no challenge of the catalog has an id that begins with {typed}; one that is \
                 deleted needs its whole id"
            ))
        };
        if short.contains(typed) {
            fitting(typed).pop().ok_or_else(missing)
        } else {
            Ok(typed.clone())
        }
    });
    whole.collect()
}

/// What a look for ids found.
#[derive(Default)]
pub(super) struct FoundIds {
    /// Each id with its challenge's title.
    pub(super) ids: Vec<(String, String)>,
    /// Whether a page of it may be old, so that a challenge that is not in it may be there.
    is_stale: bool,
}

/// Ids and titles of at most `most` challenges whose id begins with one of `beginnings`. All pages
/// together take no longer than one answer may, so a server that always has another one ends too.
pub(super) async fn beginning_with(
    config: &ClientConfig,
    beginnings: &[String],
    most: usize,
) -> Result<FoundIds, Failure> {
    let looked_up = timeout(config.timeout, look_up(config, beginnings, most)).await;
    looked_up.unwrap_or_else(|_| {
        let timeout = config.timeout;
        Err(Failure::failed(format!(
            "looking for ids took longer than {timeout:?}; --timeout grants more, and a whole id \
             needs no look"
        )))
    })
}

async fn look_up(
    config: &ClientConfig,
    beginnings: &[String],
    most: usize,
) -> Result<FoundIds, Failure> {
    let mut catalog = ChallengesCatalogClient::new(client::connect(config).await?);
    let mut request = ListChallengesRequest {
        page_size: PageSize::MAX.get().into(),
        ..Default::default()
    };
    let mut found = FoundIds::default();
    loop {
        let asked = client::request(config, request.clone());
        let page = client::answer(catalog.list_challenges(asked).await)?;
        found.is_stale |= page.freshness.is_some_and(|freshness| freshness.stale);
        let challenges = page.challenges.into_iter();
        let challenges = challenges.map(|it| (clean(&it.id), clean(&it.title)));
        found.ids.extend(
            challenges
                .filter(|(id, _)| beginnings.iter().any(|beginning| id.starts_with(beginning))),
        );
        found.ids.truncate(most);
        let is_last = page.next_page_token.is_empty() || page.next_page_token == request.page_token;
        if is_last || found.ids.len() == most {
            return Ok(found);
        }
        request.page_token = page.next_page_token;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_whole_or_the_beginning_of_one() {
        let id = "0c62b582-cc47-4509-96ce-a6a37c913d9d";
        assert_eq!(typed(id).as_deref(), Ok(id));
        assert_eq!(typed("0C62B582").as_deref(), Ok("0c62b582"));
        assert_eq!(typed("0c62b582-cc4").as_deref(), Ok("0c62b582-cc4"));
        assert_eq!(typed("0c62b582c").as_deref(), Ok("0c62b582-c"));
        assert_eq!(typed(&id.replace('-', "")).as_deref(), Ok(id));
        assert_eq!(
            typed("0c62b58").unwrap_err(),
            "at least 8 digits are needed"
        );
        for bad in [
            "",
            "0c62b58",
            "beg-001",
            "0c62b582cc4745-09",
            "0c62b582cc47450996cea6a37c913d9d0",
            "0c62b582-cc47x",
            "zzzzzzzz",
        ] {
            assert!(typed(bad).is_err(), "{bad}");
        }
    }
}
