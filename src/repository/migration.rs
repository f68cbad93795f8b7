use std::{error::Error as StdError, fmt, time::Duration};

use sqlx::migrate::{MigrateError, Migrator};

use crate::domain::UnixMicros;

/// What `migrate up` did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MigrationReport {
    /// The migrations that were applied, in order; none when the schema was up to date.
    pub applied: Vec<String>,
    /// True when the table was there before the first migration, and was adopted.
    pub adopted: bool,
    /// What was left out or done beside them, in sentences.
    pub notes: Vec<String>,
}

/// One migration that this build knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationRow {
    /// Its number.
    pub version: i64,
    /// What it does, such as `create challenges`.
    pub name: String,
    /// When it was applied; `None` while it is pending.
    pub applied_at: Option<UnixMicros>,
}

/// One way in which a table is not the one that can be adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeDifference {
    /// The column, or `table`, or `primary key`.
    pub subject: String,
    /// What the service needs.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for ShapeDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subject,
            expected,
            found,
        } = self;
        write!(f, "{subject}: expected {expected}, found {found}")
    }
}

/// Why a database cannot be used or migrated. `Display` never repeats the source.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The address makes no sense; the text never repeats it.
    #[error("database address: {0}")]
    Url(String),
    /// The database does not answer; it may be starting. One that answers and lets nobody in, or a
    /// file that cannot be opened, is [`Self::Failed`]: waiting does not help.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Box<dyn StdError + Send + Sync>),
    /// The server that answers is a standby or read-only; another one may take over.
    #[error("no server of the database takes writes")]
    NotWritable(#[source] Box<dyn StdError + Send + Sync>),
    /// A pooler in between lends its sessions for one transaction each. Nothing was changed.
    #[error(
        "the database is reached through a pooler that lends each session for one transaction, and `migrate` and `verify` \
         need one of their own: give them the address of the server itself, or of a pooler in session mode; nothing was changed"
    )]
    Shared,
    /// A table of that name has another shape. Nothing was changed.
    #[error(
        "public.{table} is not a table that can be adopted; nothing was changed{}",
        lines(.differences)
    )]
    Shape {
        /// Which one, without its schema.
        table: &'static str,
        /// In what it differs; never empty.
        differences: Vec<ShapeDifference>,
    },
    /// The database keeps text in another encoding than UTF-8. Nothing was changed.
    #[error(
        "the database is in {0}, and must be in UTF8: make one with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`, and bring the tables there; nothing was changed"
    )]
    Encoding(String),
    /// The migrating role may not change the table. Nothing was changed.
    #[error(
        "public.{table} belongs to {owner}, and {role} cannot change it: migrate as {owner}; nothing was changed"
    )]
    NotOwner {
        /// Which one, without its schema.
        table: &'static str,
        /// Whose the table is.
        owner: String,
        /// Who tried.
        role: String,
    },
    /// What migrations made belongs to another role than the table of challenges does, and the role
    /// that connected may not hand it over. Nothing was changed.
    #[error(
        "{example} belongs to {owner}, and public.approach_challenges to {wanted}, whose rights our functions run with: \
         run `migrate up` once as a superuser, or give it to {wanted} with ALTER ... OWNER TO; {role} cannot; \
         nothing was changed"
    )]
    Stray {
        /// One of the objects.
        example: String,
        /// Whose it is.
        owner: String,
        /// Whose it should be.
        wanted: String,
        /// Who tried.
        role: String,
    },
    /// The owner of the table of challenges lacks a right in schema `public`. Nothing was changed.
    #[error(
        "{role} has to make {what} in schema public, and may not: GRANT CREATE ON SCHEMA public TO {role}; nothing was changed"
    )]
    MayNotCreate {
        /// The owner, or who is going to be.
        role: String,
        /// What is missing.
        what: String,
    },
    /// Migrations created the table, and it is there no more.
    #[error(
        "public.{0} is missing, though migrations made or adopted it: restore it from a backup"
    )]
    TableGone(&'static str),
    /// Another process has been migrating for too long.
    #[error("another process has been migrating this database for {0:?}")]
    Locked(Duration),
    /// Other programs held the table each time; what was not applied can be tried again.
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
    Behind {
        /// The newest migration applied; 0 for none.
        applied: i64,
        /// The newest migration of this build.
        needed: i64,
    },
    /// Something else went wrong.
    #[error("{doing} failed")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl MigrationError {
    /// The failure of a statement while `doing` something.
    pub(super) fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| {
            if super::fault::is_away(&error) {
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

/// The failure of a whole migration.
pub(super) fn failure(error: MigrateError) -> MigrationError {
    if let MigrateError::VersionMismatch(version) = error {
        return MigrationError::Modified(version);
    }
    if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
        return MigrationError::failed("migrating")(error);
    }
    MigrationError::Failed {
        doing: "migrating",
        source: error.into(),
    }
}

fn lines(differences: &[ShapeDifference]) -> String {
    differences.iter().fold(String::new(), |text, difference| {
        text + "\n  " + &difference.to_string()
    })
}

/// A migration that a database has seen.
#[derive(sqlx::FromRow)]
pub(super) struct Applied {
    pub(super) version: i64,
    pub(super) applied_at: i64,
}

/// The migrations of this build, with those of `applied` marked.
pub(super) fn status(migrator: &Migrator, applied: &[Applied]) -> Vec<MigrationRow> {
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

/// The names of the migrations that `after` has and `before` has not.
pub(super) fn newly_applied(before: &[MigrationRow], after: &[MigrationRow]) -> Vec<String> {
    before
        .iter()
        .zip(after)
        .filter(|(before, after)| before.applied_at.is_none() && after.applied_at.is_some())
        .map(|(_, row)| format!("{:04} {}", row.version, row.name))
        .collect()
}

/// Whether nothing of this build is pending.
pub(super) fn up_to_date(rows: &[MigrationRow]) -> Result<(), MigrationError> {
    if rows.iter().all(|row| row.applied_at.is_some()) {
        return Ok(());
    }
    let applied = rows.iter().take_while(|row| row.applied_at.is_some());
    Err(MigrationError::Behind {
        applied: applied.last().map_or(0, |row| row.version),
        needed: rows.last().map_or(0, |row| row.version),
    })
}
