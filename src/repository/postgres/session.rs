//! Sets up sessions on a server, and detects whether a pooler in transaction mode is in between.
//!
//! Such a pooler may give each transaction another session of the server. Then nothing is set or prepared on a
//! session beyond one transaction, and nothing listens on it.
use sqlx::{Connection, FromRow, PgConnection, Row};
use tokio::time::{Duration, Instant, timeout};

use super::{
    server_address::Server,
    server_error::{ServerError, ServerState},
};

/// How often two connections are compared before the service decides that no transaction pooler is between.
const COMPARISONS: u32 = 2;
/// How long the second connection may take: a pooler may have no second session.
const COMPARE_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection; `is_shared`: a pooler may give each transaction another session.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    /// A pooler may give each transaction another session.
    pub(super) is_shared: bool,
}

/// When a connection was opened, and when its server last answered on it.
#[derive(Clone, Copy)]
pub(super) struct ConnectionTimes {
    pub(super) opened_at: Instant,
    pub(super) heard_at: Instant,
}

impl ConnectionTimes {
    pub(super) fn now() -> Self {
        let now = Instant::now();
        Self {
            opened_at: now,
            heard_at: now,
        }
    }
}

/// Opens a session on a server that accepts writes, with a time limit for its statements.
pub(super) async fn open(
    server: &Server,
    statement_timeout: Duration,
) -> Result<Session, ServerError> {
    let opening = async {
        let mut session = connect(server).await?;
        let connection = &mut session.connection;
        let state = if session.is_shared {
            ServerState::read(connection).await?
        } else {
            set_up(connection, statement_timeout).await?
        };
        Ok((session, state))
    };
    match timeout(server.connect_timeout, opening).await {
        Ok(Ok((session, state))) => match state.problem(&server.name) {
            None => Ok(session),
            Some(problem) => Err(problem),
        },
        Ok(Err(error)) => Err(ServerError::of_connecting(&server.name, &error)),
        Err(_) => Err(ServerError::Silent(
            server.name.clone(),
            server.connect_timeout,
        )),
    }
}

/// Connects without setting anything, and detects a pooler on the first connection to a server.
pub(super) async fn connect(server: &Server) -> Result<Session, sqlx::Error> {
    let options = server.options();
    let connecting = PgConnection::connect_with(&options);
    if let Some(is_shared) = server.is_shared.get().copied() {
        let connection = connecting.await?;
        return Ok(Session {
            connection,
            is_shared,
        });
    }
    let second = timeout(COMPARE_TIMEOUT, PgConnection::connect_with(&options));
    let (first, second) = tokio::join!(connecting, second);
    let mut connection = first?;
    let compared = match second {
        Ok(Ok(second)) => share_backend(&mut connection, second).await?,
        Ok(Err(_)) | Err(_) => None,
    };
    // Without a result the session counts as its own, and the next connection is compared again.
    let is_shared = compared.unwrap_or(false);
    if compared.is_some_and(|compared| server.is_shared.set(compared).is_ok()) && is_shared {
        tracing::info!(
            component = "database",
            server = %server.name,
            "a pooler in transaction mode is in between: statements are prepared anew in each transaction, \
             and changes are found by polling alone"
        );
    }
    Ok(Session {
        connection,
        is_shared,
    })
}

/// Sets what the session needs, and reads the server's state in the same round trip.
async fn set_up(
    connection: &mut PgConnection,
    statement_timeout: Duration,
) -> Result<ServerState, sqlx::Error> {
    // Not startup parameters: poolers refuse those. A role's default isolation may be SERIALIZABLE, where a
    // statement does not see what was committed after the first one.
    let set = "SELECT
            set_config('statement_timeout', $1, false),
            set_config('default_transaction_isolation', 'read committed', false),
            pg_is_in_recovery() AS in_recovery,
            current_setting('default_transaction_read_only') = 'on' AS is_read_only";
    let row = sqlx::query(set)
        .bind(milliseconds(statement_timeout))
        .fetch_one(connection)
        .await?;
    ServerState::from_row(&row)
}

/// A time limit as a PostgreSQL setting; zero means none.
pub(super) fn milliseconds(limit: Duration) -> String {
    format!("{}ms", limit.as_millis())
}

/// Whether two connections that are open at the same time use one backend, or one of them changes its backend:
/// then a pooler gives each transaction a session. `None` when the second one gets no answer.
async fn share_backend(
    first: &mut PgConnection,
    mut second: PgConnection,
) -> Result<Option<bool>, sqlx::Error> {
    let mut before = None;
    for _ in 0..COMPARISONS {
        let one = backend(first).await?;
        let Ok(other) = timeout(COMPARE_TIMEOUT, backend(&mut second)).await else {
            // A pooler may have no second session, or none at the moment.
            return Ok(None);
        };
        let now = (one, other?);
        if now.0 == now.1 || before.is_some_and(|before| before != now) {
            return Ok(Some(true));
        }
        before = Some(now);
    }
    second.close().await.ok();
    Ok(Some(false))
}

/// The process of the server that answers, and when it started, because process ids are reused.
async fn backend(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    // Not prepared: the statement could be prepared in one backend and run in another.
    let row = sqlx::raw_sql(include_str!("sql/backend.sql"))
        .fetch_one(connection)
        .await?;
    row.try_get("backend")
}
