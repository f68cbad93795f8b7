//! The files that decide who comes in: certificates with their key, and the access file. Both are read again every
//! few seconds and on SIGHUP, each on its own: a problem of the one must not keep the other as it was.
//!
//! Contents are compared, not times of change: those miss the symbolic links that Kubernetes swaps, and network
//! mounts. A file that cannot be used changes nothing; the log and a metric say so.
use std::{path::Path, sync::Arc, time::Duration};

use tokio::{join, sync::Notify, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{clock::SystemClock, error::Error, watched_contents::WatchedContents};
use crate::{
    access::{AccessControl, AccessRules},
    config::{AccessConfig, ClientAuth, Problem, open_to_others, read_text, read_text_within},
    domain::Clock,
    server::{
        ClientCertificates, Connections, HandshakeFailures, Tls, TlsError, TlsFile, TlsMaterial,
    },
    telemetry::Page,
};

const READ_INTERVAL: Duration = Duration::from_secs(10);
/// An access file with a thousand entries is about 200 kB.
pub(super) const ACCESS_FILE_MAX_BYTES: u64 = 1 << 20;

/// Who comes in, as the files say, and the task that reads them again.
pub(super) struct AccessFiles {
    config: AccessConfig,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) control: Option<Arc<AccessControl>>,
    tls_files: WatchedContents<Option<TlsContents>>,
    access_file: WatchedContents<Option<String>>,
    /// Notified to have the files read at once.
    pub(super) read_now: Arc<Notify>,
}

