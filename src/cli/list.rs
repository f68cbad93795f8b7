//! The command `list`: prints challenges, page by page.
use clap::ArgMatches;
use tonic::transport::Channel;

use super::{
    client,
    escape::clean,
    failure::Failure,
    json::json,
    output::Output,
    runtime, settings,
    view::{self, difficulty, difficulty_of},
};
use crate::{
    config::{ClientConfig, EnvVars},
    domain::PageSize,
    pb::catalog::v1::{
        ListChallengesRequest, ListChallengesResponse,
        challenges_catalog_client::ChallengesCatalogClient,
    },
};

/// Lists the challenges of a running server.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let list = runtime::command()?.block_on(async {
        let mut catalog = ChallengesCatalogClient::new(client::connect(&config).await?);
        let (request, all) = request(matches);
        ask(&config, &mut catalog, request, all).await
    })?;
    show(output, environment, &list)
}

fn request(matches: &ArgMatches) -> (ListChallengesRequest, bool) {
    let all = matches.get_flag("all");
    let difficulty = difficulty_of(matches.get_one("difficulty"));
    let default = if all {
        i32::from(PageSize::MAX.get())
    } else {
        0
    };
    let page_size = matches
        .get_one::<i32>("page-size")
        .copied()
        .unwrap_or(default);
    let request = ListChallengesRequest {
        difficulty: difficulty.into(),
        page_size,
        page_token: String::new(),
        if_none_match: String::new(),
        min_version: String::new(),
    };
    (request, all)
}

async fn ask(
    config: &ClientConfig,
    catalog: &mut ChallengesCatalogClient<Channel>,
    mut request: ListChallengesRequest,
    all: bool,
) -> Result<ListChallengesResponse, Failure> {
    let mut list = page(config, catalog, &request).await?;
    while all && !list.next_page_token.is_empty() {
        request.page_token.clone_from(&list.next_page_token);
        let next = page(config, catalog, &request).await?;
        if next.next_page_token == request.page_token {
            return Err(Failure::failed(
                "the server gives the same page again and again",
            ));
        }
        list.challenges.extend(next.challenges);
        list.next_page_token = next.next_page_token;
        // The pages together are no older than the oldest of them, and have no etag of their own.
        list.etag.clear();
        list.cached &= next.cached;
        if let (Some(all), Some(page)) = (&mut list.freshness, &next.freshness) {
            view::join(all, page);
        }
    }
    Ok(list)
}

async fn page(
    config: &ClientConfig,
    catalog: &mut ChallengesCatalogClient<Channel>,
    request: &ListChallengesRequest,
) -> Result<ListChallengesResponse, Failure> {
    let request = client::request(config, request.clone());
    client::answer(catalog.list_challenges(request).await)
}

fn show(
    output: Output,
    environment: &EnvVars,
    list: &ListChallengesResponse,
) -> Result<(), Failure> {
    view::warn(list.freshness.as_ref(), output, environment);
    if output.is_data() {
        return output.data(&json(list)?);
    }
    let rows = list.challenges.iter().map(|challenge| {
        let points = challenge.points.to_string();
        [
            clean(&challenge.id),
            difficulty(challenge.difficulty()),
            points,
            clean(&challenge.title),
        ]
    });
    output.rows(["ID", "DIFFICULTY", "POINTS", "TITLE"], rows)?;
    if output.is_table() {
        output.text(&summary(list))
    } else {
        Ok(())
    }
}

fn summary(list: &ListChallengesResponse) -> String {
    let freshness = list
        .freshness
        .as_ref()
        .map(view::summary)
        .unwrap_or_default();
    let more = if list.next_page_token.is_empty() {
        ""
    } else {
        "; --all shows the rest"
    };
    format!(
        "\n{} of {} challenges{more}\n{freshness}",
        list.challenges.len(),
        list.total_count
    )
}
