use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use tokio::time::{sleep, timeout};

use super::{PostgresStore, hints::Hints};

/// A link that was silent for this long is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between attempts to connect: they double from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Passes on what is announced, and a hint to look whenever announcements may have been missed.
pub(super) async fn listen(store: &PostgresStore, pool: &PgPool) {
    let hints = &store.hints;
    let mut pause = BACKOFF.0;
    loop {
        let mut leaves = store.servers.leaves();
        let connected = store.reach(pool, || connect(pool, hints)).await;
        if let Ok(mut listener) = connected {
            pause = BACKOFF.0;
            hints.look();
            tokio::select! {
                () = relay(&mut listener, hints) => {}
                // Its server may live on, and announce what happens there.
                _ = leaves.changed() => {}
            }
            hints.look();
        }
        // Between half and all of it, so that replicas do not come back in step.
        sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

async fn connect(pool: &PgPool, hints: &Hints) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    // A lost connection is made anew by the loop above, with pauses.
    listener.eager_reconnect(false);
    let read = sqlx::query_as("SELECT page_token_key FROM challenges_catalog.state");
    let (key,): (Vec<u8>,) = read.fetch_one(&mut listener).await?;
    // A key of another length is told at start.
    if let Ok(key) = key.try_into() {
        hints.know_key(&key);
    }
    listener.listen("challenges_catalog").await?;
    Ok(listener)
}

/// Returns when the connection is lost.
async fn relay(listener: &mut PgListener, hints: &Hints) {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(told))) => hints.hear(told.payload()),
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => {
                let question = sqlx::query("SELECT 1").execute(&mut *listener);
                if !matches!(timeout(PATIENCE, question).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}
