use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{compose::App, controls::Controls};
use crate::{
    cache::{CachedCatalog, InvalidationState, SharedCache},
    tips::TipService,
    transport::Health,
};

/// How often dependencies are looked at.
const BEAT: Duration = Duration::from_secs(1);
/// No look takes longer.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);
/// So many looks in a row must fail before a dependency is called down; one good one is enough to be up.
const FAILURES: u32 = 3;

/// Keeps health true: readiness fails only while this replica can serve
/// nothing, fresh or stale; dependencies are for eyes and alerts.
pub(super) struct Monitor {
    health: Health,
    catalog: Arc<CachedCatalog>,
    invalidation: Arc<InvalidationState>,
    shared: Option<Arc<SharedCache>>,
    tips: Arc<TipService>,
    controls: Controls,
}

/// The health names of dependencies.
pub(super) const DEPENDENCIES: [&str; 3] = [DATABASE, REDIS, TIPS];
const DATABASE: &str = "dependency/postgres";
const REDIS: &str = "dependency/redis";
const TIPS: &str = "dependency/tips";

impl Monitor {
    pub(super) fn of(app: &App, controls: Controls) -> Self {
        Self {
            health: app.health.clone(),
            catalog: Arc::clone(&app.catalog),
            invalidation: Arc::clone(&app.invalidation),
            shared: app.shared.clone(),
            tips: Arc::clone(&app.board),
            controls,
        }
    }

    /// Looks every second, and at once when operators decided something, for ever.
    pub(super) async fn watch(mut self) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut database, mut redis) = (Dependency::default(), Dependency::default());
        let (mut redis_writes, mut redis_writable) = (Dependency::default(), true);
        let (mut database_told, mut redis_told) = (Told::default(), Told::default());
        let mut tips_told = Told::default();
        let (mut ready, mut had_database) = (true, false);
        let mut ready_told = Told(Some((ready, self.controls.is_open())));
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = self.controls.changed() => {
                    self.controls.act().await;
                    self.tell_ready(&mut ready_told, ready).await;
                    continue;
                }
            }
            let reached = !self.invalidation.is_lost();
            had_database |= reached;
            let database_up = database.saw(reached && self.is_read().await);
            if database_told.is_news(database_up) {
                self.health.set(DATABASE, database_up).await;
            }
            let mut redis_up = false;
            if let Some(shared) = &self.shared {
                let pong = timeout(CHECK_TIMEOUT, shared.try_reads()).await;
                let answers = matches!(pong, Ok(Some(_)));
                redis_up = redis.saw(answers);
                if answers {
                    redis_writable = redis_writes.saw(self.writes_to_redis(shared).await);
                }
                if redis_told.is_news(redis_up && redis_writable) {
                    self.health.set(REDIS, redis_up && redis_writable).await;
                }
            }
            if self.tips.has_writers() {
                let resumed = timeout(CHECK_TIMEOUT, self.tips.look_for_resume());
                // Not answered in time, it is asked again at the next beat.
                resumed.await.ok();
                // It counts failures by itself, and costs no call to look at.
                let tips_up = self.tips.has_provider();
                if tips_told.is_news(tips_up) {
                    self.health.set(TIPS, tips_up).await;
                }
            }
            let has_near = self.catalog.near_size().0 > 0;
            ready = database_up || may_have_copies(has_near, redis_up, had_database);
            self.tell_ready(&mut ready_told, ready).await;
        }
    }

    /// Whether reads of the database work. Where the last ones failed, it tries again, because calls may
    /// come no more once they do.
    async fn is_read(&self) -> bool {
        if self.catalog.loads_fail() {
            timeout(CHECK_TIMEOUT, self.catalog.try_loads()).await.ok();
        }
        !self.catalog.loads_fail()
    }

    /// Whether Redis takes what the cache and the tips write.
    async fn writes_to_redis(&self, shared: &SharedCache) -> bool {
        let both = async { shared.try_writes().await & self.tips.reaches_redis().await };
        timeout(CHECK_TIMEOUT, both).await.unwrap_or(false)
    }

    /// Says whether calls should come here, and whether those to the catalog are let in, if either is news.
    async fn tell_ready(&self, told: &mut Told<(bool, bool)>, ready: bool) {
        let is_open = self.controls.is_open();
        if told.is_news((ready, is_open)) {
            self.health.note_open(is_open);
            self.health.set_ready(ready).await;
        }
    }
}

/// Whether something may be served without the database: there are copies here, or probably in
/// Redis. A replica that never reached the database is not called ready for Redis alone: in a
/// rollout it would take the place of one that works.
fn may_have_copies(has_near: bool, redis_up: bool, had_database: bool) -> bool {
    has_near || (redis_up && had_database)
}

/// What was said last; to say it again would wake everybody who watches.
struct Told<T>(Option<T>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Copy + PartialEq> Told<T> {
    fn is_news(&mut self, word: T) -> bool {
        self.0.replace(word) != Some(word)
    }
}

/// How a dependency did lately.
#[derive(Default)]
struct Dependency {
    failures: u32,
}

impl Dependency {
    /// Takes in one look; tells whether the dependency counts as up.
    fn saw(&mut self, up: bool) -> bool {
        self.failures = if up {
            0
        } else {
            self.failures.saturating_add(1)
        };
        self.failures < FAILURES
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
        let mut dependency = Dependency::default();
        let seen = [false, false, false, true, false].map(|up| dependency.saw(up));
        assert_eq!(seen, [true, true, false, true, true]);
    }
}
