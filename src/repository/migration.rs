//! Migrations of either engine: their status, the report of a run, and every error of one.
use std::{error::Error as StdError, time::Duration};

use sqlx::migrate::{MigrateError, Migrator};

use super::sql_error::is_unreachable;
use crate::domain::UnixMicros;

/// The result of `migrate up`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MigrationReport {
    /// The applied migrations, in order; none when the schema was up to date.
    pub applied: Vec<String>,
    /// Whether the table existed before the first migration, and was adopted.
    pub adopted: bool,
    /// What else was done or left out, in sentences.
    pub notes: Vec<String>,
}

/// One migration of this build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationRow {
    /// Its number.
    pub version: i64,
    /// What it does, such as `create challenges`.
    pub name: String,
    /// When it was applied; `None` while it is pending.
    pub applied_at: Option<UnixMicros>,
}

/// A difference between a table and the one that the service needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{subject}: expected {expected}, found {found}")]
pub struct TableDifference {
    /// The column, or `table`, or `primary key`.
    pub subject: String,
    /// What the service needs.
    pub expected: String,
    /// What the database has.
    pub found: String,
}

/// Why a database cannot be used or migrated. `Display` never repeats the source.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The address is invalid; the text never repeats it.
    #[error("database address: {0}")]
    Url(String),
    /// The database does not answer; it may be starting. A server that refuses the login, or a file that cannot
    /// be opened, is [`Self::Failed`]: waiting does not help.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Box<dyn StdError + Send + Sync>),
    /// The server that answers is a standby or read-only; another one may take over.
    #[error("no server of the database takes writes")]
    NotWritable(#[source] Box<dyn StdError + Send + Sync>),
    /// The database is behind a pooler in transaction mode. Nothing was changed.
    #[error(
        "the database is reached through a pooler that lends each session for one transaction, and `migrate` and `verify` \
         need one of their own: give them the address of the server itself, or of a pooler in session mode; nothing was changed"
    )]
    TransactionPooling,
    /// The table exists and differs from the one that the service needs. Nothing was changed.
    #[error(
        "public.{table} is not a table that can be adopted; nothing was changed{}",
        lines(.differences)
    )]
    TableMismatch {
        /// The table, without its schema.
        table: &'static str,
        /// Never empty.
        differences: Vec<TableDifference>,
    },
    /// The database stores text in another encoding than UTF-8. Nothing was changed.
    #[error(
        "the database is in {0}, and must be in UTF8: make one with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`, and bring the tables there; nothing was changed"
    )]
    Encoding(String),
    /// The migrating role may not change the table. Nothing was changed.
    #[error(
        "public.{table} belongs to {owner}, and {role} cannot change it: migrate as {owner}; nothing was changed"
    )]
    NotOwner {
        /// The table, without its schema.
        table: &'static str,
        /// The role that owns it.
        owner: String,
        /// The role that connected.
        role: String,
    },
    /// An object that migrations created does not belong to the owner of the challenges table, and the role that
    /// connected may not transfer it. Nothing was changed.
    #[error(
        "{example} belongs to {owner}, and public.approach_challenges to {wanted}, whose rights our functions run with: \
         run `migrate up` once as a superuser, or give it to {wanted} with ALTER ... OWNER TO; {role} cannot; \
         nothing was changed"
    )]
    WrongOwner {
        /// One of the objects.
        example: String,
        /// The role that owns it.
        owner: String,
        /// The role that should own it.
        wanted: String,
        /// The role that connected.
        role: String,
    },
    /// The owner of the challenges table lacks a right in schema `public`. Nothing was changed.
    #[error(
        "{role} has to make {what} in schema public, and may not: GRANT CREATE ON SCHEMA public TO {role}; nothing was changed"
    )]
    MayNotCreate {
        /// The owner, or the role that will be.
        role: String,
        /// What the role has to create.
        what: String,
    },
    /// Migrations created or adopted the table, and it no longer exists.
    #[error(
        "public.{0} is missing, though migrations made or adopted it: restore it from a backup"
    )]
    TableMissing(&'static str),
    /// Another process has been migrating for too long.
    #[error("another process has been migrating this database for {0:?}")]
    Locked(Duration),
    /// Other programs locked the table at each attempt; running it again continues.
    #[error(
        "a table that others use was locked by them at each of {0} attempts; try again when it is less busy"
    )]
    Busy(u32),
    /// A migration was applied with another text than this build has.
    #[error("migration {0} was applied with another text than this build has")]
    Modified(i64),
    /// The schema is older than this build.
    #[error(
        "the schema is at version {applied} and this build needs {needed}: run `challenges-catalog migrate up`"
    )]
    SchemaTooOld {
        /// The newest migration applied; 0 for none.
        applied: i64,
        /// The newest migration of this build.
        needed: i64,
    },
    /// Another failure.
    #[error("{doing} failed")]
    Failed {
        /// The step that failed.
        doing: &'static str,
        /// The error of the database.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl MigrationError {
    /// The failure of a statement; for `map_err`.
    pub(super) fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| {
            if is_unreachable(&error) {
                Self::Unreachable(error.into())
            } else {
                Self::Failed {
                    doing,
                    source: error.into(),
                }
            }
        }
    }
}

impl From<MigrateError> for MigrationError {
    fn from(error: MigrateError) -> Self {
        if let MigrateError::VersionMismatch(version) = error {
            return Self::Modified(version);
        }
        if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
            return Self::failed("migrating")(error);
        }
        Self::Failed {
            doing: "migrating",
            source: error.into(),
        }
    }
}

fn lines(differences: &[TableDifference]) -> String {
    differences.iter().fold(String::new(), |text, difference| {
        text + "\n  " + &difference.to_string()
    })
}

/// A row of the table of applied migrations.
#[derive(sqlx::FromRow)]
pub(super) struct AppliedMigration {
    pub(super) version: i64,
    pub(super) applied_at: i64,
}

/// Every migration of this build, with the time of those in `applied`.
pub(super) fn status(migrator: &Migrator, applied: &[AppliedMigration]) -> Vec<MigrationRow> {
    migrator
        .iter()
        .map(|migration| MigrationRow {
            version: migration.version,
            name: migration.description.clone().into_owned(),
            applied_at: applied
                .iter()
                .find(|row| row.version == migration.version)
                .map(|row| UnixMicros(row.applied_at)),
        })
        .collect()
}

/// The names of the migrations that are applied in `after` and pending in `before`.
pub(super) fn newly_applied(before: &[MigrationRow], after: &[MigrationRow]) -> Vec<String> {
    before
        .iter()
        .zip(after)
        .filter(|(before, after)| before.applied_at.is_none() && after.applied_at.is_some())
        .map(|(_, row)| format!("{:04} {}", row.version, row.name))
        .collect()
}

/// Fails if a migration of this build is pending.
pub(super) fn check_up_to_date(rows: &[MigrationRow]) -> Result<(), MigrationError> {
    if rows.iter().all(|row| row.applied_at.is_some()) {
        return Ok(());
    }
    let applied = rows.iter().take_while(|row| row.applied_at.is_some());
    Err(MigrationError::SchemaTooOld {
        applied: applied.last().map_or(0, |row| row.version),
        needed: rows.last().map_or(0, |row| row.version),
    })
}