/// The contents of the files of TLS.
#[derive(PartialEq, Eq)]
struct TlsContents {
    certificate: String,
    key: String,
    /// The authorities of callers.
    authorities: Option<String>,
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
        let (contents, tls) = load_tls(config, &connections.handshake_failures)?.unzip();
        let (text, rules) = load_rules(config)?.unzip();
        let control = rules.map(|rules| {
            warn_of_idle_entries(config, &rules);
            let (tasks, stop) = (tasks.clone(), stop.clone());
            AccessControl::new(rules, Arc::new(SystemClock), tasks, stop)
        });
        Ok(Self {
            tls: tls.map(Arc::new),
            control: control.map(Arc::new),
            config: config.clone(),
            tls_files: WatchedContents::new("TLS certificate", contents),
            access_file: WatchedContents::new("access file", text),
            read_now: Arc::default(),
        })
    }

    /// Reads the files again every few seconds, and when it is notified to; forever.
    pub(super) async fn keep_reading(self: Arc<Self>) {
        loop {
            let is_asked = tokio::select! {
                () = sleep(READ_INTERVAL) => false,
                () = self.read_now.notified() => true,
            };
            join!(self.read_tls(is_asked), self.read_rules(is_asked));
        }
    }

    async fn read_tls(&self, is_asked: bool) {
        let Some(tls) = &self.tls else {
            return;
        };
        let config = self.config.clone();
        let apply = |contents: &Option<TlsContents>| {
            let Some(contents) = contents else {
                return Ok(());
            };
            let renewed = tls.renew(
                &contents.material(self.config.tls_client_auth),
                now_seconds(),
            );
            renewed.map_err(|error| in_file(&self.config, &error))
        };
        let read = move || TlsContents::read(&config);
        let is_new = self.tls_files.read_again(is_asked, read, apply).await;
        if is_new || is_asked {
            warn_of_open(self.config.tls_key.as_deref());
        }
    }

    async fn read_rules(&self, is_asked: bool) {
        let Some(control) = &self.control else {
            return;
        };
        let config = self.config.clone();
        let apply = |text: &Option<String>| {
            let Some(text) = text else {
                return Ok(());
            };
            let rules = rules(&self.config, text)?;
            warn_of_idle_entries(&self.config, &rules);
            control.renew(rules);
            Ok(())
        };
        let read = move || access_text(&config);
        let is_new = self.access_file.read_again(is_asked, read, apply).await;
        if is_new || is_asked {
            warn_of_open(self.config.access_file.as_deref());
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

/// What keeps a server from starting with the files of `config`, by the setting of each.
#[must_use]
pub fn access_problems(config: &AccessConfig) -> Vec<Problem> {
    let tls = load_tls(config, &Arc::default()).err();
    let rules = load_rules(config).err();
    let named = [("tls_cert", tls), ("access_file", rules)].into_iter();
    let problem = |(name, text): (&str, Option<String>)| {
        let name = name.to_owned();
        text.map(|text| Problem { name, text })
    };
    named.filter_map(problem).collect()
}

fn load_tls(
    config: &AccessConfig,
    failures: &Arc<HandshakeFailures>,
) -> Result<Option<(TlsContents, Tls)>, String> {
    let Some(contents) = TlsContents::read(config)? else {
        return Ok(None);
    };
    let material = contents.material(config.tls_client_auth);
    let tls = Tls::new(&material, now_seconds(), Arc::clone(failures));
    let tls = tls.map_err(|error| in_file(config, &error))?;
    Ok(Some((contents, tls)))
}

fn load_rules(config: &AccessConfig) -> Result<Option<(String, AccessRules)>, String> {
    let Some(text) = access_text(config)? else {
        return Ok(None);
    };
    let rules = rules(config, &text)?;
    Ok(Some((text, rules)))
}

fn access_text(config: &AccessConfig) -> Result<Option<String>, String> {
    let path = config.access_file.as_deref();
    path.map(|path| read_text_within(path, ACCESS_FILE_MAX_BYTES))
        .transpose()
}

fn rules(config: &AccessConfig, text: &str) -> Result<AccessRules, String> {
    let told = |problem: &dyn std::fmt::Display| {
        let path = shown(config.access_file.as_deref());
        format!("{path}: {problem}")
    };
    let rules = AccessRules::parse(text).map_err(|error| told(&error))?;
    match rules.why_nobody_comes_in(now_seconds(), config.tls_client_ca.is_some()) {
        Some(reason) => Err(told(&reason)),
        None => Ok(rules),
    }
}

impl TlsContents {
    fn read(config: &AccessConfig) -> Result<Option<Self>, String> {
        let (Some(certificate), Some(key)) = (&config.tls_cert, &config.tls_key) else {
            return Ok(None);
        };
        let authorities = config.tls_client_ca.as_deref().map(read_text).transpose()?;
        Ok(Some(Self {
            certificate: read_text(certificate)?,
            key: read_text(key)?,
            authorities,
        }))
    }

    fn material(&self, client_auth: ClientAuth) -> TlsMaterial {
        let authorities = self.authorities.clone().map(String::into_bytes);
        let callers = match (client_auth, authorities) {
            (ClientAuth::Request, Some(authorities)) => ClientCertificates::Requested(authorities),
            (ClientAuth::Required, Some(authorities)) => ClientCertificates::Required(authorities),
            (ClientAuth::None, _) | (_, None) => ClientCertificates::NotAsked,
        };
        TlsMaterial {
            certificates: self.certificate.clone().into_bytes(),
            key: self.key.clone().into_bytes(),
            callers,
        }
    }
}

/// The error with the file that it is about.
fn in_file(config: &AccessConfig, error: &TlsError) -> String {
    let path = match error.file() {
        TlsFile::Certificate => &config.tls_cert,
        TlsFile::Key => &config.tls_key,
        TlsFile::Authorities => &config.tls_client_ca,
    };
    format!("{}: {error}", shown(path.as_deref()))
}

fn warn_of_open(path: Option<&Path>) {
    if let Some(warning) = path.and_then(open_to_others) {
        tracing::warn!("{warning}");
    }
}

fn warn_of_idle_entries(config: &AccessConfig, rules: &AccessRules) {
    for warning in rules.warnings(now_seconds(), config.tls_client_ca.is_some()) {
        tracing::warn!("{}: {warning}", shown(config.access_file.as_deref()));
    }
}

fn shown(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string())
        .unwrap_or_default()
}

fn now_seconds() -> i64 {
    SystemClock.now().split().0
}
