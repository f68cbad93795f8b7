use std::net::SocketAddr;

use super::view::Error;
use crate::{
    config::{Config, ProviderConfig},
    domain::PromptBook,
    llm::BundledPrompts,
};

/// A server that has begun to serve.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Where callers reach it.
    pub grpc: SocketAddr,
    /// Where operators reach its pages, if it has any.
    pub ops: Option<SocketAddr>,
    /// Which prompts are in force, by the hash of their wording.
    pub prompts: String,
    /// The personas that tips are written in; the first is the default.
    pub personas: Vec<String>,
}

/// Tells people that a server listens, in place of lines of the log.
pub type Greet = Box<dyn FnOnce(&Listening) + Send>;

impl Listening {
    pub(super) fn at(grpc: SocketAddr, ops: Option<SocketAddr>) -> Result<Self, Error> {
        let book = BundledPrompts::load()?;
        let personas = book.personas().iter().map(ToString::to_string);
        Ok(Self {
            grpc,
            ops,
            prompts: book.prompt_version().to_owned(),
            personas: personas.collect(),
        })
    }

    /// Says where it serves, and how to go on.
    pub(super) fn log(&self) {
        let Self {
            grpc,
            ops,
            prompts,
            personas,
        } = self;
        tracing::info!(
            addr = %grpc,
            ops_addr = ops.map(tracing::field::display),
            prompts,
            personas = personas.join(","),
            stop = "SIGTERM, SIGINT or SIGQUIT; calls are finished first",
            next = format!("challenges-catalog admin cache status --addr {grpc}"),
            "serving"
        );
    }
}

/// Says what starts, and what with; no secrets.
pub(super) fn introduce(config: &Config) {
    let providers = &config.providers;
    let provider =
        |provider: &ProviderConfig| format!("{} at {}", provider.model, provider.base_url);
    let anthropic = providers.anthropic.as_ref().map(provider);
    let openai = providers.openai.as_ref().map(provider);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database = %config.database.url,
        redis = config.redis.url.as_ref().map(tracing::field::display),
        anthropic,
        openai,
        environment = config.controls.environment.as_ref().map(tracing::field::display),
        "starting"
    );
}
