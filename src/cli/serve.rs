use std::io::{IsTerminal, stderr};

use clap::ArgMatches;

use super::{
    failure::{Failure, chain},
    runtime, settings,
};
use crate::{
    app,
    config::{Environment, LogConfig, LogFormat},
    telemetry::{self, Format},
};

/// Serves until told to stop.
pub(super) fn run(matches: &ArgMatches, environment: &Environment) -> Result<(), Failure> {
    let loaded = settings::loaded(matches, environment)?;
    let format = start_log(&loaded.config.log, &loaded.config.log.filter, environment)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let served = runtime::server()?.block_on(app::serve(loaded));
    served.map_err(|error| match format {
        // What collects JSON lines must be able to read the last one too.
        Format::Json => {
            tracing::error!(error = chain(error.as_ref()), "the server cannot run");
            Failure::quiet(1)
        }
        Format::Text { .. } => Failure::caused("the server cannot run", error.as_ref()),
    })
}

/// Starts the log with `filter`, in the format that the settings ask for.
pub(super) fn start_log(
    log: &LogConfig,
    filter: &str,
    environment: &Environment,
) -> Result<Format, Failure> {
    let terminal = stderr().is_terminal();
    let color = terminal && environment.get("NO_COLOR").is_none();
    let format = match (log.format, terminal) {
        (LogFormat::Json, _) | (LogFormat::Auto, false) => Format::Json,
        (LogFormat::Text, _) | (LogFormat::Auto, true) => Format::Text { color },
    };
    telemetry::init(filter, format).map_err(|error| Failure::caused("cannot log", &error))?;
    Ok(format)
}
