use std::sync::Arc;

use challenges_catalog::{
    domain::{Change, Changes, FeedPage, ReplicaId, Tell},
    repository::{Datastore, Location, MigrateSettings, PoolSettings, migrate_up, open},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::support::postgres::{self, Database, Postgres};

/// Polls for nobody in particular.
const ANYONE: ReplicaId = ReplicaId(Uuid::nil());

/// A migrated database, a role that may write the table and nothing else, and somebody who follows what is told.
pub struct Scene {
    pub database: Database,
    /// That role.
    pub role: String,
    pub store: Arc<dyn Datastore>,
    /// How far the follower is.
    seen: u64,
    // Behind the database, which is dropped first.
    _server: Option<Postgres>,
}

impl Scene {
    pub async fn new() -> Self {
        Self::at(postgres::fresh().await, None).await
    }

    async fn at(database: Database, server: Option<Postgres>) -> Self {
        let url = database.url();
        migrate_up(Location::Postgres(&url), &MigrateSettings::default())
            .await
            .unwrap();
        let role = database.create_role("writer").await;
        let rights = format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON approach_challenges TO {role};
            CREATE POLICY write ON approach_challenges TO {role} USING (true) WITH CHECK (true)"
        );
        database.execute(&rights).await;
        let store = open(Location::Postgres(&url), &PoolSettings::default()).unwrap();
        let mut scene = Self {
            database,
            role,
            store,
            seen: 0,
            _server: server,
        };
        scene.told().await;
        scene
    }

    /// A session of the role.
    pub async fn writer(&self) -> PgConnection {
        PgConnection::connect(&self.database.url_as(&self.role))
            .await
            .unwrap()
    }

    /// What one poll gives; the follower goes on behind it.
    pub async fn poll(&mut self) -> FeedPage {
        let page = self.store.poll(self.seen, ANYONE, Tell::Nothing).await;
        let page = page.unwrap();
        self.seen = page.head.seq;
        page
    }

    /// The tags of all that was committed since the last poll, sorted, each once; `lost` where the list is too long.
    pub async fn told(&mut self) -> Vec<String> {
        let mut tags: Vec<_> = self.changes().await.iter().map(tag).collect();
        tags.sort();
        tags.dedup();
        tags
    }

    async fn changes(&mut self) -> Vec<Change> {
        let mut all = Vec::new();
        loop {
            let page = self.poll().await;
            match page.changes {
                Changes::All(changes) => all.extend(changes),
                Changes::Lost => panic!("the follower has lost track"),
            }
            if page.is_whole {
                return all;
            }
        }
    }
}

fn tag(change: &Change) -> String {
    change.tag.to_string()
}

/// Runs statements in a session.
pub async fn run(session: &mut PgConnection, sql: &str) {
    try_run(session, sql)
        .await
        .unwrap_or_else(|problem| panic!("{sql}: {problem}"));
}

/// Likewise, and gives what the database says against it.
pub async fn try_run(session: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    let statements = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    statements.execute(session).await.map(drop)
}

/// Adds a challenge with id `number`.
pub fn insert(number: u32) -> String {
    let id = id(number);
    format!(
        "INSERT INTO public.approach_challenges (id, difficulty, title) VALUES ('{id}', 'beginner', 'new');"
    )
}

/// Adds challenges in one transaction, a statement each: `from` to `to`.
pub fn insert_each(from: u32, to: u32) -> String {
    format!(
        "DO $$ BEGIN
            FOR number IN {from}..{to} LOOP
                INSERT INTO public.approach_challenges (id, difficulty, title)
                VALUES (lpad(number::text, 32, '0')::uuid, 'beginner', 'new');
            END LOOP;
        END $$;"
    )
}

/// Adds challenges by one statement.
pub fn insert_all(from: u32, to: u32) -> String {
    format!(
        "INSERT INTO public.approach_challenges (id, difficulty, title)
        SELECT lpad(number::text, 32, '0')::uuid, 'beginner', 'new' FROM generate_series({from}, {to}) AS number;"
    )
}

fn id(number: u32) -> Uuid {
    // As lpad() writes it: decimal digits.
    Uuid::parse_str(&format!("{number:032}")).unwrap()
}

/// What is told of a challenge and its list.
pub fn told(number: u32) -> [String; 2] {
    [
        format!("challenge:{}", id(number)),
        "difficulty:beginner".to_owned(),
    ]
}
