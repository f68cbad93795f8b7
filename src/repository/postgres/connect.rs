use std::time::Duration;

use sqlx::{ConnectOptions, PgConnection};
use tokio::time::timeout;

use super::{
    codes::is_refusal,
    servers::{Server, Servers},
    unfit::{NoServer, Unfit, connect_and_look},
};
use crate::repository::{MigrationError, fault::NoAnswer};

/// How long a command waits for its connection to one server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection outside of any pool, for a command that writes.
pub(super) async fn connect(urls: &str) -> Result<PgConnection, MigrationError> {
    connect_to_one(&Servers::parse(urls)?).await
}

/// As [`connect`], for a command that looks: when no server takes writes, the first that answers
/// will do, and why it takes none is told beside it.
pub(super) async fn connect_to_look(
    urls: &str,
) -> Result<(PgConnection, Option<Unfit>), MigrationError> {
    match Found::among(&Servers::parse(urls)?).await {
        Found::Writable(connection) => Ok((connection, None)),
        Found::Unfit(connection, unfit, _) => Ok((connection, Some(unfit))),
        Found::None(error) => Err(error),
    }
}

/// As [`connect`], to one of servers that were read before.
pub(super) async fn connect_to_one(servers: &Servers) -> Result<PgConnection, MigrationError> {
    match Found::among(servers).await {
        Found::Writable(connection) => Ok(connection),
        Found::Unfit(_, _, none) => Err(MigrationError::NotWritable(none.into())),
        Found::None(error) => Err(error),
    }
}

/// What asking one server after the other came to.
enum Found {
    Writable(PgConnection),
    Unfit(PgConnection, Unfit, NoServer),
    None(MigrationError),
}

impl Found {
    async fn among(servers: &Servers) -> Self {
        let (mut usable, mut problems, mut last) = (None, Vec::new(), None);
        for server in servers.list() {
            match open(server).await {
                Ok((connection, None)) => return Self::Writable(connection),
                Ok((connection, Some(unfit))) => {
                    problems.push(unfit.clone());
                    usable.get_or_insert((connection, unfit));
                }
                Err(error) => {
                    problems.push(Unfit::Unusable {
                        host: server.name.clone(),
                        cause: cause(&error),
                    });
                    // One that may come up is worth waiting for; one that refuses is not.
                    if !matches!(last, Some(MigrationError::Unreachable(_))) {
                        last = Some(error);
                    }
                }
            }
        }
        let none = NoServer(problems);
        match (usable, last) {
            (Some((connection, unfit)), _) => Self::Unfit(connection, unfit, none),
            (None, Some(MigrationError::Unreachable(_))) if servers.list().len() > 1 => {
                Self::None(MigrationError::Unreachable(none.into()))
            }
            (None, Some(error)) => Self::None(error),
            (None, None) => Self::None(MigrationError::Unreachable(none.into())),
        }
    }
}

async fn open(server: &Server) -> Result<(PgConnection, Option<Unfit>), MigrationError> {
    // The driver would log a migration that takes its time with all of its text.
    let options = server.options.clone().disable_statement_logging();
    let connecting = connect_and_look(&options, &server.name);
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) if is_refusal(&error) => Err(MigrationError::failed("connecting")(error)),
        Ok(Err(error)) => Err(MigrationError::Unreachable(error.into())),
        Err(_) => Err(MigrationError::Unreachable(
            NoAnswer(CONNECT_TIMEOUT).into(),
        )),
    }
}

/// What the driver said.
fn cause(error: &MigrationError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}
