//! Process signals: which of them stop the server, and which reload its settings.
use std::io::{IsTerminal, stdin};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{error::Error, reload::Reload};

/// SIGTERM, SIGINT and SIGQUIT stop the server after its calls have finished, and so does SIGHUP when the server
/// runs in a terminal, because that signal means that the terminal was closed. Otherwise SIGHUP reloads the settings.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    has_terminal: bool,
    pub(super) reload: Reload,
}

impl Signals {
    /// Installs the handlers; from here on these signals do not end the process by themselves.
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

    /// Waits for a signal that stops the server and returns its name. Reloads settings meanwhile.
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
                    self.reload.reload().await;
                }
            }
        }
    }
}
