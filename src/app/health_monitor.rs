//! Keeps the health service up to date. The replica is ready unless it can serve nothing, fresh or stale;
//! the health of single dependencies is for operators and alerts.
use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{compose::App, control_applier::ControlApplier, hysteresis::Hysteresis};
use crate::cache::SharedCache;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// Checks the dependencies and reports their health.
pub(super) struct HealthMonitor {
    app: Arc<App>,
    controls: ControlApplier,
}

// The health names of dependencies.
const DATABASE: &str = "dependency/postgres";
const REDIS: &str = "dependency/redis";
const TIPS: &str = "dependency/tips";

impl HealthMonitor {
    pub(super) fn new(app: &Arc<App>, controls: ControlApplier) -> Self {
        Self {
            app: Arc::clone(app),
            controls,
        }
    }

    /// Checks every second, and at once when flags or settings changed, forever.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Warming has just read it.
        let mut database = Hysteresis::up();
        let (mut redis, mut redis_writes) = (Hysteresis::default(), Hysteresis::default());
        let mut redis_writable = true;
        let (mut ready, mut had_database) = (true, false);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.controls.changed() => {
                    self.controls.apply();
                    self.app.health.set_ready(ready);
                    continue;
                }
            }
            let app = &self.app;
            let reached = !app.invalidation.is_lost();
            had_database |= reached;
            let database_up = database.record(reached && self.reads_database().await);
            app.health.set(DATABASE, database_up);
            let mut redis_up = false;
            if let Some(shared) = &app.shared {
                let pong = timeout(CHECK_TIMEOUT, shared.try_reads()).await;
                let answers = matches!(pong, Ok(Some(_)));
                redis_up = redis.record(answers);
                if answers {
                    redis_writable = redis_writes.record(self.writes_to_redis(shared).await);
                }
                app.health.set(REDIS, redis_up && redis_writable);
            }
            if app.tip_service.has_writers() {
                let resumed = timeout(CHECK_TIMEOUT, app.tip_service.poll_resume());
                // Without an answer in time, the next check asks again.
                resumed.await.ok();
                // The breakers count failures and passes themselves, so this makes no call.
                app.health.set(TIPS, app.tip_service.has_provider());
            }
            let has_near = app.catalog.near_size().0 > 0;
            ready = database_up || may_have_copies(has_near, redis_up, had_database);
            app.health.set_ready(ready);
        }
    }

    /// Whether reads of the database work. Where the last ones failed, this tries one, because callers may
    /// stay away even after reads work again.
    async fn reads_database(&self) -> bool {
        let catalog = &self.app.catalog;
        if catalog.loads_fail() {
            timeout(CHECK_TIMEOUT, catalog.try_loads()).await.ok();
        }
        !catalog.loads_fail()
    }

    /// Whether Redis accepts the writes of the cache and of the tips.
    async fn writes_to_redis(&self, shared: &SharedCache) -> bool {
        let both = async { shared.try_writes().await & self.app.tip_service.reaches_redis().await };
        timeout(CHECK_TIMEOUT, both).await.unwrap_or(false)
    }
}

/// Whether something may be served without the database: from the near cache, or probably from Redis. A
/// replica that never reached the database is not ready by Redis alone: a rollout would replace working
/// replicas by it.
fn may_have_copies(has_near: bool, redis_up: bool, had_database: bool) -> bool {
    has_near || (redis_up && had_database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_in_redis_count_for_a_replica_that_knew_the_database() {
        assert!(may_have_copies(false, true, true));
        assert!(may_have_copies(true, false, false));
        assert!(!may_have_copies(false, true, false), "a rollout gone wrong");
        assert!(!may_have_copies(false, false, true));
    }
}
