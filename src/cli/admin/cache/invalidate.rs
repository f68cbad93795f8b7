//! The command `admin cache invalidate`: calls `InvalidateCache` and prints the receipt.
use clap::ArgMatches;

use crate::{
    cli::{
        client, confirm,
        escape::clean,
        failure::Failure,
        humanize::time,
        id,
        json::json,
        output::{Color, Output},
        settings,
    },
    config::EnvVars,
    domain::Tag,
    pb::admin::v1::{
        ChallengeIds, InvalidateCacheRequest, InvalidateCacheResponse, InvalidationWait,
        cache_admin_client::CacheAdminClient, invalidate_cache_request::Target,
    },
};

/// Invalidates cached entries, and prints the receipt.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let request = request(matches, id::all_whole(&config, matches)?);
    if is_everything(&request) && !request.validate_only && !matches.get_flag("yes") {
        let what = "This declares every copy of every replica out of date.";
        let otherwise = "--validate-only counts what it would hit";
        confirm::confirm(what, otherwise)?;
    }
    let receipt = client::call(&config, async |channel| {
        let request = client::request(&config, request.clone());
        CacheAdminClient::new(channel)
            .invalidate_cache(request)
            .await
    })?;
    show(output, &request, &receipt)
}

fn request(matches: &ArgMatches, ids: Vec<String>) -> InvalidateCacheRequest {
    let target = match matches.get_one::<String>("tag") {
        Some(tag) => Target::Tag(tag.clone()),
        None if ids.is_empty() => Target::All(matches.get_flag("all")),
        None => Target::Challenges(ChallengeIds { ids }),
    };
    let wait = if matches.get_flag("no-wait") {
        InvalidationWait::None
    } else {
        InvalidationWait::Unspecified
    };
    InvalidateCacheRequest {
        target: Some(target),
        hard: matches.get_flag("hard"),
        validate_only: matches.get_flag("validate-only"),
        wait: wait.into(),
    }
}

fn is_everything(request: &InvalidateCacheRequest) -> bool {
    match &request.target {
        Some(Target::All(all)) => *all,
        Some(Target::Tag(tag)) => tag.parse() == Ok(Tag::Everything),
        Some(Target::Challenges(_)) | None => false,
    }
}

fn show(
    output: Output,
    request: &InvalidateCacheRequest,
    receipt: &InvalidateCacheResponse,
) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(&json(receipt)?);
    }
    let names = |names: &[String]| clean(&names.join(", "));
    let mut rows = vec![
        ("tags", names(&receipt.tags)),
        ("entries", receipt.entries_dropped.to_string()),
        ("took", time(receipt.took.as_ref())),
    ];
    if !request.validate_only {
        rows.insert(0, ("version", clean(&receipt.version)));
    }
    if !request.validate_only && request.wait() != InvalidationWait::None {
        rows.push(("acknowledged", names(&receipt.acknowledged)));
    }
    for (name, replicas) in [("fenced", &receipt.fenced), ("unproven", &receipt.unproven)] {
        if !replicas.is_empty() {
            rows.push((name, output.paint(Color::Yellow, &names(replicas))));
        }
    }
    if !receipt.edges_proven.is_empty() {
        rows.push(("edges_proven", names(&receipt.edges_proven)));
    }
    for edge in &receipt.edges_unproven {
        rows.push(("edges_unproven", output.paint(Color::Yellow, &clean(edge))));
    }
    output.pairs(["FIELD", "VALUE"], rows)?;
    if output.is_table() {
        output.text(&format!("\n{}", verdict(request, receipt)))?;
        if !receipt.edges_unproven.is_empty() {
            output.text(
                "not proven at the edge: an edge cache that is unproven may still serve copies from before, until it is purged or \
                 they expire",
            )?;
        }
    }
    Ok(())
}

/// What the receipt means.
fn verdict(request: &InvalidateCacheRequest, receipt: &InvalidateCacheResponse) -> String {
    if request.validate_only {
        return "nothing was changed: so many entries of the server that answered would be hit"
            .to_owned();
    }
    if request.wait() == InvalidationWait::None {
        return "committed; who reads with this version as min_version gets nothing older"
            .to_owned();
    }
    if !receipt.unproven.is_empty() {
        return "not proven for all: those that are unproven may still follow the database server of before \
                a failover"
            .to_owned();
    }
    if receipt.fenced.is_empty() {
        return "proven: no replica calls a copy from before fresh".to_owned();
    }
    "proven: those that are fenced did not answer, and can call no copy from before fresh any more"
        .to_owned()
}
