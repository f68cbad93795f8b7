//! Runs the server: bind, build, warm up, serve, drain on a signal.
use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::try_join_all;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use super::{
    compose::App,
    control_applier::ControlApplier,
    error::Error,
    file_descriptors::raise_limit,
    health_monitor::HealthMonitor,
    listeners::{Listeners, Services},
    ops::pages,
    output_file::OutputFile,
    reload::{ReadSettings, Reload},
    signals::Signals,
    startup_message::{Greet, Listening, log_settings},
};
use crate::{
    config::{Loaded, ServerConfig},
    domain::{CatalogReader, ListQuery, ReadOptions},
    ops::{self, Pages},
    server::ServerSettings,
    telemetry::{Failing, FailureLog, LogFilter, LogQueue},
};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// A caller that reads nothing for this long is cut off, to free what its call holds, such as a database
/// connection.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Supervisors send a signal to a process and to its group: what comes so soon after the first is the same one.
const SAME_SIGNAL: Duration = Duration::from_millis(500);
/// How long one attempt to warm the cache may take; a failed one is repeated.
const WARM_TIMEOUT: Duration = Duration::from_secs(5);
const WARM_PAUSE: Duration = Duration::from_millis(250);
/// How long shutdown waits for background work.
const TASKS_GRACE: Duration = Duration::from_secs(2);

/// Serves until a signal asks the server to stop; then reports that, lets calls finish, and returns. A second
/// signal ends the process at once.
///
/// # Errors
///
/// Why the server could not start.
pub async fn serve(
    loaded: Loaded,
    (log, filter): (LogQueue, LogFilter),
    read_again: ReadSettings,
    greet: Option<Greet>,
) -> Result<(), Error> {
    let config = &loaded.config;
    if greet.is_none() {
        log_settings(config);
    }
    raise_limit(config.server.max_connections);
    let mut listeners = Listeners::bind(&config.server, &config.http)?;
    forget_address(config.server.port_file.as_deref());
    let listening = Listening::at(&listeners, &config.access)?;
    let addr = listening.grpc;
    let mut signals = Signals::new(Reload::new(&loaded, filter, read_again))?;
    let app = tokio::select! {
        app = App::build(config) => app?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before it was ready to serve");
            return Ok(());
        }
    };
    signals.reload.set_tips(
        Arc::clone(&app.provider_clients),
        Arc::clone(&app.tip_service),
    );
    signals.reload.set_access(Arc::clone(&app.access.read_now));
    let settings = server_settings(&config.server);
    let drain = CancellationToken::new();
    if let Some(listener) = listeners.ops.take() {
        start_ops(&app, pages(&app, &loaded, log), listener)?;
    }
    let services = Services {
        http: app.http.clone(),
        edge: app.edge.clone(),
    };
    let (tls, open, tasks) = (app.access.tls.as_ref(), &app.connections, &app.tasks);
    let serving = Serving {
        drained: listeners.serve(&services, tls, &settings, open, &drain, tasks),
        drain,
    };
    // Spans of their own tell the log lines of background work from those of calls.
    let warmed = warm(&app).instrument(info_span!("warm"));
    tokio::select! {
        () = warmed => {}
        signal = signals.next() => return stop(app, serving, &config.server, (signal, signals)).await,
    }
    app.health.set_started();
    let mut controls = ControlApplier::new(&app);
    controls.apply();
    app.health.set_ready(true);
    let monitor = HealthMonitor::new(&app, controls);
    app.run_until_stop(monitor.run().instrument(info_span!("health")));
    greet.unwrap_or_else(|| Box::new(Listening::log))(&listening);
    let signal = tokio::select! {
        Err(error) = write_address(config.server.port_file.clone(), addr) => return Err(error),
        signal = signals.next() => signal,
    };
    stop(app, serving, &config.server, (signal, signals)).await
}

/// Serves the operator pages until all other work has ended.
fn start_ops(app: &App, pages: Pages, listener: TcpListener) -> Result<(), Error> {
    let (addr, pages) = (listener.local_addr()?, Arc::new(pages));
    app.run_until_stop(Arc::clone(&app.probe).run());
    app.tasks
        .spawn(ops::serve(listener, pages, app.stop.clone()));
    tracing::info!(%addr, "serving operator pages");
    Ok(())
}

