//! PostgreSQL: one replica tells another what it found, so that it need not look.
use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{Announcement, Changes, Notification, Tell, Version},
    repository::{Datastore, Location},
};

use super::fixture::{ANYONE, open};
use crate::support::{
    fleet,
    postgres::{self, Database},
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(20);
const INSERT: &str =
    "INSERT INTO approach_challenges (difficulty, title) VALUES ('beginner', 'One')";

struct Pair {
    database: Database,
    teller: Arc<dyn Datastore>,
    listener: Arc<dyn Datastore>,
}

impl Pair {
    async fn of_a_fresh_database() -> Self {
        let database = postgres::fresh().await;
        fleet::migrate(&database).await;
        let url = database.url();
        let (teller, listener) = (
            open(Location::Postgres(&url)),
            open(Location::Postgres(&url)),
        );
        Self {
            database,
            teller,
            listener,
        }
    }

    /// Runs `scene` while both listen.
    async fn both_listen(&self, scene: impl Future<Output = ()>) {
        let listeners = "SELECT count(*) FROM pg_stat_activity
            WHERE query LIKE 'LISTEN%' AND datname = current_database()";
        let scene = async {
            let listen = async || self.database.query_i64(listeners).await == 2;
            eventually("both listen", SOON, listen).await;
            scene.await;
        };
        tokio::select! {
            () = self.teller.listen() => panic!("it listens for ever"),
            () = self.listener.listen() => panic!("it listens for ever"),
            done = tokio::time::timeout(SOON, scene) => done.unwrap(),
        }
    }

    /// What there is to tell of a commit of another program.
    async fn found(&self) -> Announcement {
        let before = self.teller.poll(0, ANYONE, Tell::Nothing).await.unwrap();
        self.database.execute(INSERT).await;
        let after_seq = before.head.seq;
        let poll = self.teller.poll(after_seq, ANYONE, Tell::Nothing);
        let page = poll.await.unwrap();
        let Changes::All(changes) = page.changes else {
            panic!("lost");
        };
        assert!(!changes.is_empty());
        Announcement {
            head: Version {
                database: page.database,
                stamp: page.head,
            },
            after_seq,
            changes,
            is_awaited: page.is_awaited,
        }
    }
}

#[tokio::test]
async fn what_one_replica_found_another_hears_of_as_it_was_found() {
    let pair = Pair::of_a_fresh_database().await;
    pair.both_listen(async {
        let found = pair.found().await;
        pair.teller.announce(&found).await.unwrap();
        loop {
            if let Notification::Announced(news) = pair.listener.notified().await {
                assert_eq!(news, found);
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_stranger_announces_is_never_believed() {
    let pair = Pair::of_a_fresh_database().await;
    pair.both_listen(async {
        let found = pair.found().await;
        let stranger = pair.database.create_role("stranger").await;
        let said = format!(
            r#"NOTIFY challenges_catalog, 'news1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA {{"database":"{}","timeline":{},"after":{},"head":{},"is_awaited":false,"changes":[]}}'"#,
            found.head.database, found.head.stamp.timeline, found.after_seq, found.head.stamp.seq,
        );
        pair.database.execute_as(&stranger, &said).await;
        // What the fleet itself says after that is the first that is believed.
        pair.teller.announce(&found).await.unwrap();
        loop {
            if let Notification::Announced(news) = pair.listener.notified().await {
                assert_eq!(news, found);
                break;
            }
        }
    })
    .await;
}
