//! Keeps the health service up to date. The replica is ready unless it can serve nothing, fresh or stale;
//! the health of single dependencies is for operators and alerts.
use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{compose::App, control_applier::ControlApplier};
use crate::cache::SharedCache;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);
/// A dependency is down after this many failed checks in a row, and up after one that passes.
const FAILURES_UNTIL_DOWN: u32 = 3;

/// Checks the dependencies and reports their health.
pub(super) struct HealthMonitor {
    app: Arc<App>,
    controls: ControlApplier,
}

/// The health names of dependencies.
pub(super) const DEPENDENCIES: [&str; 3] = [DATABASE, REDIS, TIPS];
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
        let (mut database, mut redis) = (FailureCounter::default(), FailureCounter::default());
        let (mut redis_writes, mut redis_writable) = (FailureCounter::default(), true);
        let (mut database_report, mut redis_report) =
            (LastReport::default(), LastReport::default());
        let mut tips_report = LastReport::default();
        let (mut ready, mut had_database) = (true, false);
        let mut ready_report = LastReport(Some((ready, self.controls.is_open())));
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.controls.changed() => {
                    self.controls.apply().await;
                    self.report_ready(&mut ready_report, ready).await;
                    continue;
                }
            }
            let app = &self.app;
            let reached = !app.invalidation.is_lost();
            had_database |= reached;
            let database_up = database.record(reached && self.reads_database().await);
            if database_report.changes_to(database_up) {
                app.health.set(DATABASE, database_up).await;
            }
            let mut redis_up = false;
            if let Some(shared) = &app.shared {
                let pong = timeout(CHECK_TIMEOUT, shared.try_reads()).await;
                let answers = matches!(pong, Ok(Some(_)));
                redis_up = redis.record(answers);
                if answers {
                    redis_writable = redis_writes.record(self.writes_to_redis(shared).await);
                }
                if redis_report.changes_to(redis_up && redis_writable) {
                    app.health.set(REDIS, redis_up && redis_writable).await;
                }
            }
            if app.tip_service.has_writers() {
                let resumed = timeout(CHECK_TIMEOUT, app.tip_service.poll_resume());
                // Without an answer in time, the next check asks again.
                resumed.await.ok();
                // The breakers count failures themselves, so this makes no call.
                let tips_up = app.tip_service.has_provider();
                if tips_report.changes_to(tips_up) {
                    app.health.set(TIPS, tips_up).await;
                }
            }
            let has_near = app.catalog.near_size().0 > 0;
            ready = database_up || may_have_copies(has_near, redis_up, had_database);
            self.report_ready(&mut ready_report, ready).await;
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

    /// Reports readiness, and whether calls to the catalog are allowed, when either changed.
    async fn report_ready(&self, last: &mut LastReport<(bool, bool)>, ready: bool) {
        let is_open = self.controls.is_open();
        if last.changes_to((ready, is_open)) {
            self.app.health.note_open(is_open);
            self.app.health.set_ready(ready).await;
        }
    }
}

/// Whether something may be served without the database: from the near cache, or probably from Redis. A
/// replica that never reached the database is not ready by Redis alone: a rollout would replace working
/// replicas by it.
fn may_have_copies(has_near: bool, redis_up: bool, had_database: bool) -> bool {
    has_near || (redis_up && had_database)
}

/// The last reported state; an unchanged state is not reported again, because that wakes every watcher.
struct LastReport<T>(Option<T>);

impl<T> Default for LastReport<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Copy + PartialEq> LastReport<T> {
    fn changes_to(&mut self, state: T) -> bool {
        self.0.replace(state) != Some(state)
    }
}

/// Counts failed checks of a dependency in a row.
#[derive(Default)]
struct FailureCounter {
    failures: u32,
}

impl FailureCounter {
    /// Records one check; returns whether the dependency counts as up.
    fn record(&mut self, up: bool) -> bool {
        self.failures = if up {
            0
        } else {
            self.failures.saturating_add(1)
        };
        self.failures < FAILURES_UNTIL_DOWN
    }
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

    #[test]
    fn a_dependency_is_down_after_three_failures_and_up_after_one_success() {
        let mut dependency = FailureCounter::default();
        let seen = [false, false, false, true, false].map(|up| dependency.record(up));
        assert_eq!(seen, [true, true, false, true, true]);
    }
}
