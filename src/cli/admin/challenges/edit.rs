//! `create`, `update`, `delete` and `revert`: one challenge at a time.
use clap::ArgMatches;
use prost_types::FieldMask;
use serde_json::json;
use tonic::{Code, Status, transport::Channel};

use super::{
    args::{self, Terms},
    view::EditedView,
};
use crate::{
    cli::{client, confirm, escape::clean, failure::Failure, output::Output, runtime},
    config::EnvVars,
    pb::{
        admin::v1::{self as pb, challenges_admin_client::ChallengesAdminClient},
        catalog::v1::{
            Difficulty, GetChallengeRequest, challenges_catalog_client::ChallengesCatalogClient,
        },
    },
};

type Client = ChallengesAdminClient<Channel>;

/// `create`.
pub(super) fn create(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let terms = Terms::of(matches, environment)?;
    let message = pb::CreateChallengeRequest {
        challenge: Some(given(matches, &terms)?),
        request_id: terms.request_id.clone(),
        validate_only: terms.validate_only,
    };
    let answer = asked(&terms, async |mut client: Client| {
        client.create_challenge(terms.quick_request(message)).await
    })?;
    show(matches, environment, answer.challenge, &answer.version)
}

/// `update`.
pub(super) fn update(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let terms = Terms::of(matches, environment)?;
    let message = pb::UpdateChallengeRequest {
        challenge: Some(given(matches, &terms)?),
        update_mask: Some(FieldMask {
            paths: args::given_fields(matches),
        }),
        etag: args::text(matches, "etag"),
        request_id: terms.request_id.clone(),
        validate_only: terms.validate_only,
    };
    let answer = asked(&terms, async |mut client: Client| {
        client.update_challenge(terms.quick_request(message)).await
    })?;
    show(matches, environment, answer.challenge, &answer.version)
}

/// `revert`.
pub(super) fn revert(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let terms = Terms::of(matches, environment)?;
    let message = pb::RevertChallengeRequest {
        id: args::challenge_id(matches, &terms.config)?,
        revision: matches.get_one::<i64>("revision").copied().unwrap_or(0),
        etag: args::text(matches, "etag"),
        request_id: terms.request_id.clone(),
        validate_only: terms.validate_only,
    };
    let answer = asked(&terms, async |mut client: Client| {
        client.revert_challenge(terms.quick_request(message)).await
    })?;
    show(matches, environment, answer.challenge, &answer.version)
}

/// `delete`: whoever is asked sees what it is, and deletes that and nothing else.
pub(super) fn delete(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let terms = Terms::of(matches, environment)?;
    let id = args::challenge_id(matches, &terms.config)?;
    let mut etag = args::text(matches, "etag");
    let is_sure = matches.get_flag("yes") || terms.validate_only;
    if !is_sure {
        let (title, seen) = look(&terms, &id)?;
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
    let answer = asked(&terms, async |mut client: Client| {
        client.delete_challenge(terms.quick_request(message)).await
    })?;
    if output.is_data() {
        return output.data(&json!({ "id": id, "version": answer.version }));
    }
    output.text(&match answer.version.as_str() {
        "" => format!("{id} could be deleted; nothing was changed"),
        version => format!("deleted {id}; version {}", clean(version)),
    })
}

/// The title and the etag of what is to be deleted.
fn look(terms: &Terms, id: &str) -> Result<(String, String), Failure> {
    let request = GetChallengeRequest {
        id: id.to_owned(),
        ..Default::default()
    };
    let answer = runtime::command()?.block_on(async {
        let mut catalog = ChallengesCatalogClient::new(client::connect(&terms.config).await?);
        let answer = catalog.get_challenge(terms.quick_request(request)).await;
        answer.map_err(|status| client::refused(&status))
    })?;
    let answer = answer.into_inner();
    let title = answer.challenge.map(|challenge| clean(&challenge.title));
    Ok((title.unwrap_or_default(), answer.etag))
}

/// The fields that were typed.
fn given(matches: &ArgMatches, terms: &Terms) -> Result<pb::EditedChallenge, Failure> {
    let optional = |name| matches.get_one::<String>(name).cloned();
    let difficulty = match optional("difficulty").as_deref() {
        Some("beginner") => Difficulty::Beginner,
        Some("intermediate") => Difficulty::Intermediate,
        Some("advanced") => Difficulty::Advanced,
        Some(_) | None => Difficulty::Unspecified,
    };
    Ok(pb::EditedChallenge {
        id: args::challenge_id(matches, &terms.config)?,
        difficulty: difficulty.into(),
        title: args::text(matches, "title"),
        description: optional("description"),
        points: matches.get_one::<i32>("points").copied(),
        tips: optional("tips"),
        ..Default::default()
    })
}

/// Connects and asks.
fn asked<T>(
    terms: &Terms,
    ask: impl AsyncFnOnce(Client) -> Result<tonic::Response<T>, Status>,
) -> Result<T, Failure> {
    let answer = runtime::command()?.block_on(async {
        let client = ChallengesAdminClient::new(client::connect(&terms.config).await?);
        ask(client).await.map_err(|status| refused(terms, &status))
    })?;
    Ok(answer.into_inner())
}

/// What the server answered instead, and how to make the edit again where it may have been made.
pub(super) fn refused(terms: &Terms, status: &Status) -> Failure {
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
    let view = challenge.map(EditedView::from);
    if output.is_data() {
        return output.data(&json!({ "challenge": view, "version": version }));
    }
    let rows = view.into_iter().flat_map(EditedView::rows);
    output.whole_rows(["FIELD", "VALUE"], rows)?;
    match version {
        _ if !output.is_table() => Ok(()),
        "" => output.text("\nnothing was changed: this is what it would be"),
        version => output.text(&format!("\nversion {}", clean(version))),
    }
}
