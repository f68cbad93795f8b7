//! Receives notifications by LISTEN, on a connection of its own that is replaced when it breaks.
use std::time::Duration;

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::time::{sleep, timeout};

use super::{notification_queue::NotificationQueue, servers::Servers, session::ConnectionTimes};

/// A connection that was silent for this long is checked.
const CHECK_AFTER_SILENCE: Duration = Duration::from_secs(30);
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between attempts to connect doubles from the minimum to the maximum.
const MIN_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Queues received notifications, and [`crate::domain::Notification::Commit`] whenever some may have been missed. Runs forever.
pub(super) async fn listen(servers: &Servers, queue: &NotificationQueue) {
    let mut backoff = MIN_BACKOFF;
    loop {
        let times = ConnectionTimes::now();
        if let Some((mut listener, pool)) = connect(servers, queue).await {
            backoff = MIN_BACKOFF;
            queue.push_look();
            tokio::select! {
                () = receive(&mut listener, queue) => {}
                // The connection may be broken, or its server abandoned but alive, with notifications of its own.
                () = servers.until_stale(times) => {}
            }
            queue.push_look();
            // The driver sends UNLISTEN in a task of its own. Not awaited: a broken connection never answers.
            drop(pool.close());
        }
        // Jitter, so that replicas do not reconnect at the same time.
        sleep(backoff.mul_f64(rand::random_range(0.5..=1.0))).await;
        backoff = (backoff * 2).min(MAX_BACKOFF);
    }
}

/// A listener on the server in use, and the pool to close it by.
async fn connect(servers: &Servers, queue: &NotificationQueue) -> Option<(PgListener, PgPool)> {
    let server = servers.used()?;
    if server.is_shared.get() == Some(&true) {
        // On a shared session, notifications would go to whichever client has the session then. Wait for another
        // server, which may be without a pooler.
        servers.until_stale(ConnectionTimes::now()).await;
        return None;
    }
    // The driver's listener needs a pool.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(server.connect_timeout)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(server.options());
    let listening = async {
        let mut listener = PgListener::connect_with(&pool).await?;
        // The loop above reconnects, with pauses.
        listener.eager_reconnect(false);
        let read = sqlx::query_as("SELECT page_token_key FROM challenges_catalog.state");
        let (key,): (Vec<u8>,) = read.fetch_one(&mut listener).await?;
        // A key of another length is reported at the start.
        if let Ok(key) = key.try_into() {
            queue.set_key(&key);
        }
        listener.listen("challenges_catalog").await?;
        Ok::<_, sqlx::Error>(listener)
    };
    let listener = timeout(server.connect_timeout, listening).await;
    Some((listener.ok()?.ok()?, pool))
}

/// Queues notifications until the connection is lost.
async fn receive(listener: &mut PgListener, queue: &NotificationQueue) {
    loop {
        match timeout(CHECK_AFTER_SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => queue.push_payload(notification.payload()),
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => {
                let check = sqlx::query("SELECT 1").execute(&mut *listener);
                if !matches!(timeout(CHECK_TIMEOUT, check).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}
