//! A migrated database of either engine, and a way to write to it as another program would.
use std::{path::PathBuf, sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{
        ChallengeDraft, ChallengeId, Changes, Error, Invalidation, NewChallenge, ReplicaId,
        ReplicaReport, Tag, Tell, Version,
    },
    repository::{self, Datastore, Location, MigrateSettings, PoolSettings},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::postgres::{self, Database};

/// One engine's database, gone with the test.
pub struct Catalog {
    pub store: Arc<dyn Datastore>,
    place: Place,
}

enum Place {
    Postgres(Database),
    Sqlite(TempDir),
}

/// Polls for nobody in particular.
pub const ANYONE: ReplicaId = ReplicaId(Uuid::nil());
/// Copies from before may not even be served as stale ones.
pub const HARD: Invalidation = Invalidation {
    hard: true,
    awaited: false,
};

/// What a replica tells by its poll, in calls of their own.
pub trait Telling {
    async fn report(&self, report: &ReplicaReport) -> Result<(), Error>;
    async fn acknowledge(&self, replica: ReplicaId, applied: Version) -> Result<(), Error>;
}

impl Telling for dyn Datastore {
    async fn report(&self, report: &ReplicaReport) -> Result<(), Error> {
        let seq = report.applied.stamp.seq;
        let poll = self.poll(seq, report.id, Tell::Status(report));
        poll.await.map(drop)
    }

    async fn acknowledge(&self, replica: ReplicaId, applied: Version) -> Result<(), Error> {
        let poll = self.poll(applied.stamp.seq, replica, Tell::Applied(applied));
        poll.await.map(drop)
    }
}

impl Catalog {
    /// On PostgreSQL, not migrated.
    pub async fn bare_postgres() -> Self {
        let database = postgres::fresh().await;
        let store = open(Location::Postgres(&database.url()));
        Self {
            store,
            place: Place::Postgres(database),
        }
    }

    /// On SQLite, not migrated: an empty file.
    pub async fn bare_sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(file(&folder), "").unwrap();
        let store = open(Location::Sqlite(&file(&folder)));
        std::future::ready(Self {
            store,
            place: Place::Sqlite(folder),
        })
        .await
    }

    pub async fn migrated(self) -> Self {
        self.migrate().await;
        self
    }

    pub async fn migrate(&self) -> repository::MigrationReport {
        self.with_location(async |location| {
            repository::migrate_up(location, &MigrateSettings::default()).await
        })
        .await
        .unwrap()
    }

    pub async fn status(&self) -> Vec<repository::MigrationRow> {
        self.with_location(async |location| repository::migration_status(location).await)
            .await
            .unwrap()
    }

    pub async fn verify(&self) -> repository::VerifyReport {
        self.with_location(async |location| repository::verify(location, &|_, _| ()).await)
            .await
            .unwrap()
    }

    /// Runs statements as another program: of no role's rights in particular.
    pub async fn execute(&self, sql: &str) {
        let done = self.try_execute(sql).await;
        done.unwrap_or_else(|problem| panic!("{sql}: {problem}"));
    }

    /// Likewise, and gives what the database says against it.
    pub async fn try_execute(&self, sql: &str) -> Result<(), String> {
        let done = match &self.place {
            Place::Postgres(database) => {
                let mut session = session(&database.url()).await;
                let statements = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
                let done = statements.execute(&mut session).await.map(drop);
                session.close().await.unwrap();
                done
            }
            Place::Sqlite(folder) => {
                let url = format!("sqlite:{}", file(folder).display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                let statements = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
                let done = statements.execute(&mut connection).await.map(drop);
                connection.close().await.unwrap();
                done
            }
        };
        done.map_err(|problem| problem.to_string())
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Postgres(_))
    }

    /// How many rows one of the tables of tips has.
    pub async fn count_of(&self, table: &str) -> i64 {
        match &self.place {
            Place::Postgres(database) => {
                let count = format!("SELECT count(*) FROM challenges_catalog.{table}");
                database.query_i64(&count).await
            }
            Place::Sqlite(folder) => {
                let url = format!("sqlite:{}", file(folder).display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
                let count = sqlx::query_scalar(count).fetch_one(&mut connection).await;
                connection.close().await.unwrap();
                count.unwrap()
            }
        }
    }

    /// What one of our own tables is called here.
    pub fn table(&self, name: &str) -> String {
        match &self.place {
            Place::Postgres(_) => format!("challenges_catalog.{name}"),
            Place::Sqlite(_) => name.to_owned(),
        }
    }

    /// Makes every change so far one of long ago.
    pub async fn age(&self) {
        let age = match &self.place {
            Place::Postgres(_) => {
                "UPDATE challenges_catalog.commit_log SET committed_at = '2001-01-01'"
            }
            Place::Sqlite(_) => "UPDATE catalog_change SET committed_at = 0",
        };
        self.execute(age).await;
    }

    /// Makes every revision so far one of long ago.
    pub async fn age_history(&self) {
        let age = match &self.place {
            Place::Postgres(_) => {
                "SELECT challenges_catalog.number(2000);
                UPDATE challenges_catalog.edits SET committed_at = '2001-01-01'"
            }
            Place::Sqlite(_) => {
                "DROP TRIGGER challenge_revisions_update;
                UPDATE challenge_revisions SET committed_at = 0;
                CREATE TRIGGER challenge_revisions_update BEFORE UPDATE ON challenge_revisions
                BEGIN
                    SELECT RAISE(ABORT, 'challenge_revisions is append-only: UPDATE is refused');
                END"
            }
        };
        self.execute(age).await;
    }

    /// Takes all that was noted into the history, as pruning does in time.
    pub async fn keep_revisions(&self) {
        if self.is_postgres() {
            let keep = "SELECT challenges_catalog.number(2000);
                SELECT challenges_catalog.keep_revisions('18446744073709551615', NULL)";
            self.execute(keep).await;
        }
    }

    /// Makes every request so far one of long ago.
    pub async fn age_requests(&self) {
        let age = match &self.place {
            Place::Postgres(_) => {
                "UPDATE challenges_catalog.edit_requests SET asked_at = '2001-01-01'"
            }
            Place::Sqlite(_) => "UPDATE edit_requests SET asked_at = 0",
        };
        self.execute(age).await;
    }

    /// Makes every replica's last heartbeat so much older.
    pub async fn hush(&self, by: Duration) {
        let by = by.as_secs();
        let hush = match &self.place {
            Place::Postgres(_) => format!(
                "UPDATE challenges_catalog.registry SET heard_at = heard_at - interval '{by} s'"
            ),
            Place::Sqlite(_) => {
                format!("UPDATE catalog_replica SET heard_at = heard_at - {by} * 1000000")
            }
        };
        self.execute(&hush).await;
    }

    /// Makes the last time that tips were shown one of long ago.
    pub async fn age_showing(&self) {
        let age = match &self.place {
            Place::Postgres(_) => {
                "UPDATE challenges_catalog.tips_last_shown SET shown_at = '-infinity'"
            }
            Place::Sqlite(_) => "UPDATE tips_last_shown SET shown_at = 0",
        };
        self.execute(age).await;
    }

    /// The last commit that changed the catalog.
    pub async fn head(&self) -> u64 {
        self.store
            .poll(0, ANYONE, Tell::Nothing)
            .await
            .unwrap()
            .head
            .seq
    }

    /// What `work` changed, in the feed's words, sorted.
    pub async fn tags_of(&self, work: impl Future<Output = ()>) -> Vec<String> {
        let before = self.head().await;
        work.await;
        tags(
            &self
                .store
                .poll(before, ANYONE, Tell::Nothing)
                .await
                .unwrap()
                .changes,
        )
    }

    async fn with_location<T>(&self, work: impl AsyncFnOnce(Location<'_>) -> T) -> T {
        match &self.place {
            Place::Postgres(database) => work(Location::Postgres(&database.url())).await,
            Place::Sqlite(folder) => work(Location::Sqlite(&file(folder))).await,
        }
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("catalog 100%.sqlite")
}

pub fn open(location: Location<'_>) -> Arc<dyn Datastore> {
    repository::open(location, &PoolSettings::default()).unwrap()
}

/// The tags of all changes, sorted, each once; `lost` where the feed says so.
pub fn tags(changes: &Changes) -> Vec<String> {
    let Changes::All(changes) = changes else {
        return vec!["lost".to_owned()];
    };
    let mut tags: Vec<_> = changes
        .iter()
        .map(|change| change.tag.to_string())
        .collect();
    tags.sort();
    tags.dedup();
    tags
}

/// The id that ends in `number`.
pub fn id(number: u32) -> ChallengeId {
    ChallengeId::parse(&id_text(number)).unwrap()
}

pub fn id_text(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

pub fn tag(number: u32) -> String {
    Tag::Challenge(id(number)).to_string()
}

/// A challenge with id `number`.
pub fn challenge(number: u32, difficulty: &str, points: i64, title: &str) -> NewChallenge {
    let draft = ChallengeDraft {
        id: id_text(number),
        difficulty: difficulty.to_owned(),
        title: title.to_owned(),
        description: "what to do".to_owned(),
        points,
        tips: Some("a tip".to_owned()),
    };
    draft.check().unwrap()
}

/// One connection to Postgres, for transactions.
pub async fn session(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// Runs statements in a session.
pub async fn run(session: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(session)
        .await
        .unwrap_or_else(|problem| panic!("{sql}: {problem}"));
}
