//! The files that decide who comes in: certificates, their key, and the access file. They are read again every
//! few seconds and on SIGHUP.
//!
//! Contents are compared, not times of change: those miss the symbolic links that Kubernetes swaps, and network
//! mounts. A file that cannot be used changes nothing; the log and a metric say so.
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{clock::SystemClock, error::Error};
use crate::{
    access::{AccessControl, AccessRules},
    config::{AccessConfig, ClientAuth, read_text, read_text_within},
    domain::Clock,
    server::{ClientCertificates, Connections, Tls, TlsMaterial},
    telemetry::{Failing, FailureLog, Page},
};

const READ_INTERVAL: Duration = Duration::from_secs(10);
/// How long reading all files may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// An access file with a thousand entries is about 200 kB.
const ACCESS_FILE_MAX_BYTES: u64 = 1 << 20;

/// Who comes in, as the files say, and the task that reads them again.
pub(super) struct AccessFiles {
    config: AccessConfig,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) control: Option<Arc<AccessControl>>,
    at_start: Contents,
    tls_files: WatchedFile,
    access_file: WatchedFile,
    /// Notified to have the files read at once.
    pub(super) read_now: Arc<Notify>,
}

/// What is known of files that are read again and again.
#[derive(Default)]
struct WatchedFile {
    is_refused: AtomicBool,
    outage: FailureLog,
}

/// The contents of the files; `None` where none is set.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    /// Certificate, key, and the authorities of callers.
    tls: Option<(String, String, Option<String>)>,
    access: Option<String>,
}

impl AccessFiles {
    /// Reads the files of `config`. Failed handshakes are counted with `connections`; keys of issuers are fetched by
    /// `tasks` until `stop`.
    ///
    /// # Errors
    ///
    /// Which file cannot be used, and why.
    pub(super) fn load(
        config: &AccessConfig,
        connections: &Connections,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let contents = Contents::read(config)?;
        let tls = contents.material(config).map(|material| {
            let failures = Arc::clone(&connections.handshake_failures);
            let tls = Tls::new(&material, now_seconds(), failures);
            tls.map_err(|error| format!("{}: {error}", shown(config.tls_cert.as_deref())))
        });
        let control = contents.access.as_deref().map(|text| {
            let rules = AccessRules::parse(text);
            let rules = rules.map_err(|error| refused_access_file(config, &error))?;
            let clock = Arc::new(SystemClock);
            Ok::<_, String>(AccessControl::new(
                rules,
                clock,
                tasks.clone(),
                stop.clone(),
            ))
        });
        Ok(Self {
            tls: tls.transpose()?.map(Arc::new),
            control: control.transpose()?.map(Arc::new),
            config: config.clone(),
            at_start: contents,
            tls_files: WatchedFile::default(),
            access_file: WatchedFile::default(),
            read_now: Arc::default(),
        })
    }

    /// Reads the files again every few seconds, and when it is notified to; forever.
    pub(super) async fn keep_reading(self: Arc<Self>) {
        let mut before = self.at_start.clone();
        loop {
            tokio::select! {
                () = sleep(READ_INTERVAL) => {}
                () = self.read_now.notified() => {}
            }
            let config = self.config.clone();
            let read = spawn_blocking(move || Contents::read(&config));
            let now = match timeout(READ_TIMEOUT, read).await {
                Ok(Ok(Ok(now))) => now,
                Ok(Ok(Err(problem))) => {
                    self.tls_files.refuse(&problem);
                    continue;
                }
                Ok(Err(_)) | Err(_) => {
                    self.tls_files.refuse("the files were not read in time");
                    continue;
                }
            };
            self.apply(&before, &now);
            before = now;
        }
    }

