//! `list`.
use clap::ArgMatches;
use serde::Serialize;
use tonic::transport::Channel;

use super::{
    client,
    escape::clean,
    failure::Failure,
    output::{self, Output},
    runtime, settings,
    view::{ChallengeView, FreshnessView, difficulty},
};
use crate::{
    config::{ClientConfig, EnvVars},
    domain::PageSize,
    pb::catalog::v1::{
        Difficulty, ListChallengesRequest, ListChallengesResponse,
        challenges_catalog_client::ChallengesCatalogClient,
    },
};

/// What was asked for: one page, or all of them as if they were one.
#[derive(Debug, Serialize)]
struct ListView {
    challenges: Vec<ChallengeView>,
    total_count: i32,
    difficulty_filter: &'static str,
    next_page_token: String,
    etag: String,
    cached: bool,
    cache_expire_time: Option<String>,
    freshness: Option<FreshnessView>,
}

/// Lists the challenges of a running server.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let view = runtime::command()?.block_on(async {
        let mut catalog = ChallengesCatalogClient::new(client::connect(&config).await?);
        let (request, all) = request(matches);
        ask(&config, &mut catalog, request, all).await
    })?;
    show(output, environment, &view)
}

fn request(matches: &ArgMatches) -> (ListChallengesRequest, bool) {
    let all = matches.get_flag("all");
    let word = matches.get_one::<String>("difficulty").map(String::as_str);
    let difficulty = match word {
        Some("beginner") => Difficulty::Beginner,
        Some("intermediate") => Difficulty::Intermediate,
        Some("advanced") => Difficulty::Advanced,
        Some(_) | None => Difficulty::Unspecified,
    };
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
        ..Default::default()
    };
    (request, all)
}

async fn ask(
    config: &ClientConfig,
    catalog: &mut ChallengesCatalogClient<Channel>,
    mut request: ListChallengesRequest,
    all: bool,
) -> Result<ListView, Failure> {
    let mut view = page(config, catalog, &request).await?;
    while all && !view.next_page_token.is_empty() {
        request.page_token.clone_from(&view.next_page_token);
        let next = page(config, catalog, &request).await?;
        if next.next_page_token == request.page_token {
            return Err(Failure::failed(
                "the server gives the same page again and again",
            ));
        }
        view.challenges.extend(next.challenges);
        view.next_page_token = next.next_page_token;
        // The pages together are no older than the oldest of them, and have no etag of their own.
        view.etag.clear();
        view.cached &= next.cached;
        if let (Some(all), Some(page)) = (&mut view.freshness, &next.freshness) {
            all.join(page);
        }
    }
    Ok(view)
}

async fn page(
    config: &ClientConfig,
    catalog: &mut ChallengesCatalogClient<Channel>,
    request: &ListChallengesRequest,
) -> Result<ListView, Failure> {
    let answer = catalog
        .list_challenges(client::request(config, request.clone()))
        .await;
    answer
        .map(|answer| answer.into_inner().into())
        .map_err(|status| client::refused(&status))
}

impl From<ListChallengesResponse> for ListView {
    fn from(answer: ListChallengesResponse) -> Self {
        Self {
            difficulty_filter: difficulty(answer.difficulty_filter()),
            challenges: answer.challenges.into_iter().map(Into::into).collect(),
            total_count: answer.total_count,
            next_page_token: answer.next_page_token,
            etag: answer.etag,
            cached: answer.cached,
            cache_expire_time: answer.cache_expire_time.map(|time| time.to_string()),
            freshness: answer.freshness.map(Into::into),
        }
    }
}

fn show(output: Output, environment: &EnvVars, view: &ListView) -> Result<(), Failure> {
    let warning = view.freshness.as_ref().and_then(FreshnessView::warning);
    if let (Some(warning), false) = (warning, output.is_table()) {
        output::remark(&warning, environment);
    }
    if output.is_data() {
        return output.data(view);
    }
    let rows = view.challenges.iter().map(|challenge| {
        let points = challenge.points.to_string();
        [
            clean(&challenge.id),
            challenge.difficulty.to_owned(),
            points,
            clean(&challenge.title),
        ]
    });
    output.rows(["ID", "DIFFICULTY", "POINTS", "TITLE"], rows)?;
    if output.is_table() {
        output.text(&summary(view))
    } else {
        Ok(())
    }
}

fn summary(view: &ListView) -> String {
    let freshness = view
        .freshness
        .as_ref()
        .map(FreshnessView::summary)
        .unwrap_or_default();
    let more = if view.next_page_token.is_empty() {
        ""
    } else {
        "; --all shows the rest"
    };
    format!(
        "\n{} of {} challenges{more}\n{freshness}",
        view.challenges.len(),
        view.total_count
    )
}
