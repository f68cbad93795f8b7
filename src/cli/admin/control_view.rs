//! What flags and settings have in common, for people and programs.
use clap::Arg;
use serde::Serialize;
use tonic::Request;

use crate::{
    cli::{
        author::{self, Author},
        client,
    },
    config::ClientConfig,
    pb::admin::v1::ValueSource,
};

/// The row behind a value, with the field names of the proto.
#[derive(Debug, Serialize)]
pub(super) struct RowView {
    pub(super) environment: String,
    pub(super) comment: String,
    pub(super) create_time: Option<String>,
    pub(super) update_time: Option<String>,
    pub(super) created_by: String,
    pub(super) updated_by: String,
    pub(super) problem: String,
    pub(super) etag: String,
}

/// Who decided a value, as programs are told: the contract's name as a plain word.
pub(super) fn token(source: ValueSource) -> &'static str {
    match source {
        ValueSource::Unspecified => "unspecified",
        ValueSource::EnvironmentRow => "environment_row",
        ValueSource::AllRow => "all_row",
        ValueSource::Settings => "settings",
        ValueSource::Default => "default",
    }
}

/// Who decided a value, for people.
pub(super) fn source(source: ValueSource) -> &'static str {
    match source {
        ValueSource::Unspecified => "unknown",
        ValueSource::EnvironmentRow => "row",
        ValueSource::AllRow => "row for all",
        ValueSource::Settings => "settings",
        ValueSource::Default => "default",
    }
}

/// The message, with the time that the caller grants and the name of who asks: it stands in the row.
pub(super) fn request<T>(config: &ClientConfig, author: &Author, message: T) -> Request<T> {
    let mut request = client::request(config, message);
    author.sign(&mut request);
    request
}

/// The arguments that every command has that changes a row.
pub(super) fn change_args() -> [Arg; 3] {
    let help = "Where the row is to count: an environment, or all; default: where it does";
    [environment_arg(help), etag_arg(), author::arg()]
}

/// `--environment`.
pub(super) fn environment_arg(help: &'static str) -> Arg {
    Arg::new("environment")
        .long("environment")
        .value_name("NAME")
        .help(help)
}

/// `--etag`.
pub(super) fn etag_arg() -> Arg {
    Arg::new("etag")
        .long("etag")
        .value_name("ETAG")
        .help("Changes nothing unless this is still its etag")
}

/// `--comment`.
pub(super) fn comment_arg() -> Arg {
    Arg::new("comment")
        .long("comment")
        .value_name("TEXT")
        .help("A remark for people, kept in the row")
}
