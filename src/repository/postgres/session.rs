//! Sessions on a server: opened, set to what the service needs, and told whether they are its own.
//!
//! A pooler in between may lend a session for one transaction and give the next one to somebody else. Then nothing
//! is set on it and no statement is prepared on it beyond a transaction, and nobody listens on it.
use sqlx::{Connection, FromRow, PgConnection, Row};
use tokio::time::{Duration, timeout};

use super::{
    address::Server,
    unfit::{Standing, Unfit},
};

/// How often two sessions are compared, before each is believed to be one's own.
const COMPARISONS: u32 = 2;
/// How long the second session may take to be there: a pooler may have no more to lend.
const COMPARE_TIMEOUT: Duration = Duration::from_secs(3);

/// What each session of a pool is set to.
pub(super) struct SessionTerms {
    /// How long a statement may run.
    pub(super) statement_timeout: Duration,
}

impl SessionTerms {
    pub(super) fn limit(&self) -> String {
        format!("{}ms", self.statement_timeout.as_millis())
    }
}

/// A connection, and whose session it is.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    /// A pooler lends it for each transaction anew.
    pub(super) is_shared: bool,
}

impl Session {
    fn own(connection: PgConnection) -> Self {
        Self {
            connection,
            is_shared: false,
        }
    }
}

/// A session on a server that takes writes, within the time that connecting may take.
pub(super) async fn open(server: &Server, terms: &SessionTerms) -> Result<Session, Unfit> {
    let opening = async {
        let mut session = connect(server).await?;
        let standing = if session.is_shared {
            Standing::of(&mut session.connection).await?
        } else {
            set(&mut session.connection, terms.limit()).await?
        };
        Ok((session, standing))
    };
    match timeout(server.patience, opening).await {
        Ok(Ok((session, standing))) => match standing.unfit(&server.name) {
            None => Ok(session),
            Some(unfit) => Err(unfit),
        },
        Ok(Err(error)) => Err(Unfit::of(&server.name, &error)),
        Err(_) => Err(Unfit::Silent(server.name.clone(), server.patience)),
    }
}

/// A session as it comes, and whose it is.
pub(super) async fn connect(server: &Server) -> Result<Session, sqlx::Error> {
    let options = server.options();
    let connecting = PgConnection::connect_with(&options);
    let (connection, is_shared) = if let Some(known) = server.is_shared.get() {
        (connecting.await?, *known)
    } else {
        let second = timeout(COMPARE_TIMEOUT, PgConnection::connect_with(&options));
        let (first, second) = tokio::join!(connecting, second);
        let mut first = first?;
        let met = match second {
            Ok(Ok(second)) => do_meet(&mut first, second).await?,
            Ok(Err(_)) | Err(_) => None,
        };
        // Another look will be had at it.
        let Some(is_shared) = met else {
            return Ok(Session::own(first));
        };
        if server.is_shared.set(is_shared).is_ok() && is_shared {
            tracing::info!(
                component = "database",
                server = %server.name,
                "a pooler lends its sessions for one transaction each: statements are prepared anew in each, \
                 and changes are found by polling alone"
            );
        }
        (first, is_shared)
    };
    Ok(Session {
        connection,
        is_shared,
    })
}

/// Sets what the session needs, and tells what the server is.
async fn set(connection: &mut PgConnection, limit: String) -> Result<Standing, sqlx::Error> {
    // Not startup parameters: poolers in between refuse those. A role's default may be
    // SERIALIZABLE, where one statement of ours sees less than the one before it did.
    let set = "SELECT
            set_config('statement_timeout', $1, false),
            set_config('default_transaction_isolation', 'read committed', false),
            pg_is_in_recovery() AS in_recovery,
            current_setting('default_transaction_read_only') = 'on' AS is_read_only";
    let row = sqlx::query(set).bind(limit).fetch_one(connection).await?;
    Standing::from_row(&row)
}

/// Whether two connections that are open at the same time meet in one backend, or one of them finds itself in another
/// backend than before: then a pooler lends them a session for each transaction. `None` when the second gets no answer.
async fn do_meet(
    first: &mut PgConnection,
    mut second: PgConnection,
) -> Result<Option<bool>, sqlx::Error> {
    let mut before = None;
    for _ in 0..COMPARISONS {
        let one = backend(first).await?;
        let Ok(other) = timeout(COMPARE_TIMEOUT, backend(&mut second)).await else {
            // A pooler may have no second session to lend, or none for now.
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

/// Which of the server's processes answers, and since when it runs: its number may be given again.
async fn backend(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    // As text, without preparing it: that could be done in one backend, and used in another.
    let row = sqlx::raw_sql(include_str!("sql/backend.sql"))
        .fetch_one(connection)
        .await?;
    row.try_get("backend")
}
