//! Sets up the subscriber of log lines: their format, their filter, and the filter's renewal while the process runs.
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic,
};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::ParseError,
    fmt::{self, MakeWriter, format::JsonFields},
    layer::SubscriberExt,
    reload,
    util::{SubscriberInitExt, TryInitError},
};

use super::{LineLimit, json::FlatJson};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// Lines for people; coloured on request.
    Text {
        /// Whether to write ANSI colours.
        color: bool,
    },
    /// One flat JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter is not understood.
    #[error("the log filter is not understood")]
    Filter(#[from] ParseError),
    /// Something in this process logs already.
    #[error("the log is already set up")]
    Twice(#[from] TryInitError),
    /// The log is no more.
    #[error("the log's filter cannot be changed")]
    Gone(#[from] reload::Error),
}

/// Logs what `filter` lets through to `writer`, from here to the end of the process.
///
/// # Errors
///
/// A filter that is not understood, or a second call.
pub fn init<W>(filter: &str, format: LineFormat, writer: W) -> Result<LogFilter, InitError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, changeable) = reload::Layer::new(parsed(filter)?);
    subscriber(filter, format, writer).try_init()?;
    Ok(LogFilter(changeable))
}

/// What the log lets through, which can be changed while it runs.
#[derive(Clone, Debug)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Lets through what `filter` does, and nothing else.
    ///
    /// # Errors
    ///
    /// A filter that is not understood; the one before stays.
    pub fn set(&self, filter: &str) -> Result<(), InitError> {
        Ok(self.0.reload(parsed(filter)?)?)
    }
}

fn parsed(filter: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{QUIET},{filter}"))
}

/// Logs panics too: written to standard error by whoever panicked, they would wait for its reader.
pub fn log_panics() {
    let lines = LineLimit::new();
    panic::set_hook(Box::new(move |panic| {
        let Some(left_out) = lines.admit() else {
            return;
        };
        let text = panic.payload_as_str().unwrap_or("no text");
        let location = panic.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        let is_captured = backtrace.status() == BacktraceStatus::Captured;
        let backtrace = is_captured.then(|| backtrace.to_string());
        tracing::error!(
            panic = text,
            location,
            backtrace,
            left_out,
            "a thread panicked"
        );
    }));
}

/// What libraries say again and again of what is told once, by the one that met it: connections that a
/// check of ours refused, what a database server tells each of its connections, every attempt of a
/// cluster client to repair itself, and every alert of TLS: failed handshakes are counted by reason. A filter that
/// names them wins.
const QUIET: &str = "sqlx_core::pool::inner=off,sqlx::pool::acquire=off,\
                     sqlx::postgres::notice=off,redis=off,rustls=error";

fn subscriber<W>(
    filter: impl Layer<Registry> + Send + Sync,
    format: LineFormat,
    writer: W,
) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // What cannot be formatted would be told to standard error, past the writer.
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
    let lines = match format {
        LineFormat::Text { color } => lines.with_ansi(color).boxed(),
        LineFormat::Json => lines
            .with_ansi(false)
            .fmt_fields(JsonFields::new())
            .event_format(FlatJson)
            .boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines)
}

#[cfg(test)]
#[path = "logging_tests.rs"]
mod tests;
