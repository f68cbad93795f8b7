//! The commands `create`, `update`, `delete` and `revert`: each edits one challenge.
use clap::ArgMatches;
use prost_types::FieldMask;
use tonic::{Code, Request, Response, Status, transport::Channel};

use super::args::EditOptions;
use crate::{
    cli::{
        args::text, challenge, client, confirm, escape::clean, failure::Failure, id, json::json,
        output::Output, runtime,
    },
    config::EnvVars,
    pb::{
        admin::v1::{self as pb, challenges_admin_client::ChallengesAdminClient},
        catalog::v1::{GetChallengeRequest, challenges_catalog_client::ChallengesCatalogClient},
    },
};

type Client = ChallengesAdminClient<Channel>;

/// `create`.
pub(super) fn create(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let terms = EditOptions::of(matches, environment)?;
    let message = pb::CreateChallengeRequest {
        challenge: Some(challenge::typed(
            matches,
            id::whole(&terms.config, matches)?,
        )),
        request_id: terms.request_id.clone(),
        validate_only: terms.validate_only,
    };
    let answer = asked(&terms, message, Client::create_challenge)?;
    show(matches, environment, answer.challenge, &answer.version)
}

/// `update`.
pub(super) fn update(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let terms = EditOptions::of(matches, environment)?;
    let message = pb::UpdateChallengeRequest {
        challenge: Some(challenge::typed(
            matches,
            id::whole(&terms.config, matches)?,
        )),
        update_mask: Some(FieldMask {
            paths: challenge::given_fields(matches),
        }),
        etag: text(matches, "etag"),
        request_id: terms.request_id.clone(),
        validate_only: terms.validate_only,
    };
    let answer = asked(&terms, message, Client::update_challenge)?;
    show(matches, environment, answer.challenge, &answer.version)
}

/// `revert`.
pub(super) fn revert(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let terms = EditOptions::of(matches, environment)?;
    let message = pb::RevertChallengeRequest {
        id: id::whole(&terms.config, matches)?,
        revision: matches.get_one::<i64>("revision").copied().unwrap_or(0),
        etag: text(matches, "etag"),
        request_id: terms.request_id.clone(),
        validate_only: terms.validate_only,
    };
    let answer = asked(&terms, message, Client::revert_challenge)?;
    show(matches, environment, answer.challenge, &answer.version)
}

/// `delete`: without `--yes` it shows the challenge, asks, and deletes it only if it is still as shown.
pub(super) fn delete(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let terms = EditOptions::of(matches, environment)?;
    let id = id::whole(&terms.config, matches)?;
    let mut etag = text(matches, "etag");
    let is_sure = matches.get_flag("yes") || terms.validate_only;
    if !is_sure {
        let (title, seen) = title_and_etag(&terms, &id)?;
        let what = format!("This deletes {title:?} ({id}).");
        confirm::confirm(&what, "--validate-only checks whether it could be deleted")?;
        if etag.is_empty() {
            etag = seen;
        }
    }
    let message = pb::DeleteChallengeRequest {
        id: id.clone(),
        etag,
        request_id: terms.request_id.clone(),
        validate_only: terms.validate_only,
    };
    let answer = asked(&terms, message, Client::delete_challenge)?;
    if output.is_data() {
        return output.data(&serde_json::json!({ "id": id, "version": answer.version }));
    }
    output.text(&match answer.version.as_str() {
        "" => format!("{id} could be deleted; nothing was changed"),
        version => format!("deleted {id}; version {}", clean(version)),
    })
}

/// The title and the etag of what is to be deleted.
fn title_and_etag(terms: &EditOptions, id: &str) -> Result<(String, String), Failure> {
    let request = GetChallengeRequest {
        id: id.to_owned(),
        ..Default::default()
    };
    let answer = client::call(&terms.config, async |channel| {
        let request = terms.quick_request(request);
        ChallengesCatalogClient::new(channel)
            .get_challenge(request)
            .await
    })?;
    let title = answer.challenge.map(|challenge| clean(&challenge.title));
    Ok((title.unwrap_or_default(), answer.etag))
}

/// Connects and asks.
fn asked<M, T>(
    terms: &EditOptions,
    message: M,
    method: impl AsyncFnOnce(&mut Client, Request<M>) -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    let answer = runtime::command()?.block_on(async {
        let mut client = ChallengesAdminClient::new(client::connect(&terms.config).await?);
        let answer = method(&mut client, terms.quick_request(message)).await;
        answer.map_err(|status| refused(terms, &status))
    })?;
    Ok(answer.into_inner())
}

/// What the server answered instead, and how to make the edit again where it may have been made.
pub(super) fn refused(terms: &EditOptions, status: &Status) -> Failure {
    let failure = client::refused(status);
    let may_be_done = matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
    );
    if terms.validate_only || !may_be_done {
        return failure;
    }
    let id = &terms.request_id;
    failure.with_line(format!(
        "the same command with --request-id {id} makes the edit if it was not made, and once only"
    ))
}

fn show(
    matches: &ArgMatches,
    environment: &EnvVars,
    challenge: Option<pb::EditedChallenge>,
    version: &str,
) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let version = version.to_owned();
    let answer = pb::CreateChallengeResponse { challenge, version };
    if output.is_data() {
        return output.data(&json(&answer)?);
    }
    let rows = answer.challenge.into_iter().flat_map(challenge::rows);
    output.pairs(["FIELD", "VALUE"], rows)?;
    match answer.version.as_str() {
        _ if !output.is_table() => Ok(()),
        "" => output.text("\nnothing was changed: this is what it would be"),
        version => output.text(&format!("\nversion {}", clean(version))),
    }
}
