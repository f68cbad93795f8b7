use sqlx::PgConnection;
use tokio::time::timeout;

use super::{
    address::{self, Server},
    codes::is_refusal,
    session::{self, Session},
    unfit::{NoServer, Standing, Unfit},
};
use crate::repository::MigrationError;

/// One connection outside of any pool, for a command that writes. Its session is its own.
pub(super) async fn connect(urls: &str) -> Result<PgConnection, MigrationError> {
    match Found::among(&address::parse(urls)?).await {
        Found::Writable(_, session) => own(session),
        Found::Unfit(_, _, none) => Err(MigrationError::NotWritable(none.into())),
        Found::None(error) => Err(error),
    }
}

/// As [`connect`], for a command that looks: when no server takes writes, the first that answers
/// will do, and why it takes none is told beside it.
pub(super) async fn connect_to_look(
    urls: &str,
) -> Result<(PgConnection, Option<Unfit>), MigrationError> {
    match Found::among(&address::parse(urls)?).await {
        Found::Writable(_, session) => Ok((own(session)?, None)),
        Found::Unfit(session, unfit, _) => Ok((own(session)?, Some(unfit))),
        Found::None(error) => Err(error),
    }
}

/// As [`connect`], to one of servers that were read before, and which of them it is. For a look that may share its
/// session: it is in a transaction then.
pub(super) async fn connect_to_one(
    servers: &[Server],
) -> Result<(usize, PgConnection), MigrationError> {
    match Found::among(servers).await {
        Found::Writable(place, session) => {
            let mut connection = session.connection;
            if session.is_shared {
                sqlx::raw_sql("BEGIN")
                    .execute(&mut connection)
                    .await
                    .map_err(MigrationError::failed("beginning a transaction"))?;
            }
            Ok((place, connection))
        }
        Found::Unfit(_, _, none) => Err(MigrationError::NotWritable(none.into())),
        Found::None(error) => Err(error),
    }
}

/// Refuses a session that somebody else gets after the next transaction.
fn own(session: Session) -> Result<PgConnection, MigrationError> {
    if session.is_shared {
        return Err(MigrationError::Shared);
    }
    Ok(session.connection)
}

/// What asking one server after the other came to.
enum Found {
    /// By its place in the list.
    Writable(usize, Session),
    Unfit(Session, Unfit, NoServer),
    None(MigrationError),
}

impl Found {
    async fn among(servers: &[Server]) -> Self {
        let (mut usable, mut problems, mut last) = (None, Vec::new(), None);
        for (place, server) in servers.iter().enumerate() {
            match open(server).await {
                Ok((session, None)) => return Self::Writable(place, session),
                Ok((session, Some(unfit))) => {
                    problems.push(unfit.clone());
                    usable.get_or_insert((session, unfit));
                }
                Err((unfit, error)) => {
                    problems.push(unfit);
                    // One that may come up is worth waiting for; one that refuses is not.
                    if !matches!(last, Some(MigrationError::Unreachable(_))) {
                        last = Some(error);
                    }
                }
            }
        }
        let none = NoServer(problems);
        match (usable, last) {
            (Some((session, unfit)), _) => Self::Unfit(session, unfit, none),
            (None, Some(MigrationError::Unreachable(_))) if servers.len() > 1 => {
                Self::None(MigrationError::Unreachable(none.into()))
            }
            (None, Some(error)) => Self::None(error),
            (None, None) => Self::None(MigrationError::Unreachable(none.into())),
        }
    }
}

async fn open(server: &Server) -> Result<(Session, Option<Unfit>), (Unfit, MigrationError)> {
    let connecting = async {
        let mut session = session::connect(server).await?;
        let standing = Standing::of(&mut session.connection).await?;
        Ok((session, standing.unfit(&server.name)))
    };
    let unfit = match timeout(server.patience, connecting).await {
        Ok(Ok(found)) => return Ok(found),
        Ok(Err(error)) if is_refusal(&error) => {
            let unfit = Unfit::of(&server.name, &error);
            let failed = MigrationError::Failed {
                doing: "connecting",
                source: unfit.clone().into(),
            };
            return Err((unfit, failed));
        }
        Ok(Err(error)) => Unfit::of(&server.name, &error),
        Err(_) => Unfit::Silent(server.name.clone(), server.patience),
    };
    Err((unfit.clone(), MigrationError::Unreachable(unfit.into())))
}
