//! Streaming standbys: read-only copies of a server that follow it, lag on request, and take over.
use std::{path::Path, time::Duration};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Postgres, server};
use crate::support::{
    process::{self, User},
    wait::eventually,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server and a hot standby that follows it.
pub fn primary_with_standby() -> (Postgres, Postgres) {
    let primary = server::own_server();
    let standby = primary.standby();
    (primary, standby)
}

impl Postgres {
    /// A new hot standby of this server, which may be a standby itself; one server may have several.
    pub fn standby(&self) -> Self {
        let parent = self.port().to_string();
        let copy = |programs: &Path, folder: &Path, user: Option<User>| {
            let args = [
                "-h",
                "127.0.0.1",
                "-p",
                &parent,
                "-U",
                "postgres",
                "-D",
                "data",
            ];
            let how = ["-R", "-X", "stream", "-c", "fast", "--no-sync"];
            let program = programs.join("pg_basebackup");
            server::run(&program, &[&args[..], &how[..]].concat(), folder, user);
        };
        process::on_free_port("standby", |port| Self::start(port, &[], copy))
    }

    /// True for a standby that was not promoted.
    pub async fn is_in_recovery(&self) -> bool {
        self.ask("SELECT pg_is_in_recovery()").await
    }

    /// Stops showing what the parent commits; it is received and kept for later.
    pub async fn pause_replay(&self) {
        self.run("SELECT pg_wal_replay_pause()").await;
        eventually("replay is paused", PATIENCE, || {
            self.ask("SELECT pg_get_wal_replay_pause_state() = 'paused'")
        })
        .await;
    }

    /// Ends [`Postgres::pause_replay`].
    pub async fn resume_replay(&self) {
        self.run("SELECT pg_wal_replay_resume()").await;
    }

    /// Waits until this standby shows all that `parent` committed so far.
    pub async fn catch_up_with(&self, parent: &Self) {
        // Not where the next record begins, which may be behind the header of a page that nobody has begun.
        let written: String = parent.ask("SELECT pg_current_wal_flush_lsn()::text").await;
        let look = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        eventually("the standby has caught up", PATIENCE, || self.ask(&look)).await;
    }

    /// Makes a standby a primary on a new timeline; returns when it takes writes.
    ///
    /// A replay that was paused goes on: what was received is shown. Stop the parent first to have
    /// one primary only; leave it for two histories that both go on.
    pub async fn promote(&self) {
        let done: bool = self.ask("SELECT pg_promote(true, 20)").await;
        assert!(done, "the standby is not promoted");
    }

    async fn run(&self, sql: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap_or_else(|problem| panic!("{sql}: {problem}"));
    }

    async fn ask<T>(&self, sql: &str) -> T
    where
        T: Send + Unpin + sqlx::Type<sqlx::Postgres>,
        for<'r> T: sqlx::Decode<'r, sqlx::Postgres>,
    {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut self.connect().await)
            .await
            .unwrap_or_else(|problem| panic!("{sql}: {problem}"))
    }

    async fn connect(&self) -> PgConnection {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port());
        PgConnection::connect(&url)
            .await
            .unwrap_or_else(|problem| panic!("{url}: {problem}"))
    }
}
