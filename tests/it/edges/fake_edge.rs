//! An edge of which a test says what it shows and whether it can be purged.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use super::fixture::{answer, header, line, ok};
use crate::support::scripted::Scripted;

/// An edge that is purged as Varnish is, and answers questions with a version that the test sets.
pub struct FakeEdge {
    pub server: Scripted,
    shown: Arc<Mutex<String>>,
    refuses: Arc<AtomicBool>,
}

impl FakeEdge {
    pub async fn start() -> Self {
        let shown = Arc::new(Mutex::new(String::new()));
        let refuses = Arc::new(AtomicBool::new(false));
        let (version, is_refused) = (Arc::clone(&shown), Arc::clone(&refuses));
        let server = Scripted::answering(move |exchange| {
            if line(exchange).starts_with("PURGE") {
                if is_refused.load(SeqCst) {
                    return answer("403 Forbidden\r\n", "who are you?");
                }
                return ok("");
            }
            let version = version.lock().unwrap();
            answer(&format!("200 OK\r\nx-catalog-version: {version}\r\n"), "{}")
        });
        Self {
            server: server.await,
            shown,
            refuses,
        }
    }

    /// From now on it shows this version.
    pub fn show(&self, version: &str) {
        version.clone_into(&mut self.shown.lock().unwrap());
    }

    /// From now on it lets nobody purge, or everybody.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, SeqCst);
    }

    /// The tags of each purge so far, with whether it was hard.
    pub fn purges(&self) -> Vec<(String, bool)> {
        let exchanges = self.server.exchanges();
        let purges = exchanges.iter().filter(|it| line(it).starts_with("PURGE"));
        let purges = purges.map(|purge| {
            let tags = header(purge, "xkey-purge").unwrap_or_default();
            (tags.to_owned(), header(purge, "xkey-soft").is_none())
        });
        purges.collect()
    }

    /// What it was asked so far.
    pub fn questions(&self) -> Vec<String> {
        let exchanges = self.server.exchanges();
        let questions = exchanges.iter().filter(|it| line(it).starts_with("GET"));
        questions
            .map(|question| line(question).to_owned())
            .collect()
    }
}
