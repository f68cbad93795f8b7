//! The command `serve`: starts the log, prints the banner, and runs the server until a signal stops it.
use std::{
    io::{IsTerminal, Write, stderr},
    sync::Arc,
};

use clap::ArgMatches;
use tracing_subscriber::fmt::MakeWriter;

use super::{
    banner::Banner,
    failure::{Failure, chain},
    runtime,
    screen::{self, Screen},
    settings,
};
use crate::{
    app::{self, Greet},
    config::{Config, EnvVars, LogConfig, LogFormat, load},
    telemetry::{self, LineFormat, LogFilter, LogQueue},
};

/// Serves until told to stop.
pub(super) fn run(
    matches: &ArgMatches,
    environment: &EnvVars,
    program: &str,
) -> Result<(), Failure> {
    let loaded = settings::loaded(matches, environment)?;
    let mut log = LogQueue::to_stderr().map_err(|error| Failure::caused(CANNOT_LOG, &error))?;
    let _last_words = log.guard();
    let settings = &loaded.config.log;
    let (format, filter) = start_log(settings, &settings.filter, environment, log.clone())?;
    telemetry::log_panics();
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let (flags, again) = (settings::flags(matches), environment.clone());
    let read_again = Arc::new(move || load(&flags, &again));
    let is_seen = matches!(format, LineFormat::Text { .. }) && stderr().is_terminal();
    let greet = is_seen.then(|| greeting(&loaded.config, program, log.clone(), environment));
    let work = app::serve(loaded, (log.clone(), filter.clone()), read_again, greet);
    let served = runtime::serve(work)?;
    served.map_err(|error| {
        match format {
            // What collects JSON lines must be able to read the last one too.
            LineFormat::Json => {
                // Whatever the filter lets through otherwise.
                let _ = filter.set("error");
                tracing::error!(error = chain(error.as_ref()), "the server cannot run");
            }
            LineFormat::Text { .. } => {
                let failure = Failure::caused("the server cannot run", error.as_ref());
                // By way of the log, whose reader is not waited for; it takes everything.
                let _ = writeln!(log, "{}", failure.text(environment));
            }
        }
        Failure::quiet(1)
    })
}

/// The banner, by way of the log, whose reader is not waited for.
fn greeting(config: &Config, program: &str, mut log: LogQueue, environment: &EnvVars) -> Greet {
    let banner = Banner::of(config, program);
    let width = screen::width_of(stderr(), environment);
    Box::new(move |listening| {
        let text = banner.text(listening, width);
        // It takes everything.
        let _ = writeln!(log, "{text}");
    })
}

const CANNOT_LOG: &str = "cannot log";

/// Starts the log with `filter`, in the format that the settings ask for.
pub(super) fn start_log<W>(
    log: &LogConfig,
    filter: &str,
    environment: &EnvVars,
    writer: W,
) -> Result<(LineFormat, LogFilter), Failure>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let screen = Screen::of(&stderr(), environment);
    let terminal = screen != Screen::None;
    let color = screen.has_color(environment);
    let format = match (log.format, terminal) {
        (LogFormat::Json, _) | (LogFormat::Auto, false) => LineFormat::Json,
        (LogFormat::Text, _) | (LogFormat::Auto, true) => LineFormat::Text { color },
    };
    let filter = telemetry::init(filter, format, writer);
    let filter = filter.map_err(|error| Failure::caused(CANNOT_LOG, &error))?;
    Ok((format, filter))
}
