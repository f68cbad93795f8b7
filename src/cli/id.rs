//! Ids of challenges as they are typed: whole, or as short as a table shows them.
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
/// So many ids that begin alike are told.
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
    ChallengeId::parse(text).map(|id| id.to_string())
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
    // With one more than there are beginnings, one of them has several, and that is told.
    let found = beginning_with(config, &short, short.len() + SEVERAL_SHOWN);
    let found = runtime::command()?.block_on(found)?;
    let fitting = |typed: &str| {
        let ids = found.iter().map(|(id, _)| id.clone());
        ids.filter(|id| id.starts_with(typed)).collect::<Vec<_>>()
    };
    let ambiguous = short.iter().find(|typed| fitting(typed).len() > 1);
    if let Some(typed) = ambiguous {
        let failure = Failure::failed(format!("several ids begin with {typed}"));
        let several = fitting(typed).into_iter().take(SEVERAL_SHOWN);
        return Err(several.fold(failure, Failure::with_line));
    }
    let whole = typed.iter().map(|typed| {
        let missing = || {
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

/// Ids and titles of at most `most` challenges whose id begins with one of `beginnings`. All pages
/// together take no longer than one answer may, so a server that always has another one ends too.
pub(super) async fn beginning_with(
    config: &ClientConfig,
    beginnings: &[String],
    most: usize,
) -> Result<Vec<(String, String)>, Failure> {
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
) -> Result<Vec<(String, String)>, Failure> {
    let mut catalog = ChallengesCatalogClient::new(client::connect(config).await?);
    let mut request = ListChallengesRequest {
        page_size: PageSize::MAX.get().into(),
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let answer = catalog
            .list_challenges(client::request(config, request.clone()))
            .await;
        let page = answer
            .map_err(|status| client::refused(&status))?
            .into_inner();
        let challenges = page.challenges.into_iter();
        let challenges = challenges.map(|it| (clean(&it.id), clean(&it.title)));
        found.extend(
            challenges
                .filter(|(id, _)| beginnings.iter().any(|beginning| id.starts_with(beginning))),
        );
        found.truncate(most);
        let is_last = page.next_page_token.is_empty() || page.next_page_token == request.page_token;
        if is_last || found.len() == most {
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
        for bad in [
            "",
            "0c62b58",
            "beg-001",
            "0c62b582c",
            "0c62b582-cc47x",
            "zzzzzzzz",
        ] {
            assert!(typed(bad).is_err(), "{bad}");
        }
    }
}
