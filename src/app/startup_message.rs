//! What the server logs at its start, or prints in a terminal.
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::{error::Error, listeners::Listeners};
use crate::{
    config::{AccessConfig, ClientAuth, Config, ProviderConfig},
    domain::PromptBook,
    llm::BundledPrompts,
};

/// A server that is ready to serve.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The address for callers.
    pub grpc: SocketAddr,
    /// The address for operators and editors, if they have their own.
    pub admin: Option<SocketAddr>,
    /// The address of HTTP and JSON, if they are served.
    pub http: Option<SocketAddr>,
    /// The address where health alone is served, if there is one.
    pub health: Option<SocketAddr>,
    /// The address of the operator pages, if it serves any.
    pub ops: Option<SocketAddr>,
    /// What calls need.
    pub needs: CallNeeds,
    /// The version of the prompts: a hash of their texts.
    pub prompts: String,
    /// The personas that tips are written as; the first is the default.
    pub personas: Vec<String>,
}

/// What calls need beside an address.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallNeeds {
    /// They go over TLS.
    pub tls: bool,
    /// They need a certificate of the caller.
    pub certificate: bool,
    /// They need a token, unless the access file lets the caller in for another reason.
    pub token: bool,
}

impl CallNeeds {
    fn of(config: &AccessConfig) -> Self {
        let certificate = match config.tls_client_auth {
            ClientAuth::Required => true,
            ClientAuth::None | ClientAuth::Request => false,
        };
        Self {
            tls: config.tls_cert.is_some(),
            certificate,
            token: config.access_file.is_some() && !certificate,
        }
    }
}

/// Prints that the server is ready, in place of log lines.
pub type Greet = Box<dyn FnOnce(&Listening) + Send>;

impl Listening {
    pub(super) fn at(listeners: &Listeners, config: &AccessConfig) -> Result<Self, Error> {
        let address = |listener: &Option<TcpListener>| {
            let address = listener.as_ref().map(TcpListener::local_addr);
            address.transpose()
        };
        let book = BundledPrompts::load()?;
        let personas = book.personas().iter().map(ToString::to_string);
        Ok(Self {
            grpc: listeners.grpc.local_addr()?,
            admin: address(&listeners.admin)?,
            http: address(&listeners.http)?,
            health: address(&listeners.health)?,
            ops: address(&listeners.ops)?,
            needs: CallNeeds::of(config),
            prompts: book.prompt_version().to_owned(),
            personas: personas.collect(),
        })
    }

    /// The flags with which commands on this machine call the listener on `addr`. Names in capitals stand for files
    /// that only the caller knows.
    #[must_use]
    pub fn flags(&self, addr: SocketAddr) -> String {
        let addr = if addr.ip().is_unspecified() {
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), addr.port())
        } else {
            addr
        };
        let CallNeeds {
            tls,
            certificate,
            token,
        } = self.needs;
        let mut flags = if tls {
            format!("--addr https://{addr} --tls-ca CA_FILE")
        } else {
            format!("--addr {addr}")
        };
        for (is_needed, more) in [
            (
                certificate,
                " --client-cert CERT_FILE --client-key KEY_FILE",
            ),
            (token, " --token-file TOKEN_FILE"),
        ] {
            flags.push_str(if is_needed { more } else { "" });
        }
        flags
    }

    /// Logs the addresses, and how to stop and to inspect the server.
    pub(super) fn log(&self) {
        let Self {
            grpc,
            admin,
            http,
            health,
            ops,
            needs: _,
            prompts,
            personas,
        } = self;
        let flags = self.flags(admin.unwrap_or(*grpc));
        tracing::info!(
            addr = %grpc,
            admin_addr = admin.map(tracing::field::display),
            http_addr = http.map(tracing::field::display),
            health_addr = health.map(tracing::field::display),
            ops_addr = ops.map(tracing::field::display),
            prompts,
            personas = personas.join(","),
            stop = "SIGTERM, SIGINT or SIGQUIT; calls are finished first",
            next = format!("challenges-catalog admin cache status {flags}"),
            "serving"
        );
    }
}

/// Logs the main settings, without secrets.
pub(super) fn log_settings(config: &Config) {
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
