//! The release before numbers were given after the commit: its schema, and its statements as they were.
use std::path::Path;

use sqlx::{Connection, PgConnection, Row, migrate::Migrator, postgres::PgRow};
use uuid::Uuid;

use crate::support::postgres::Database;

/// The last migration of that release.
const LAST: i64 = 10;
/// Who polls.
pub const REPLICA: Uuid = Uuid::from_u128(1);

/// Gives a database the schema of that release.
pub async fn migrate(database: &Database) {
    migrate_to(database, LAST).await;
}

/// Gives a database the schema of another one, whose last migration this is.
pub async fn migrate_to(database: &Database, last: i64) {
    database.execute("CREATE SCHEMA challenges_catalog").await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut migrator = Migrator::new(folder).await.unwrap();
    migrator.dangerous_set_table_name("challenges_catalog.migration");
    migrator.set_locking(false);
    let mut connection = database.connect().await;
    migrator.run_to(last, &mut connection).await.unwrap();
}

/// A role with the rights that this release gave to one that serves.
pub async fn serving_role(database: &Database) -> String {
    let role = database.create_role("serve_before").await;
    let grants = include_str!("previous_release/grants.sql").replace(":\"role\"", &role);
    let statements: Vec<_> = grants
        .lines()
        .filter(|line| !line.starts_with('\\'))
        .collect();
    database.execute(&statements.join("\n")).await;
    role
}

/// A replica of that release, as far as its statements go.
pub struct Replica(PgConnection);

/// What its poll gave.
#[derive(Debug)]
pub struct Page {
    pub history: String,
    pub head: i64,
    /// Whether it may vouch for anything.
    pub registered: bool,
    pub tags: Vec<String>,
}

impl Replica {
    pub async fn connect(url: &str) -> Self {
        Self(PgConnection::connect(url).await.unwrap())
    }

    /// Fails with what the database said.
    pub async fn poll(&mut self, after: i64) -> Result<Page, sqlx::Error> {
        let rows: Vec<PgRow> = sqlx::query(include_str!("previous_release/poll.sql"))
            .bind(after)
            .bind(1_001_i64)
            .bind(REPLICA)
            .fetch_all(&mut self.0)
            .await?;
        let first = &rows[0];
        Ok(Page {
            history: first.get("database"),
            head: first.get("head"),
            registered: first.get("registered"),
            tags: rows.iter().filter_map(|row| row.get("tag")).collect(),
        })
    }

    pub async fn report(&mut self, seq: i64) {
        sqlx::query("SELECT challenges_catalog.report($1, 'before', 1, $2, '')")
            .bind(REPLICA)
            .bind(seq)
            .execute(&mut self.0)
            .await
            .unwrap();
    }

    /// The stamp and the titles of a list.
    pub async fn list(&mut self) -> Result<(i64, Vec<String>), sqlx::Error> {
        let rows: Vec<PgRow> = sqlx::query(include_str!("previous_release/list.sql"))
            .bind(["beginner", "intermediate", "advanced"])
            .bind(1)
            .bind(3)
            .bind(0)
            .bind(0)
            .bind("")
            .bind(Uuid::nil())
            .bind(100_i64)
            .fetch_all(&mut self.0)
            .await?;
        let titles = rows.iter().filter_map(|row| row.get("title")).collect();
        Ok((rows[0].get("seq"), titles))
    }

    /// How many of these are found.
    pub async fn find_many(&mut self, ids: &[Uuid]) -> Result<usize, sqlx::Error> {
        let rows: Vec<PgRow> = sqlx::query(include_str!("previous_release/find_many.sql"))
            .bind(ids)
            .fetch_all(&mut self.0)
            .await?;
        Ok(rows.len())
    }

    /// Runs one of its calls that give nothing it looks at.
    pub async fn call(&mut self, sql: &'static str) {
        sqlx::query(sql).execute(&mut self.0).await.unwrap();
    }
}
