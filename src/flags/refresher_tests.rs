use std::sync::{Mutex, atomic::AtomicBool, atomic::Ordering::SeqCst};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::*;
use crate::domain::{
    ActiveControls, Configured, ConfiguredControls, ControlDraft, ControlKind, ControlRow,
    ControlRows, DatabaseId, Flag, FlagValue, RawFlag, RuntimeSetting, Stamp, ValueSource, Version,
};

/// A table of flags that a test writes, and the feed that tells of it.
struct FakeTable {
    rows: Mutex<ControlRows>,
    is_up: AtomicBool,
    newest: watch::Sender<Version>,
}

fn version(seq: u64) -> Version {
    let stamp = Stamp { timeline: 1, seq };
    Version {
        database: DatabaseId(1),
        stamp,
    }
}

impl FakeTable {
    fn new() -> Arc<Self> {
        let rows = ControlRows {
            version: version(1),
            flags: Vec::new(),
            settings: Vec::new(),
        };
        Arc::new(Self {
            rows: Mutex::new(rows),
            is_up: AtomicBool::new(true),
            newest: watch::Sender::new(version(1)),
        })
    }

    /// Commits one row for the near cache.
    fn write(&self, enabled: Option<bool>) {
        let mut rows = self.rows.lock().unwrap();
        let seq = rows.version.stamp.seq + 1;
        rows.version = version(seq);
        rows.flags = vec![ControlRow {
            name: "near_cache".to_owned(),
            environment: None,
            raw: RawFlag {
                enabled,
                rollout: None,
            },
            description: None,
            created_at: None,
            updated_at: None,
            created_by: None,
            updated_by: None,
            fingerprint: seq.to_string(),
        }];
    }

    fn announce(&self) {
        let version = self.rows.lock().unwrap().version;
        self.newest.send_replace(version);
    }

    /// A snapshot that follows.
    fn snapshot(self: &Arc<Self>, tasks: &TaskTracker) -> Arc<FlagSnapshot> {
        let snapshot = Arc::new(FlagSnapshot::new(ConfiguredControls {
            environment: None,
            flags: Flag::ALL
                .map(|control| Configured {
                    control,
                    value: FlagValue::all(true),
                    is_given: false,
                })
                .to_vec(),
            settings: RuntimeSetting::ALL
                .map(|control| Configured {
                    control,
                    value: control.definition().min,
                    is_given: false,
                })
                .to_vec(),
        }));
        let refresher = Refresher::new(
            Arc::clone(&snapshot),
            Arc::clone(self) as _,
            self.newest.subscribe(),
        );
        tasks.spawn(refresher.run());
        snapshot
    }
}

#[async_trait]
impl ControlStore for FakeTable {
    async fn controls(&self) -> Result<ControlRows, Error> {
        if self.is_up.load(SeqCst) {
            Ok(self.rows.lock().unwrap().clone())
        } else {
            Err(Error::datastore("gone"))
        }
    }

    async fn put(
        &self,
        _: Option<&str>,
        _: &ControlDraft,
        _: Option<&str>,
    ) -> Result<Option<Stamp>, Error> {
        Ok(None)
    }

    async fn remove(
        &self,
        _: ControlKind,
        _: &'static str,
        _: &str,
    ) -> Result<Option<Stamp>, Error> {
        Ok(None)
    }
}

fn near_is_on(snapshot: &FlagSnapshot) -> bool {
    snapshot.switches().is_on(Flag::NearCache)
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_announced_is_followed_at_once() {
    let (table, tasks) = (FakeTable::new(), TaskTracker::new());
    let snapshot = table.snapshot(&tasks);
    let mut changes = snapshot.changes();
    changes.changed().await.unwrap();
    assert!(near_is_on(&snapshot));
    table.write(Some(false));
    table.announce();
    changes.changed().await.unwrap();
    assert!(!near_is_on(&snapshot));
    assert_eq!(snapshot.version(), Some(version(2)));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nobody_announced_is_found_by_the_next_reload() {
    let (table, tasks) = (FakeTable::new(), TaskTracker::new());
    let snapshot = table.snapshot(&tasks);
    snapshot.refresh().await;
    table.write(Some(false));
    tokio::time::sleep(RELOAD_INTERVAL.mul_f64(1.2)).await;
    assert!(!near_is_on(&snapshot));
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_the_rows_gets_them_as_they_are_now() {
    let (table, tasks) = (FakeTable::new(), TaskTracker::new());
    let snapshot = table.snapshot(&tasks);
    for enabled in [false, true, false] {
        table.write(Some(enabled));
        snapshot.refresh().await;
        assert_eq!(near_is_on(&snapshot), enabled);
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_database_or_with_a_broken_row_the_last_good_value_stays() {
    let (table, tasks) = (FakeTable::new(), TaskTracker::new());
    let snapshot = table.snapshot(&tasks);
    table.write(Some(false));
    snapshot.refresh().await;
    table.write(None);
    snapshot.refresh().await;
    let evaluation = snapshot
        .flags()
        .into_iter()
        .find(|flag| flag.control == Flag::NearCache)
        .unwrap();
    assert_eq!(evaluation.source, ValueSource::AllRow);
    assert_eq!(evaluation.problem.as_deref(), Some("enabled is null"));
    assert!(!near_is_on(&snapshot));

    table.is_up.store(false, SeqCst);
    table.write(Some(true));
    snapshot.refresh().await;
    assert!(!near_is_on(&snapshot), "nobody can tell");
    table.is_up.store(true, SeqCst);
    tokio::time::sleep(RETRY.1 * 2).await;
    assert!(near_is_on(&snapshot));
}
