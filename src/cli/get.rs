//! `get ID`.
use clap::ArgMatches;
use serde::Serialize;

use super::{
    client,
    escape::clean,
    failure::Failure,
    id,
    output::{self, Output},
    runtime, settings,
    view::{ChallengeView, FreshnessView},
};
use crate::{
    config::EnvVars,
    pb::catalog::v1::{
        GetChallengeRequest, GetChallengeResponse,
        challenges_catalog_client::ChallengesCatalogClient,
    },
};

/// One challenge, and how fresh it is.
#[derive(Debug, Serialize)]
struct GetView {
    challenge: ChallengeView,
    etag: String,
    cached: bool,
    cache_expire_time: Option<String>,
    freshness: Option<FreshnessView>,
}

/// Shows one challenge of a running server.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let request = GetChallengeRequest {
        id: id::whole(&config, matches)?,
        ..Default::default()
    };
    let answer = runtime::command()?.block_on(async {
        let mut catalog = ChallengesCatalogClient::new(client::connect(&config).await?);
        let answer = catalog
            .get_challenge(client::request(&config, request))
            .await;
        answer.map_err(|status| client::refused(&status))
    })?;
    show(output, environment, answer.into_inner().try_into()?)
}

impl TryFrom<GetChallengeResponse> for GetView {
    type Error = Failure;

    fn try_from(answer: GetChallengeResponse) -> Result<Self, Failure> {
        let missing = || Failure::failed("the answer holds no challenge");
        Ok(Self {
            challenge: answer.challenge.ok_or_else(missing)?.into(),
            etag: answer.etag,
            cached: answer.cached,
            cache_expire_time: answer.cache_expire_time.map(|time| time.to_string()),
            freshness: answer.freshness.map(Into::into),
        })
    }
}

fn show(output: Output, environment: &EnvVars, view: GetView) -> Result<(), Failure> {
    let warning = view.freshness.as_ref().and_then(FreshnessView::warning);
    if let (Some(warning), false) = (warning, output.is_table()) {
        output::remark(&warning, environment);
    }
    if output.is_data() {
        return output.data(&view);
    }
    let challenge = view.challenge;
    let rows = [
        ("id", Some(challenge.id)),
        ("difficulty", Some(challenge.difficulty.to_owned())),
        ("points", Some(challenge.points.to_string())),
        ("title", Some(challenge.title)),
        ("description", Some(challenge.description)),
        ("tips", challenge.tips),
        ("create_time", challenge.create_time),
        ("update_time", challenge.update_time),
        ("etag", Some(view.etag)),
    ];
    let rows = rows
        .into_iter()
        .filter_map(|(name, value)| Some([name.to_owned(), clean(&value?)]));
    output.whole_rows(["FIELD", "VALUE"], rows)?;
    match view.freshness {
        Some(freshness) if output.is_table() => output.text(&format!("\n{}", freshness.summary())),
        Some(_) | None => Ok(()),
    }
}
