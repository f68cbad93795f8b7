//! What the process is asked by signals.
use std::io::{IsTerminal, stdin};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{reload::Reload, view::Error};

/// Signals that ask the server to leave, each with calls finished first: SIGTERM, SIGINT, SIGQUIT,
/// and SIGHUP where somebody closed the terminal that it runs in. Any other SIGHUP asks it to read its
/// settings again.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    has_terminal: bool,
    pub(super) reload: Reload,
}

impl Signals {
    /// From here on the process does not end by them.
    pub(super) fn new(reload: Reload) -> Result<Self, Error> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            has_terminal: stdin().is_terminal(),
            reload,
        })
    }

    /// Waits until the server is asked to leave, and names the signal.
    pub(super) async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.quit.recv() => return "SIGQUIT",
                () = self.reload.key_denied() => self.reload.renew_keys().await,
                _ = self.hangup.recv() => {
                    if self.has_terminal {
                        return "SIGHUP";
                    }
                    self.reload.act().await;
                }
            }
        }
    }
}
