//! The command `get ID`: prints one challenge.
use clap::ArgMatches;

use super::{challenge, client, failure::Failure, id, json::json, output::Output, settings, view};
use crate::{
    config::EnvVars,
    pb::catalog::v1::{GetChallengeRequest, challenges_catalog_client::ChallengesCatalogClient},
};

/// Shows one challenge of a running server.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let request = GetChallengeRequest {
        id: id::whole(&config, matches)?,
        ..Default::default()
    };
    let request = client::request(&config, request);
    let answer = client::call(&config, async |channel| {
        ChallengesCatalogClient::new(channel)
            .get_challenge(request)
            .await
    })?;
    view::warn(answer.freshness.as_ref(), output, environment);
    if output.is_data() {
        return output.data(&json(&answer)?);
    }
    let missing = || Failure::failed("the answer holds no challenge");
    let challenge = answer.challenge.ok_or_else(missing)?;
    let rows = challenge::read_rows(challenge, answer.etag);
    output.pairs(["FIELD", "VALUE"], rows)?;
    match answer.freshness {
        Some(freshness) if output.is_table() => {
            output.text(&format!("\n{}", view::summary(&freshness)))
        }
        Some(_) | None => Ok(()),
    }
}
