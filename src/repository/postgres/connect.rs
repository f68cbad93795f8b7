//! Single connections outside of any pool, for commands and for the check at the start.
use sqlx::PgConnection;
use tokio::time::{Duration, timeout};

use super::{
    error_codes::is_login_refused,
    server_address::{self, Server},
    server_error::{NoUsableServer, ServerError, ServerState},
    session::{self, Session, milliseconds},
};
use crate::repository::MigrationError;

/// Connects to a server that accepts writes, with a session of its own, for a command that writes.
pub(super) async fn connect(urls: &str) -> Result<PgConnection, MigrationError> {
    let found = FoundServer::search(&server_address::parse(urls)?).await?;
    let (_, session) = found.writable()?;
    set_up(session).await
}

/// As [`connect`], for a command that only reads: when no server accepts writes, connects to the first one that
/// answers, and returns why that one accepts none.
pub(super) async fn connect_to_read(
    urls: &str,
) -> Result<(PgConnection, Option<ServerError>), MigrationError> {
    match FoundServer::search(&server_address::parse(urls)?).await? {
        FoundServer::Writable(_, session) => Ok((set_up(session).await?, None)),
        FoundServer::NotWritable(session, problem, _) => {
            Ok((set_up(session).await?, Some(problem)))
        }
    }
}

/// Connects to one of `servers` that accepts writes; returns its index too. Behind a pooler in transaction mode the
/// connection is inside a transaction.
pub(super) async fn connect_to_one(
    servers: &[Server],
) -> Result<(usize, PgConnection), MigrationError> {
    let (index, session) = FoundServer::search(servers).await?.writable()?;
    let mut connection = session.connection;
    if session.is_shared {
        sqlx::raw_sql("BEGIN")
            .execute(&mut connection)
            .await
            .map_err(MigrationError::failed("beginning a transaction"))?;
    }
    Ok((index, connection))
}

/// Sets a session up for a command; refuses one that a pooler shares.
async fn set_up(session: Session) -> Result<PgConnection, MigrationError> {
    if session.is_shared {
        return Err(MigrationError::TransactionPooling);
    }
    let mut connection = session.connection;
    // With this path, no function or operator that others created in schema `public` replaces a built-in one.
    // Notices about what exists already are not worth a log line.
    let set = "SELECT
            set_config('search_path', 'pg_catalog, pg_temp', false),
            set_config('client_min_messages', 'warning', false)";
    sqlx::query(set)
        .execute(&mut connection)
        .await
        .map_err(MigrationError::failed("setting the search path"))?;
    Ok(connection)
}

/// Sets a time limit of this session; zero means none.
pub(super) async fn set_timeout(
    connection: &mut PgConnection,
    name: &'static str,
    limit: Duration,
) -> Result<(), MigrationError> {
    sqlx::query("SELECT set_config($1, $2, false)")
        .bind(name)
        .bind(milliseconds(limit))
        .execute(connection)
        .await
        .map_err(MigrationError::failed("setting a timeout"))?;
    Ok(())
}

/// The result of asking the servers one after the other.
enum FoundServer {
    /// The server at this index accepts writes.
    Writable(usize, Session),
    /// No server accepts writes; this is the first that answers, with the errors of all.
    NotWritable(Session, ServerError, NoUsableServer),
}

impl FoundServer {
    async fn search(servers: &[Server]) -> Result<Self, MigrationError> {
        let (mut usable, mut problems, mut last) = (None, Vec::new(), None);
        for (index, server) in servers.iter().enumerate() {
            match open(server).await {
                Ok((session, None)) => return Ok(Self::Writable(index, session)),
                Ok((session, Some(problem))) => {
                    problems.push(problem.clone());
                    usable.get_or_insert((session, problem));
                }
                Err((problem, error)) => {
                    problems.push(problem);
                    // Prefer the error of a server that may still start: waiting for that one may help.
                    if !matches!(last, Some(MigrationError::Unreachable(_))) {
                        last = Some(error);
                    }
                }
            }
        }
        let all = NoUsableServer(problems);
        match (usable, last) {
            (Some((session, problem)), _) => Ok(Self::NotWritable(session, problem, all)),
            (None, Some(MigrationError::Unreachable(_))) if servers.len() > 1 => {
                Err(MigrationError::Unreachable(all.into()))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Err(MigrationError::Unreachable(all.into())),
        }
    }

    fn writable(self) -> Result<(usize, Session), MigrationError> {
        match self {
            Self::Writable(index, session) => Ok((index, session)),
            Self::NotWritable(_, _, all) => Err(MigrationError::NotWritable(all.into())),
        }
    }
}

async fn open(
    server: &Server,
) -> Result<(Session, Option<ServerError>), (ServerError, MigrationError)> {
    let connecting = async {
        let mut session = session::connect(server).await?;
        let state = ServerState::read(&mut session.connection).await?;
        Ok((session, state.problem(&server.name)))
    };
    let problem = match timeout(server.connect_timeout, connecting).await {
        Ok(Ok(found)) => return Ok(found),
        Ok(Err(error)) if is_login_refused(&error) => {
            let problem = ServerError::of_connecting(&server.name, &error);
            let failed = MigrationError::Failed {
                doing: "connecting",
                source: problem.clone().into(),
            };
            return Err((problem, failed));
        }
        Ok(Err(error)) => ServerError::of_connecting(&server.name, &error),
        Err(_) => ServerError::Silent(server.name.clone(), server.connect_timeout),
    };
    Err((problem.clone(), MigrationError::Unreachable(problem.into())))
}