    /// Has what changed take force; what could not be used is tried again as well: its time may have come.
    fn apply(&self, before: &Contents, now: &Contents) {
        if let (Some(tls), Some(material)) = (&self.tls, now.material(&self.config))
            && (before.tls != now.tls || self.tls_files.is_refused())
        {
            let renewed = tls.renew(&material, now_seconds());
            self.tls_files.note(renewed, "TLS certificate");
        }
        if let (Some(control), Some(text)) = (&self.control, &now.access)
            && (before.access != now.access || self.access_file.is_refused())
        {
            let rules = AccessRules::parse(text);
            let rules = rules.map_err(|error| refused_access_file(&self.config, &error));
            let applied = rules.map(|rules| control.renew(rules));
            self.access_file.note(applied, "access file");
        }
    }

    /// Writes whether the files in force are those that are there, and when the certificate expires.
    pub(super) fn collect(&self, page: &mut Page) {
        let mut refused = page.gauge(
            "catalog_reload_refused",
            "1 while a file that changed cannot be used, and what was read before is in force.",
        );
        if self.tls.is_some() {
            refused.sample(&[("file", "tls")], u8::from(self.tls_files.is_refused()));
        }
        if self.control.is_some() {
            refused.sample(
                &[("file", "access")],
                u8::from(self.access_file.is_refused()),
            );
        }
        if let Some(tls) = &self.tls {
            tls.collect(page);
        }
        if let Some(control) = &self.control {
            control.collect(page);
        }
    }
}

impl WatchedFile {
    fn is_refused(&self) -> bool {
        self.is_refused.load(Relaxed)
    }

    fn refuse(&self, problem: &str) {
        self.is_refused.store(true, Relaxed);
        if let Some(Failing { failures, lasted }) = self.outage.failed() {
            tracing::warn!(
                problem,
                failures,
                ?lasted,
                "files of certificates or access cannot be used; what was read before stays in force"
            );
        }
    }

    /// Takes in how new contents were applied.
    fn note(&self, applied: Result<(), impl ToString>, what: &str) {
        match applied {
            Ok(()) => {
                self.is_refused.store(false, Relaxed);
                self.outage.worked();
                tracing::info!("the {what} was read again, and is in force for new calls");
            }
            Err(problem) => self.refuse(&problem.to_string()),
        }
    }
}

impl Contents {
    fn read(config: &AccessConfig) -> Result<Self, String> {
        let text = |path: &Path| {
            let text = read_text(path);
            text.map_err(|problem| format!("{}: {problem}", path.display()))
        };
        let tls = match (&config.tls_cert, &config.tls_key) {
            (Some(certificate), Some(key)) => {
                let authorities = config.tls_client_ca.as_deref().map(text).transpose()?;
                Some((text(certificate)?, text(key)?, authorities))
            }
            (None, _) | (_, None) => None,
        };
        let access = config.access_file.as_deref();
        let access = access.map(|path| {
            let text = read_text_within(path, ACCESS_FILE_MAX_BYTES);
            text.map_err(|problem| format!("{}: {problem}", path.display()))
        });
        Ok(Self {
            tls,
            access: access.transpose()?,
        })
    }

    fn material(&self, config: &AccessConfig) -> Option<TlsMaterial> {
        let (certificates, key, authorities) = self.tls.as_ref()?;
        let authorities = authorities.as_ref().map(|text| text.clone().into_bytes());
        let callers = match (config.tls_client_auth, authorities) {
            (ClientAuth::Request, Some(authorities)) => ClientCertificates::Requested(authorities),
            (ClientAuth::Required, Some(authorities)) => ClientCertificates::Required(authorities),
            (ClientAuth::None, _) | (_, None) => ClientCertificates::NotAsked,
        };
        Some(TlsMaterial {
            certificates: certificates.clone().into_bytes(),
            key: key.clone().into_bytes(),
            callers,
        })
    }
}

fn refused_access_file(config: &AccessConfig, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", shown(config.access_file.as_deref()))
}

fn shown(path: Option<&Path>) -> String {
    path.map(|path: &Path| PathBuf::from(path).display().to_string())
        .unwrap_or_default()
}

fn now_seconds() -> i64 {
    SystemClock.now().split().0
}
