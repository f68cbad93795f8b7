//! Runs commands of the program to their end, and checks what they print.
use std::{process::Output, time::Duration};

use tokio::time::timeout;

use crate::support::program;

/// A password that must never be seen again.
pub const SECRET: &str = "S3CR3T";

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Asserts the code, and that what was said to people has each of `texts`; and no secret, nor a panic.
    pub fn with(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for text in texts {
            assert!(self.err.contains(text), "no {text:?} in {self:?}");
        }
        for never in [SECRET, "panicked", "RUST_BACKTRACE"] {
            assert!(!self.err.contains(never), "{never} in {self:?}");
            assert!(!self.out.contains(never), "{never} in {self:?}");
        }
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// Runs a command that ends by itself.
pub async fn run(arguments: &[&str], environment: &[(&str, String)]) -> Ended {
    let ended = timeout(
        Duration::from_secs(30),
        program::run(arguments, environment),
    );
    let ended = ended.await;
    ended.expect("the program ends by itself").into()
}

/// Runs `serve`, which must not come up; on a port that is certainly free.
pub async fn serve(environment: &[(&str, String)]) -> Ended {
    run(&["serve", "--grpc-addr", "127.0.0.1:0"], environment).await
}

/// The setting for a SQLite file.
pub fn sqlite(file: &std::path::Path) -> [(&'static str, String); 1] {
    [("DATABASE_URL", format!("sqlite:{}", file.display()))]
}
