use sqlx::PgConnection;

use super::{access, controls, reads, replication, rows, schema, triggers};
use crate::repository::{
    MigrationError, Report,
    postgres::{encoding, migrate::open_to_look, unfit::Unfit},
};

/// How long each look may take.
const STATEMENT_LIMIT: &str = "30s";

/// Everything, with one connection. Each look is a statement of its own: none is an error of the command.
pub(in crate::repository) async fn verify(
    url: &str,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<Report, MigrationError> {
    let (mut connection, unfit) = open_to_look(url).await?;
    limit(&mut connection).await?;
    let mut report = Report::default();
    if let Some(unfit) = unfit {
        takes_no_writes(&mut report, &unfit);
    }
    server(&mut report, &mut connection).await?;
    let mut seen = None;
    if schema::challenges(&mut report, &mut connection).await? {
        access::reading(&mut report, &mut connection).await?;
        access::writers(&mut report, &mut connection).await?;
        seen = rows::look(&mut report, &mut connection, tell).await?;
        schema::extras(&mut report, &mut connection).await?;
        access::owners(&mut report, &mut connection).await?;
    }
    let has_flags = schema::flags(&mut report, &mut connection).await?;
    access::flag_writers(&mut report, &mut connection).await?;
    replication::look(&mut report, &mut connection).await?;
    if schema::migrations(&mut report, &mut connection).await? {
        triggers::look(&mut report, &mut connection).await?;
        access::log(&mut report, &mut connection).await?;
        if let Some(done) = &mut seen {
            reads::look(&mut report, &mut connection, done).await?;
        }
        if has_flags {
            controls::look(&mut report, &mut connection).await?;
        }
    }
    Ok(report.sorted())
}

/// No look holds a snapshot for longer, on however large a table.
async fn limit(connection: &mut PgConnection) -> Result<(), MigrationError> {
    sqlx::query("SELECT set_config('statement_timeout', $1, false)")
        .bind(STATEMENT_LIMIT)
        .execute(connection)
        .await
        .map_err(MigrationError::failed("limiting statements"))?;
    Ok(())
}

fn takes_no_writes(report: &mut Report, unfit: &Unfit) {
    let text = format!(
        "{unfit}; `serve` uses none such and waits for one that takes writes: name the primary in \
         DATABASE_URL, or all servers as HOST:PORT,HOST:PORT"
    );
    report.error("server", text);
}

#[derive(sqlx::FromRow)]
struct Server {
    version: String,
    role: String,
    queue: f64,
    prepared: String,
}

async fn server(report: &mut Report, connection: &mut PgConnection) -> Result<(), MigrationError> {
    let look = "SELECT
            current_setting('server_version') AS version,
            current_user::text AS role,
            pg_notification_queue_usage() AS queue,
            current_setting('max_prepared_transactions') AS prepared";
    let server: Server = sqlx::query_as(look)
        .fetch_one(&mut *connection)
        .await
        .map_err(MigrationError::failed("looking at the server"))?;
    report.facts.engine = format!("PostgreSQL {}", server.version);
    if let Err(error) = encoding::check(connection).await {
        report.error("database", error.to_string());
    }
    report.facts.role = server.role;
    report.facts.notify_queue_usage = Some(server.queue);
    if server.queue >= 0.1 {
        let text = format!(
            "{:.0} % full: some session listens and never reads; from 50 % on changes are found by polling only",
            server.queue * 100.0
        );
        report.warn("notification queue", text);
    }
    if server.prepared != "0" {
        let text = format!(
            "max_prepared_transactions is {}, so commits are not announced, because NOTIFY would make a \
             two-phase commit fail: changes are found by polling only",
            server.prepared
        );
        report.note("server", text);
    }
    Ok(())
}
