use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::PostgresStore;

/// A link that was silent for this long is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between attempts to connect: they double from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Pokes `changed` of the store whenever a commit is announced, and whenever announcements may have
/// been missed.
pub(super) async fn listen(store: &PostgresStore, pool: &PgPool) {
    let changed = &store.changed;
    let mut pause = BACKOFF.0;
    loop {
        let mut leaves = store.servers.leaves();
        let connected = store.reach(pool, || connect(pool)).await;
        if let Ok(mut listener) = connected {
            pause = BACKOFF.0;
            changed.notify_one();
            tokio::select! {
                () = relay(&mut listener, changed) => {}
                // Its server may live on, and announce what happens there.
                _ = leaves.changed() => {}
            }
            changed.notify_one();
        }
        // Between half and all of it, so that replicas do not come back in step.
        sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

async fn connect(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    // A lost connection is made anew by the loop above, with pauses.
    listener.eager_reconnect(false);
    listener.listen("challenges_catalog").await?;
    Ok(listener)
}

/// Returns when the connection is lost.
async fn relay(listener: &mut PgListener, changed: &Notify) {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(_))) => changed.notify_one(),
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
