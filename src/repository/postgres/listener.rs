use std::time::Duration;

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::time::{sleep, timeout};

use super::{PostgresStore, hints::Hints, live::Life};

/// A link that was silent for this long is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between attempts to connect: they double from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Passes on what is announced, and a hint to look whenever announcements may have been missed.
pub(super) async fn listen(store: &PostgresStore) {
    let hints = &store.hints;
    let mut pause = BACKOFF.0;
    loop {
        let life = Life::new();
        if let Some((mut listener, link)) = connect(store).await {
            pause = BACKOFF.0;
            hints.look();
            tokio::select! {
                () = relay(&mut listener, hints) => {}
                // It may be dead, or its server live on and announce what happens there.
                () = store.servers.outdated(life) => {}
            }
            hints.look();
            // The driver says UNLISTEN on it, in a task of its own; nobody waits for that, as a dead one never answers.
            drop(link.close());
        }
        // Between half and all of it, so that replicas do not come back in step.
        let pausing = pause.mul_f64(rand::random_range(0.5..=1.0));
        sleep(pausing).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// A session that listens to the server in use, and what it has to be closed by.
async fn connect(store: &PostgresStore) -> Option<(PgListener, PgPool)> {
    let server = store.servers.used()?;
    if server.is_shared.get() == Some(&true) {
        // Somebody else would get what is announced on a session that is lent to him next. Another server may
        // lend none.
        store.servers.outdated(Life::new()).await;
        return None;
    }
    // The driver's listener wants a pool: one for one connection.
    let link = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(server.patience)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(server.options());
    let listening = async {
        let mut listener = PgListener::connect_with(&link).await?;
        // A lost connection is made anew by the loop above, with pauses.
        listener.eager_reconnect(false);
        let read = sqlx::query_as("SELECT page_token_key FROM challenges_catalog.state");
        let (key,): (Vec<u8>,) = read.fetch_one(&mut listener).await?;
        // A key of another length is told at start.
        if let Ok(key) = key.try_into() {
            store.hints.know_key(&key);
        }
        listener.listen("challenges_catalog").await?;
        Ok::<_, sqlx::Error>(listener)
    };
    let listener = timeout(server.patience, listening).await;
    Some((listener.ok()?.ok()?, link))
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
