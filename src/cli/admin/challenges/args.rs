//! Flags that several commands of `admin challenges` have, and what they mean.
use clap::{Arg, ArgMatches};
use tonic::Request;

use crate::{
    cli::{
        args::{option, switch, text},
        author::{self, Author},
        client,
        failure::Failure,
        settings,
    },
    config::{ClientConfig, EnvVars},
    domain::RequestId,
};

/// The flags of every edit: the author, the request id, and whether it is a dry run.
pub(super) fn terms() -> [Arg; 3] {
    [
        author::arg(),
        option("request-id", "NAME")
            .value_parser(|text: &str| text.parse::<RequestId>().map(|_| text.to_owned()))
            .help("A name for this edit, which is then made once, however often it is repeated"),
        switch("validate-only", "Checks everything and changes nothing"),
    ]
}

/// `--etag`.
pub(super) fn etag() -> Arg {
    option("etag", "ETAG")
        .help("Does nothing when the challenge has another etag by now; `get` shows it")
}

/// `--yes`.
pub(super) fn yes() -> Arg {
    switch("yes", "Does not ask")
}

/// How an edit reaches the server.
pub(super) struct EditOptions {
    /// Where the server is.
    pub(super) config: ClientConfig,
    /// The edit's name: what was given, or one of its own.
    pub(super) request_id: String,
    /// Whether it is only tried.
    pub(super) validate_only: bool,
    author: Author,
}

impl EditOptions {
    /// What was typed.
    pub(super) fn of(matches: &ArgMatches, environment: &EnvVars) -> Result<Self, Failure> {
        let request_id = match text(matches, "request-id") {
            given if given.is_empty() => uuid::Uuid::new_v4().to_string(),
            given => given,
        };
        Ok(Self {
            config: settings::client(matches, environment)?,
            request_id,
            validate_only: matches.get_flag("validate-only"),
            author: Author::of(matches, environment),
        })
    }

    /// The message with the author's name.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = client::streamed(&self.config, message);
        self.author.sign(&mut request);
        request
    }

    /// The same, with the time that the caller grants.
    pub(super) fn quick_request<T>(&self, message: T) -> Request<T> {
        let mut request = self.request(message);
        request.set_timeout(self.config.timeout);
        request
    }
}
