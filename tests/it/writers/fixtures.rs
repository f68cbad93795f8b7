use std::sync::Arc;

use challenges_catalog::{
    domain::{Change, Changes, FeedPage, ReplicaId, Tell},
    repository::{Datastore, Location, MigrateSettings, PoolSettings, migrate_up, open},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::support::{
    postgres::{self, Database, Postgres},
    process::PATIENCE,
    wait::eventually,
};

/// Polls for nobody in particular.
const ANYONE: ReplicaId = ReplicaId(Uuid::nil());

/// A migrated database, a role that may write the table and nothing else, and a reader of the feed.
pub struct Scene {
    pub database: Database,
    /// That role.
    pub role: String,
    pub store: Arc<dyn Datastore>,
    /// How far the follower is.
    seen: u64,
    // Behind the database, which is dropped first.
    server: Option<Postgres>,
}

impl Scene {
    pub async fn new() -> Self {
        Self::at(postgres::fresh().await, None).await
    }

    /// On a server of its own, which has these settings beside the usual ones.
    pub async fn with(settings: &[&str]) -> Self {
        let server = postgres::own_server_with(settings);
        Self::at(server.fresh().await, Some(server)).await
    }

    /// Of a database that may have a schema of earlier.
    pub async fn migrate(database: Database) -> Self {
        Self::at(database, None).await
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
            server,
        };
        // Earlier changes are not reported.
        while !scene.poll().await.is_whole {}
        scene
    }

    /// Ends its own server as a crash does, and starts it again.
    pub fn crash(&self) {
        let server = self.server.as_ref().unwrap();
        server.kill();
        server.restart();
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

    /// Polls and prunes as a replica does until all that was noted of challenges is in the history.
    pub async fn settle(&self) {
        // What other databases of the server had open at the last round is kept until the next one.
        eventually("all is in the history", PATIENCE, async || {
            let poll = self.store.poll(self.seen, ANYONE, Tell::Nothing);
            poll.await.unwrap();
            while self.store.prune().await.unwrap() {}
            let queue = "SELECT count(*) FROM challenges_catalog.changed_challenges";
            self.database.query_i64(queue).await == 0
        })
        .await;
    }

    /// All that was noted of challenges, numbered or not, taken into the history or not: operation and title, in order.
    pub async fn noted(&self) -> Vec<(String, String)> {
        let noted = "SELECT n.operation, n.title
            FROM (
                SELECT r.id, r.operation, r.title FROM challenges_catalog.challenge_revisions AS r
                UNION ALL
                SELECT c.id, c.operation, c.title FROM challenges_catalog.changed_challenges AS c
            ) AS n
            WHERE n.operation IS NOT NULL
            ORDER BY n.id";
        let mut session = self.database.connect().await;
        sqlx::query_as(noted).fetch_all(&mut session).await.unwrap()
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

/// Gives that challenge another title.
pub fn retitle(number: u32, title: &str) -> String {
    let id = id(number);
    format!("UPDATE public.approach_challenges SET title = '{title}' WHERE id = '{id}';")
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

/// The id of the challenge with that number.
pub fn id(number: u32) -> Uuid {
    // As lpad() writes it: decimal digits.
    Uuid::parse_str(&format!("{number:032}")).unwrap()
}

/// The tags that a change of a challenge touches: it and its list.
pub fn told(number: u32) -> [String; 2] {
    [
        format!("challenge:{}", id(number)),
        "difficulty:beginner".to_owned(),
    ]
}
