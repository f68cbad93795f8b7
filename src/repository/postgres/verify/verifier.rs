//! Runs all checks on one connection. A check is a statement of its own; what it finds goes into the report and does not
//! fail the command.
use std::time::Duration;

use sqlx::{FromRow, PgConnection, postgres::PgRow};

use crate::repository::{
    MigrationError, VerifyReport,
    postgres::{
        connect::{connect_to_read, set_timeout},
        schema_check,
        server_error::ServerError,
    },
};

/// How long one statement may take, so that none holds a snapshot for longer, however large the table.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The checks, the connection that they use, and their report.
pub(super) struct PostgresVerifier {
    pub(super) connection: PgConnection,
    pub(super) report: VerifyReport,
}

/// Runs all checks.
pub(in crate::repository) async fn verify(
    url: &str,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<VerifyReport, MigrationError> {
    let (mut connection, problem) = connect_to_read(url).await?;
    set_timeout(&mut connection, "statement_timeout", STATEMENT_TIMEOUT).await?;
    let mut verifier = PostgresVerifier {
        connection,
        report: VerifyReport::default(),
    };
    if let Some(problem) = problem {
        verifier.report_not_writable(&problem);
    }
    verifier.run(progress).await?;
    Ok(verifier.report.sorted())
}

#[derive(FromRow)]
struct ServerSettings {
    version: String,
    role: String,
    queue: f64,
    prepared: String,
}

impl PostgresVerifier {
    async fn run(&mut self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(), MigrationError> {
        self.check_server().await?;
        let mut rows = None;
        if self.check_table(schema_check::CHALLENGES).await? {
            self.check_reading().await?;
            self.note_writers().await?;
            rows = self.check_rows(progress).await?;
            self.check_constraints().await?;
            self.check_owners().await?;
        }
        let has_flags = self.check_table(schema_check::FLAGS).await?;
        self.check_flag_writers().await?;
        self.check_replication().await?;
        if self.check_migrations().await? {
            self.check_triggers().await?;
            self.check_grants().await?;
            if let Some(rows) = &mut rows {
                self.check_reads(rows).await?;
            }
            if has_flags {
                self.check_controls().await?;
            }
        }
        Ok(())
    }

    /// Reads the rows of a statement of `verify`.
    pub(super) async fn fetch<R>(
        &mut self,
        doing: &'static str,
        statement: &'static str,
    ) -> Result<Vec<R>, MigrationError>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        sqlx::query_as(statement)
            .fetch_all(&mut self.connection)
            .await
            .map_err(MigrationError::failed(doing))
    }

    fn report_not_writable(&mut self, problem: &ServerError) {
        let text = format!(
            "{problem}; `serve` does not use such a server and waits for one that takes writes: name the primary in \
             DATABASE_URL, or all servers as HOST:PORT,HOST:PORT"
        );
        self.report.error("server", text);
    }

    async fn check_server(&mut self) -> Result<(), MigrationError> {
        let read = "SELECT
                current_setting('server_version') AS version,
                current_user::text AS role,
                pg_notification_queue_usage() AS queue,
                current_setting('max_prepared_transactions') AS prepared";
        if let Err(error) = schema_check::check_encoding(&mut self.connection).await {
            self.report.error("database", error.to_string());
        }
        let servers: Vec<ServerSettings> =
            self.fetch("reading the server's settings", read).await?;
        let report = &mut self.report;
        for server in servers {
            report.facts.engine = format!("PostgreSQL {}", server.version);
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
        }
        Ok(())
    }
}
