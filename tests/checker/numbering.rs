//! Harm to those who number commits: every replica does, whenever it polls.
use std::time::Duration;

use rand::{Rng, rngs::StdRng};
use tokio::time::{Instant, sleep};

use crate::{
    history::Trouble,
    nemesis::{AFTERMATH, Inflict},
    writers::run,
};

const LOCK: &str = "BEGIN; LOCK TABLE challenges_catalog.numbering IN EXCLUSIVE MODE";
/// Ends the sessions that are giving numbers, or wait to.
const END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE state = 'active' AND pid <> pg_backend_pid()
        AND (query LIKE '%challenges_catalog.poll(%' OR query LIKE '%challenges_catalog.number(%')";

impl Inflict<'_> {
    /// A session that numbers hangs, with the lock in its hand. Writers go on.
    pub async fn hold_numbering(&self, length: Duration) {
        let window = self.history.open_window(Trouble::Databases);
        if let Ok(mut db) = self.servers.cluster.try_connect().await
            && run(&mut db, LOCK).await.is_ok()
        {
            sleep(length * 2).await;
            run(&mut db, "ROLLBACK").await.ok();
        }
        self.history.close_window(&window, AFTERMATH);
    }

    /// Sessions that number are ended at any point of it: while they wait for each other, and while they work.
    pub async fn end_numberers(&self, length: Duration, rng: &mut StdRng) {
        let window = self.history.open_window(Trouble::Databases);
        let began = Instant::now();
        while began.elapsed() < length {
            if let Ok(mut db) = self.servers.cluster.try_connect().await {
                // The lock gathers them.
                let is_gathered = rng.random() && run(&mut db, LOCK).await.is_ok();
                sleep(Duration::from_millis(rng.random_range(1..150))).await;
                run(&mut db, END).await.ok();
                if is_gathered {
                    run(&mut db, "ROLLBACK").await.ok();
                }
            }
        }
        self.history.close_window(&window, AFTERMATH);
    }
}
