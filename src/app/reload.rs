//! Settings that are read again while the server runs.
use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::writers::Writers;
use crate::{
    config::{Entry, LOG_FILTER, Loaded, Problems},
    llm::SetupError,
    telemetry::LogFilter,
    tips::TipService,
};

/// Reads all settings again, from where they were read at the start.
pub type ReadSettings = Arc<dyn Fn() -> Result<Loaded, Problems> + Send + Sync>;

/// Brings what files say now to those who can take it while the server runs: the log's filter, and the
/// keys of providers. Of all else it tells that it has changed, and waits for the next start.
pub(super) struct Reload {
    read: ReadSettings,
    log: LogFilter,
    at_start: Vec<Entry>,
    /// Those who write tips, and who is asked.
    tips: Option<(Arc<Writers>, Arc<TipService>)>,
    /// When keys were read because one was refused.
    keys_read: Option<Instant>,
}

/// Keys that go on to be refused are read again so often.
const KEYS_PAUSE: Duration = Duration::from_secs(10);
/// How long all files may take to be read.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

impl Reload {
    /// For a server that was started with `loaded`, and logs through `log`.
    pub(super) fn new(loaded: &Loaded, log: LogFilter, read: ReadSettings) -> Self {
        Self {
            read,
            log,
            at_start: loaded.entries.clone(),
            tips: None,
            keys_read: None,
        }
    }

    /// Brings keys to `writers`, too; `board` asks them.
    pub(super) fn reach(&mut self, writers: Arc<Writers>, board: Arc<TipService>) {
        self.tips = Some((writers, board));
    }

    /// Reads all settings again. When something is wrong with them, nothing changes.
    pub(super) async fn act(&self) {
        let Some(loaded) = self.read().await else {
            return;
        };
        if let Err(error) = self.log.set(&loaded.config.log.filter) {
            tracing::warn!(%error, "the log's filter stays as it was");
            return;
        }
        if let Err(error) = self.bring_keys(&loaded).await {
            tracing::warn!(%error, "the keys of providers stay as they were");
            return;
        }
        let waiting = self.waiting(&loaded.entries);
        tracing::info!(
            at_next_start = (!waiting.is_empty()).then(|| waiting.join(", ")),
            "settings were read again: the log's filter and the keys of providers are what they say now"
        );
    }

    /// What the settings are by now. Files may lie where nobody answers, so they are waited for in vain no longer
    /// than this, beside everything else.
    async fn read(&self) -> Option<Loaded> {
        let read = Arc::clone(&self.read);
        let read = timeout(READ_TIMEOUT, spawn_blocking(move || read())).await;
        match read {
            Ok(Ok(Ok(loaded))) => return Some(loaded),
            Ok(Ok(Err(problems))) => {
                let problems = problems.on_one_line();
                tracing::warn!(
                    problems,
                    "settings cannot be read again: all stays as it was"
                );
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("settings were not read in time: all stays as it was");
            }
        }
        None
    }

    /// Waits until a provider refuses its key. One that refused it is asked again minutes later, but the key may be
    /// changed before.
    pub(super) async fn key_denied(&self) {
        let Some((writers, board)) = &self.tips else {
            return pending().await;
        };
        loop {
            tokio::select! {
                () = writers.denied.notified() => return,
                () = sleep(KEYS_PAUSE) => if board.is_refused() {
                    return;
                },
            }
        }
    }

    /// Orders go out with the keys of `loaded` from now on. Names the providers that have another one than before; what
    /// they refused before says nothing any more.
    async fn bring_keys(&self, loaded: &Loaded) -> Result<Vec<&str>, SetupError> {
        let Some((writers, board)) = &self.tips else {
            return Ok(Vec::new());
        };
        let renewed = writers.renew_keys(&loaded.config)?;
        for provider in &renewed {
            board.key_renewed(provider).await;
        }
        Ok(renewed)
    }

    /// Reads the keys of providers again: the one that was refused may have been changed where it is written down.
    pub(super) async fn renew_keys(&mut self) {
        if self
            .keys_read
            .is_some_and(|read| read.elapsed() < KEYS_PAUSE)
        {
            return;
        }
        self.keys_read = Some(Instant::now());
        let Some(loaded) = self.read().await else {
            return;
        };
        match self.bring_keys(&loaded).await {
            Ok(renewed) if renewed.is_empty() => {
                tracing::debug!(
                    "a provider refuses its key: keys were read again, and are the same"
                );
            }
            Ok(renewed) => {
                let providers = renewed.join(", ");
                tracing::info!(
                    providers,
                    "a provider refused its key: keys were read again, and orders go out with new ones"
                );
            }
            Err(error) => tracing::warn!(%error, "the keys of providers stay as they were"),
        }
    }

    /// The settings that count at the next start only, and have changed.
    fn waiting(&self, now: &[Entry]) -> Vec<String> {
        let flag = |entry: &Entry| entry.setting.flag();
        let was = |now: &&Entry| {
            let before = self
                .at_start
                .iter()
                .find(|before| flag(before) == flag(now));
            before.is_none_or(|before| before.shown != now.shown)
        };
        let changed = now.iter().filter(was).map(flag);
        changed.filter(|flag| *flag != LOG_FILTER.flag()).collect()
    }
}