/// Waits for the first poll, then loads the most common queries until that has succeeded once.
async fn warm(app: &App) {
    // An entry read before the first poll is never valid.
    app.invalidation.first_poll().await;
    let outage = FailureLog::default();
    loop {
        let options = ReadOptions {
            min_version: None,
            deadline: (Instant::now() + WARM_TIMEOUT).into_std(),
            may_load: true,
        };
        let queries = ListQuery::common();
        let loads = queries.iter().map(|query| app.catalog.list(query, options));
        match try_join_all(loads).await {
            Ok(_) => return,
            Err(error) => {
                if let Some(Failing { failures, lasted }) = outage.failed() {
                    tracing::warn!(
                        %error, failures, ?lasted,
                        "the catalog cannot be read; the replica is not ready until it can"
                    );
                }
            }
        }
        sleep(WARM_PAUSE).await;
    }
}

/// Removes what a server that was killed has told in `file`: whoever waits for the file would take it for this one's.
fn forget_address(file: Option<&Path>) {
    // A pipe, or whatever else was there before, is not ours to remove.
    if let Some(file) = file.filter(|file| file.is_file()) {
        let _ = fs::remove_file(file);
    }
}

/// Tells the address in `file`, in one step, so that no reader sees half of it. A pipe is waited for until somebody
/// reads it.
async fn write_address(file: Option<PathBuf>, addr: SocketAddr) -> Result<(), Error> {
    let Some(file) = file else {
        return Ok(());
    };
    let path = file.clone();
    let written = spawn_blocking(move || {
        let mut made = OutputFile::create(&path)?;
        made.write_all(addr.to_string().as_bytes())?;
        made.keep()
    });
    written
        .await?
        .map_err(|error: io::Error| format!("cannot write {}: {error}", file.display()).into())
}

/// The listener and its connections.
struct Serving {
    /// Stops accepting connections and lets calls finish.
    drain: CancellationToken,
    drained: JoinHandle<usize>,
}

/// Drains calls first, and only then ends the background work that keeps their answers correct: a replica that
/// has left the registry must not call an answer fresh.
async fn stop(
    app: Arc<App>,
    serving: Serving,
    config: &ServerConfig,
    (signal, mut signals): (&'static str, Signals),
) -> Result<(), Error> {
    let leave = async {
        app.health.leave();
        app.connections.begin_closing();
        tracing::info!(signal, delay = ?config.shutdown_delay, "shutting down: health is NOT_SERVING, and connections close after the delay");
        sleep(config.shutdown_delay).await;
        serving.drain.cancel();
        app.leaving.cancel();
        app.health.close();
        let connections_cut = serving.drained.await?;
        app.stop.cancel();
        app.heartbeat.leave().await;
        app.tasks.close();
        let tasks_ended = timeout(TASKS_GRACE, app.tasks.wait()).await.is_ok();
        app.datastore.close().await;
        tracing::info!(connections_cut, tasks_ended, "stopped");
        Ok(())
    };
    tokio::select! {
        left = leave => left,
        signal = second(&mut signals) => {
            tracing::warn!(signal, "second signal: exiting at once");
            Err("a second signal ended the server before its calls were finished".into())
        }
    }
}

/// Waits for a signal that is not the first one again.
async fn second(signals: &mut Signals) -> &'static str {
    let began = Instant::now();
    loop {
        let signal = signals.next().await;
        if began.elapsed() >= SAME_SIGNAL {
            return signal;
        }
    }
}

fn server_settings(config: &ServerConfig) -> ServerSettings {
    ServerSettings {
        max_connections: config.max_connections,
        handshake_timeout: HANDSHAKE_TIMEOUT,
        keepalive_interval: KEEPALIVE_INTERVAL,
        keepalive_timeout: KEEPALIVE_TIMEOUT,
        max_connection_age: config.connection_age,
        max_connection_age_grace: config.connection_age_grace,
        stall_timeout: STALL_TIMEOUT,
        shutdown_grace: config.shutdown_grace,
    }
}
