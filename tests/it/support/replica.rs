//! The product as its users meet it: the built program, in a folder of its own.
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use challenges_catalog::pb::catalog::v1::challenges_catalog_client::ChallengesCatalogClient;
use tonic::transport::Channel;

use super::{
    process::{PATIENCE, Plan, Process},
    wait::eventually,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_challenges-catalog");
const PORT_FILE: &str = "port";
const ANY_PORT: &str = "127.0.0.1:0";

/// A server that runs.
pub struct Replica {
    process: Process,
    addr: SocketAddr,
}

impl Replica {
    /// Runs `serve` with these variables and waits until it serves.
    ///
    /// Without any it has a new SQLite file of its own and no Redis.
    pub async fn start(env: &[(&str, String)]) -> Self {
        let started = Self::try_start(env).await;
        started.unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// As [`Replica::start`]; its end and its log when it ends before it serves.
    pub async fn try_start(env: &[(&str, String)]) -> Result<Self, String> {
        Self::run(PROGRAM.into(), &[], ANY_PORT, env).await
    }

    /// As [`Replica::start`], at an address that a replica had before.
    pub async fn start_at(addr: SocketAddr, env: &[(&str, String)]) -> Self {
        let started = Self::run(PROGRAM.into(), &[], &addr.to_string(), env).await;
        started.unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// As [`Replica::start`], by a shell that does `before` first, such as to set limits.
    pub async fn start_after(before: &str, env: &[(&str, String)]) -> Self {
        let script = format!(r#"{before}; exec "$@""#);
        let before = ["-c", &script, "sh", PROGRAM];
        let started = Self::run("sh".into(), &before, ANY_PORT, env).await;
        started.unwrap_or_else(|problem| panic!("{problem}"))
    }

    async fn run(
        program: PathBuf,
        before: &[&str],
        addr: &str,
        env: &[(&str, String)],
    ) -> Result<Self, String> {
        let own = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
        let args = ["serve", "--grpc-addr", addr, "--port-file", PORT_FILE];
        let process = Process::new(&Plan {
            program,
            args: before.iter().chain(&args).map(Into::into).collect(),
            env: env.iter().map(own).collect(),
            end_signal: "KILL",
            user: None,
        });
        process.start();
        let port_file = process.folder().join(PORT_FILE);
        let addr = || {
            let text = fs::read_to_string(&port_file).unwrap_or_default();
            text.trim().parse().ok()
        };
        eventually("the replica serves, or ends", PATIENCE, || async {
            addr().is_some() || !process.is_running()
        })
        .await;
        let addr = addr().ok_or_else(|| {
            let (status, log) = (process.exit_status(), process.log());
            format!("it does not serve ({status:?}); its log:\n{log}")
        })?;
        Ok(Self { process, addr })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its working directory, where its SQLite file is unless the settings name another one.
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A client with a connection of its own.
    pub async fn client(&self) -> ChallengesCatalogClient<Channel> {
        let endpoint = Channel::from_shared(format!("http://{}", self.addr)).unwrap();
        ChallengesCatalogClient::new(endpoint.connect().await.unwrap())
    }

    /// Asks it to end, as Kubernetes does, and waits until it has.
    pub async fn sigterm_and_wait(&self) -> ExitStatus {
        self.end("TERM").await
    }

    /// Ends it as a crash does.
    pub async fn kill(&self) {
        self.end("KILL").await;
    }

    /// Sends a signal that ends it, and waits until it has.
    pub async fn end(&self, signal: &str) -> ExitStatus {
        self.process.signal(signal);
        eventually("the replica ends", PATIENCE, || async {
            self.process.exit_status().is_some()
        })
        .await;
        self.process.exit_status().unwrap()
    }

    /// Sends a signal that it lives on after.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Freezes it: connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Ends the pause.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// What it wrote to stdout and stderr so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
