//! The deliberate faults of polls and notifications.
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::{BoxFuture, FutureExt};
use tokio::time::timeout;

use super::{Fault, is};
use crate::domain::{
    Announcement, ChangeFeed, Changes, Error, FeedPage, Notification, ReplicaId, Stamp, Tell,
};

/// Puts the faults of polls and notifications before the feed.
#[must_use]
pub fn feed(inner: Arc<dyn ChangeFeed>) -> Arc<dyn ChangeFeed> {
    Arc::new(FaultyFeed {
        inner,
        was_notified: AtomicBool::new(false),
        first: Mutex::default(),
        last: Mutex::default(),
        pending: tokio::sync::Mutex::default(),
    })
}

type Poll = BoxFuture<'static, Result<FeedPage, Error>>;

struct FaultyFeed {
    inner: Arc<dyn ChangeFeed>,
    /// Whether a notification came since the last poll.
    was_notified: AtomicBool,
    first: Mutex<Option<FeedPage>>,
    last: Mutex<Option<FeedPage>>,
    /// A poll that the database has not answered yet.
    pending: tokio::sync::Mutex<Option<Poll>>,
}

/// After this time, a poll counts as answered while freshness is a flag.
const ANSWER_TIME: Duration = Duration::from_millis(100);

impl FaultyFeed {
    fn start(&self, after_seq: u64, replica: ReplicaId, tell: Tell<'_>) -> Poll {
        let inner = Arc::clone(&self.inner);
        let (report, applied) = match tell {
            Tell::Nothing => (None, None),
            Tell::Applied(version) => (None, Some(version)),
            Tell::Status(report) => (Some(report.clone()), None),
        };
        let poll = async move {
            let tell = match (&report, applied) {
                (Some(report), _) => Tell::Status(report),
                (None, Some(version)) => Tell::Applied(version),
                (None, None) => Tell::Nothing,
            };
            inner.poll(after_seq, replica, tell).await
        };
        poll.boxed()
    }

    /// What a poll would bring if nothing had happened since the last one.
    fn nothing_new(&self, after_seq: u64) -> Option<FeedPage> {
        let last = self.last.lock().ok()?.clone()?;
        let seq = last.head.seq.max(after_seq);
        Some(FeedPage {
            head: Stamp { seq, ..last.head },
            changes: Changes::All(Vec::new()),
            is_whole: true,
            registered: true,
            is_awaited: false,
            others_write: false,
            place: None,
            ..last
        })
    }

    /// The page as a replica takes it that keeps to its first history, or to what is listed.
    fn altered(&self, mut page: FeedPage) -> FeedPage {
        if let Ok(mut first) = self.first.lock() {
            let first = first.get_or_insert_with(|| page.clone());
            if is(Fault::IgnoreHistory) {
                page.database = first.database;
                page.head.timeline = first.head.timeline;
            }
        }
        if is(Fault::IgnoreLost) && page.changes == Changes::Lost {
            page.changes = Changes::All(Vec::new());
        }
        if let Ok(mut last) = self.last.lock() {
            *last = Some(page.clone());
        }
        page
    }
}

#[async_trait]
impl ChangeFeed for FaultyFeed {
    async fn poll(
        &self,
        after_seq: u64,
        replica: ReplicaId,
        tell: Tell<'_>,
    ) -> Result<FeedPage, Error> {
        let nothing_new = self.nothing_new(after_seq);
        if is(Fault::NotifyOnly)
            && !self.was_notified.swap(false, SeqCst)
            && let Some(page) = nothing_new
        {
            return Ok(page);
        }
        let mut pending = self.pending.lock().await;
        let started = pending.take();
        let mut poll = started.unwrap_or_else(|| self.start(after_seq, replica, tell));
        if is(Fault::FlagFreshness)
            && let Some(page) = self.nothing_new(after_seq)
        {
            match timeout(ANSWER_TIME, &mut poll).await {
                Ok(answer) => return answer.map(|page| self.altered(page)),
                Err(_) => *pending = Some(poll),
            }
            return Ok(page);
        }
        poll.await.map(|page| self.altered(page))
    }

    async fn notified(&self) -> Notification {
        let notification = self.inner.notified().await;
        self.was_notified.store(true, SeqCst);
        match notification {
            Notification::Announced(announcement) if is(Fault::ForgetNews) => {
                Notification::Announced(Announcement {
                    changes: Vec::new(),
                    ..announcement
                })
            }
            notification @ (Notification::Commit | Notification::Announced(_)) => notification,
        }
    }

    async fn announce(&self, announcement: &Announcement) -> Result<(), Error> {
        self.inner.announce(announcement).await
    }

    async fn prune(&self) -> Result<bool, Error> {
        self.inner.prune().await
    }
}
