use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};
use uuid::Uuid;

use super::{
    compose::App,
    controls::Controls,
    descriptors::raise_limit,
    greeting::{Greet, Listening, introduce},
    monitor::{DEPENDENCIES, Monitor},
    reload::{ReadSettings, Reload},
    signals::Signals,
    view::Error,
};
use crate::{
    config::{Loaded, ServerConfig},
    domain::{CatalogReader, ListQuery, ReadOptions},
    ops::{self, Pages},
    server::{self, Admission, Connections, ServerSettings},
    telemetry::{Failing, FailureLog, LogFilter, LogQueue},
};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Longer than anybody pauses who reads; what the call holds, such as a connection to the database,
/// is others' then.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// One round of warming; what it did not manage is tried again.
const WARM_TIMEOUT: Duration = Duration::from_secs(5);
const WARM_PAUSE: Duration = Duration::from_millis(250);
/// Background work that does not end by then is left behind.
const TASKS_GRACE: Duration = Duration::from_secs(2);

/// Serves until it is told to leave by a signal; then says so, lets calls finish, and returns. A second
/// such signal ends the process at once.
///
/// # Errors
///
/// What kept it from serving.
pub async fn serve(
    loaded: Loaded,
    (log, filter): (LogQueue, LogFilter),
    read_again: ReadSettings,
    greet: Option<Greet>,
) -> Result<(), Error> {
    let config = &loaded.config;
    if greet.is_none() {
        introduce(config);
    }
    raise_limit(config.server.max_connections);
    let listener = bind(config.server.grpc_addr, "--grpc-addr")?;
    let addr = listener.local_addr()?;
    let operators = config.server.ops_addr;
    let operators = operators.map(|addr| bind(addr, "--ops-addr")).transpose()?;
    let mut signals = Signals::new(Reload::new(&loaded, filter, read_again))?;
    let ops_addr = operators.as_ref().map(TcpListener::local_addr);
    let ops_addr = ops_addr.transpose()?;
    let app = tokio::select! {
        app = App::build(config) => app?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before it served");
            return Ok(());
        }
    };
    signals
        .reload
        .reach(Arc::clone(&app.writers), Arc::clone(&app.board));
    let settings = server_settings(&config.server);
    let drain = CancellationToken::new();
    let edge = app.edge.clone();
    let facing = move |peer: SocketAddr, admission| match admission {
        Admission::Ordinary => edge.facing(peer.ip()),
        Admission::Spare(go) => edge.facing(peer.ip()).for_probes(go),
    };
    let open = Arc::new(Connections::at_most(settings.max_connections));
    if let Some(listener) = operators {
        start_ops(&app, app.pages(&loaded, &open, log), listener)?;
    }
    let serving = server::serve(listener, facing, settings, open, drain.clone());
    let serving = Serving {
        drain,
        drained: app.tasks.spawn(serving),
    };
    // Spans of their own tell the log lines of background work from those of calls.
    let warmed = warm(&app).instrument(info_span!("warm"));
    tokio::select! {
        () = warmed => {}
        signal = signals.next() => return stop(app, serving, &config.server, (signal, signals)).await,
    }
    app.health.set("startup", true).await;
    let mut controls = Controls::of(&app, config);
    controls.act().await;
    app.health.set_ready(true).await;
    let monitor = Monitor::of(&app, controls);
    app.run_until_stop(monitor.watch().instrument(info_span!("health")));
    let listening = Listening::at(addr, ops_addr)?;
    greet.unwrap_or_else(|| Box::new(Listening::log))(&listening);
    if let Some(file) = &config.server.port_file {
        write_address(file, addr).await?;
    }
    let signal = signals.next().await;
    stop(app, serving, &config.server, (signal, signals)).await
}

/// So many connections may come at once before they are accepted, as all clients of a replica do
/// that was replaced; the system may allow less (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

fn bind(addr: SocketAddr, flag: &str) -> Result<TcpListener, Error> {
    let listening = || {
        let socket = match addr {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|error: io::Error| {
        format!("cannot listen on {addr}: {error}; is another server running there? try {flag}")
            .into()
    })
}

/// Serves the pages for operators, as long as anything runs that they show.
fn start_ops(app: &App, pages: Pages, listener: TcpListener) -> Result<(), Error> {
    let (addr, pages) = (listener.local_addr()?, Arc::new(pages));
    app.run_until_stop(Arc::clone(&app.samples).keep());
    app.tasks
        .spawn(ops::serve(listener, pages, app.stop.clone()));
    tracing::info!(%addr, "pages for operators");
    Ok(())
}

/// Waits for the feed, then loads the queries that nearly all callers ask, until that worked once.
async fn warm(app: &App) {
    // An entry that was read before anything is known of changes is never valid.
    app.invalidation.first_poll().await;
    let outage = FailureLog::default();
    loop {
        let options = ReadOptions {
            min_version: None,
            deadline: (Instant::now() + WARM_TIMEOUT).into_std(),
        };
        let queries = ListQuery::common();
        let loads = queries.iter().map(|query| app.catalog.list(query, options));
        match try_join_all(loads).await {
            Ok(_) => return,
            Err(error) => {
                if let Some(Failing { failures, lasted }) = outage.failed() {
                    tracing::warn!(
                        %error, failures, ?lasted,
                        "not ready yet: the catalog cannot be read"
                    );
                }
            }
        }
        sleep(WARM_PAUSE).await;
    }
}

/// Writes the address in one step, so that no reader sees half of it, and follows no link that somebody
/// put there.
async fn write_address(file: &Path, addr: SocketAddr) -> Result<(), Error> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".{}.part", Uuid::new_v4().simple()));
    let written = async {
        let mut made = tokio::fs::File::create_new(&draft).await?;
        made.write_all(addr.to_string().as_bytes()).await?;
        made.flush().await?;
        tokio::fs::rename(&draft, file).await
    };
    written
        .await
        .map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}

/// The listener and its connections.
struct Serving {
    /// Asks it to accept no more and to let calls finish.
    drain: CancellationToken,
    drained: JoinHandle<server::Drained>,
}

/// Calls may run until they are drained, and streams are told to go on elsewhere; so what keeps their answers true ends
/// after them: a replica that left the registry must not call anything fresh.
async fn stop(
    mut app: App,
    serving: Serving,
    config: &ServerConfig,
    (signal, mut signals): (&'static str, Signals),
) -> Result<(), Error> {
    let leave = async {
        app.health.leave().await;
        tracing::info!(signal, delay = ?config.shutdown_delay, "leaving: not serving any more");
        sleep(config.shutdown_delay).await;
        serving.drain.cancel();
        app.leaving.cancel();
        app.health.close(&DEPENDENCIES).await;
        let drained = serving.drained.await?;
        app.stop.cancel();
        app.heartbeat.leave().await;
        app.tasks.close();
        let tasks_ended = timeout(TASKS_GRACE, app.tasks.wait()).await.is_ok();
        app.datastore.close().await;
        tracing::info!(connections_cut = drained.cut, tasks_ended, "stopped");
        Ok(())
    };
    tokio::select! {
        left = leave => left,
        signal = signals.next() => {
            tracing::warn!(signal, "second signal: leaving at once");
            Ok(())
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
