//! Ids of challenges as they are typed: whole, or as short as a table shows them.
use clap::Arg;

use super::{client, escape::clean, failure::Failure, runtime};
use crate::{
    config::ClientConfig,
    domain::{ChallengeId, PageSize},
    pb::catalog::v1::{ListChallengesRequest, challenges_catalog_client::ChallengesCatalogClient},
};

/// A shorter beginning fits too many.
const SHORTEST: usize = 8;

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

/// The whole id of the one challenge whose id begins with `typed`.
pub(super) fn whole(config: &ClientConfig, typed: String) -> Result<String, Failure> {
    if typed.is_empty() || ChallengeId::parse(&typed).is_ok() {
        return Ok(typed);
    }
    let found = runtime::command()?.block_on(beginning_with(config, &typed))?;
    match &found[..] {
        [id] => Ok(id.clone()),
        [] => Err(Failure::failed(format!(
            "no challenge of the catalog has an id that begins with {typed}; one that is deleted \
             needs its whole id"
        ))),
        several => {
            let failure = Failure::failed(format!("several ids begin with {typed}"));
            Err(several.iter().fold(failure, Failure::with_line))
        }
    }
}

async fn beginning_with(config: &ClientConfig, beginning: &str) -> Result<Vec<String>, Failure> {
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
        let ids = page
            .challenges
            .into_iter()
            .map(|challenge| clean(&challenge.id));
        found.extend(ids.filter(|id| id.starts_with(beginning)));
        if page.next_page_token.is_empty() || page.next_page_token == request.page_token {
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
