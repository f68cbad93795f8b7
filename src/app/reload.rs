//! Reloads settings while the server runs: on SIGHUP, and when a provider refuses its key.
use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::provider_clients::ProviderClients;
use crate::{
    config::{EffectiveSetting, LOG_FILTER, Loaded, Problems},
    llm::SetupError,
    telemetry::LogFilter,
    tips::TipService,
};

/// Reads all settings again, from where they were read at the start.
pub type ReadSettings = Arc<dyn Fn() -> Result<Loaded, Problems> + Send + Sync>;

/// Applies the settings that can change while the server runs: the log filter and the provider keys. Logs which
/// other settings changed; those need a restart.
pub(super) struct Reload {
    read: ReadSettings,
    log: LogFilter,
    at_start: Vec<EffectiveSetting>,
    /// The clients of the providers and the service that calls them, once the server is built.
    tips: Option<(Arc<ProviderClients>, Arc<TipService>)>,
    /// Has the files of certificates and access read again, once the server is built.
    access: Option<Arc<Notify>>,
    /// When keys were last read because a provider refused one.
    keys_read: Option<Instant>,
}

/// How often keys are read again while a provider refuses them.
const KEY_RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// How long reading all files may take.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

impl Reload {
    /// For a server that was started with `loaded`, and logs through `log`.
    pub(super) fn new(loaded: &Loaded, log: LogFilter, read: ReadSettings) -> Self {
        Self {
            read,
            log,
            at_start: loaded.entries.clone(),
            tips: None,
            access: None,
            keys_read: None,
        }
    }

    /// Lets a reload renew the keys of `clients`; `tip_service` calls them.
    pub(super) fn set_tips(&mut self, clients: Arc<ProviderClients>, tip_service: Arc<TipService>) {
        self.tips = Some((clients, tip_service));
    }

    /// Lets a reload have the files of certificates and access read again, by notifying `read_now`.
    pub(super) fn set_access(&mut self, read_now: Arc<Notify>) {
        self.access = Some(read_now);
    }

    /// Reads all settings again. If one of them is invalid, nothing changes.
    pub(super) async fn reload(&self) {
        if let Some(read_now) = &self.access {
            read_now.notify_one();
        }
        let Some(loaded) = self.read().await else {
            return;
        };
        if let Err(error) = self.log.set(&loaded.config.log.filter) {
            tracing::warn!(%error, "the log filter cannot be set; all settings stay as they were");
            return;
        }
        if let Err(error) = self.apply_keys(&loaded).await {
            tracing::warn!(%error, "provider keys cannot be renewed; they stay as they were");
            return;
        }
        let pending = self.pending(&loaded.entries);
        tracing::info!(
            at_next_start = (!pending.is_empty()).then(|| pending.join(", ")),
            "settings were reloaded: the log filter and the provider keys are up to date"
        );
    }

    /// Reads the settings as they are now. Files may be on a network mount that hangs, so this has a time limit and
    /// runs on a thread of its own.
    async fn read(&self) -> Option<Loaded> {
        let read = Arc::clone(&self.read);
        let read = timeout(READ_TIMEOUT, spawn_blocking(move || read())).await;
        match read {
            Ok(Ok(Ok(loaded))) => return Some(loaded),
            Ok(Ok(Err(problems))) => {
                let problems = problems.on_one_line();
                tracing::warn!(problems, "settings are invalid; nothing was reloaded");
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("settings were not read in time; nothing was reloaded");
            }
        }
        None
    }

    /// Waits until a provider refuses its key, or has refused it for [`KEY_RETRY_INTERVAL`]: the provider is called
    /// again only minutes later, but the key may be replaced before that.
    pub(super) async fn key_denied(&self) {
        let Some((clients, tip_service)) = &self.tips else {
            return pending().await;
        };
        loop {
            tokio::select! {
                () = clients.key_refused.notified() => return,
                () = sleep(KEY_RETRY_INTERVAL) => if tip_service.is_refused() {
                    return;
                },
            }
        }
    }

    /// Sends requests with the keys of `loaded` from now on. Returns the providers whose key changed; their circuit
    /// breakers are reset.
    async fn apply_keys(&self, loaded: &Loaded) -> Result<Vec<&str>, SetupError> {
        let Some((clients, tip_service)) = &self.tips else {
            return Ok(Vec::new());
        };
        let renewed = clients.renew_keys(&loaded.config)?;
        for provider in &renewed {
            tip_service.key_renewed(provider).await;
        }
        Ok(renewed)
    }

    /// Reads the provider keys again, because the refused one may have been replaced in its file.
    pub(super) async fn renew_keys(&mut self) {
        if self
            .keys_read
            .is_some_and(|read| read.elapsed() < KEY_RETRY_INTERVAL)
        {
            return;
        }
        self.keys_read = Some(Instant::now());
        let Some(loaded) = self.read().await else {
            return;
        };
        match self.apply_keys(&loaded).await {
            Ok(renewed) if renewed.is_empty() => {
                tracing::debug!("a provider refuses its key, and the settings have no other one");
            }
            Ok(renewed) => {
                let providers = renewed.join(", ");
                tracing::info!(
                    providers,
                    "a provider refused its key: its key was reloaded, and requests use the new one"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "provider keys cannot be renewed; they stay as they were");
            }
        }
    }

    /// The changed settings that need a restart.
    fn pending(&self, now: &[EffectiveSetting]) -> Vec<String> {
        let flag = |entry: &EffectiveSetting| entry.setting.flag();
        let was = |now: &&EffectiveSetting| {
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
