use std::{
    env, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use super::Database;
use crate::support::process::{self, Plan, Process, User};

/// Everybody gets in without a password, but this role, which needs [`GUARDED_PASSWORD`].
pub(super) const GUARDED_ROLE: &str = "guarded";
/// The right password of [`GUARDED_ROLE`].
pub const GUARDED_PASSWORD: &str = "right";

static SHARED: LazyLock<Postgres> = LazyLock::new(own_server);

/// A new empty database on the server that all tests share.
pub async fn fresh() -> Database {
    LazyLock::force(&SHARED).fresh().await
}

/// A server of the test's own, to be stopped, paused and killed.
pub fn own_server() -> Postgres {
    process::on_free_port("PostgreSQL", Postgres::start)
}

/// A running server.
pub struct Postgres {
    process: Process,
    port: u16,
}

impl Postgres {
    fn start(port: u16) -> Result<Self, String> {
        let programs = programs();
        let user = User::other_than_root();
        let plan = Plan {
            program: programs.join("postgres"),
            args: arguments(port, &programs),
            env: Vec::new(),
            end_signal: "QUIT",
            user,
        };
        let process = Process::new(&plan);
        initdb(&programs, process.folder(), user);
        let server = Self { process, port };
        server.process.start();
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        // Its own word, as pg_ctl takes it: a connection could reach somebody else's server.
        let status = self.process.folder().join("data/postmaster.pid");
        let pid = self.process.pid().to_string();
        self.process.wait_until_ready(|| {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let lines: Vec<_> = text.lines().map(str::trim).collect();
            lines.first() == Some(&pid.as_str()) && lines.get(7) == Some(&"ready")
        })
    }

    /// A new empty database here.
    pub async fn fresh(&self) -> Database {
        Database::create(self.port).await
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, as a crash does: every connection breaks, nothing committed is lost.
    pub fn kill(&self) {
        self.process.stop("QUIT");
    }

    /// Starts it again after [`Postgres::kill`], on the same port with the same data.
    pub fn restart(&self) {
        self.process.start();
        self.wait_until_ready().unwrap();
    }

    /// Freezes it: connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.process.signal("STOP");
        process::send_signal("STOP", &process::children_of(self.process.pid()));
    }

    /// Ends the pause.
    pub fn resume(&self) {
        process::send_signal("CONT", &process::children_of(self.process.pid()));
        self.process.signal("CONT");
    }
}

/// The folder of `postgres` and `initdb`: on `PATH`, or where Debian puts them.
fn programs() -> PathBuf {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = env::split_paths(&on_path).collect();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut packaged: Vec<_> = versions.map(|entry| entry.unwrap().path()).collect();
    packaged.sort();
    folders.extend(packaged.into_iter().rev().map(|folder| folder.join("bin")));
    let initdb = folders.iter().find_map(|folder| {
        // Resolved, because the server looks for its libraries beside its true place.
        fs::canonicalize(folder.join("initdb")).ok()
    });
    let initdb = initdb.expect("the tests need PostgreSQL 14 or later; run `make tools`");
    initdb.parent().unwrap().to_owned()
}

fn arguments(port: u16, programs: &Path) -> Vec<std::ffi::OsString> {
    let port = port.to_string();
    let mut args = vec!["-D", "data", "-p", &port, "-k", ""];
    let mut settings = vec![
        "listen_addresses=127.0.0.1",
        "fsync=off",
        "full_page_writes=off",
        "max_connections=300",
        "shared_buffers=64MB",
        "track_commit_timestamp=on",
    ];
    let libraries = programs.parent().unwrap().join("lib");
    if libraries.join("pg_stat_statements.so").exists()
        || libraries.join("postgresql/pg_stat_statements.so").exists()
    {
        settings.push("shared_preload_libraries=pg_stat_statements");
    }
    args.extend(settings.into_iter().flat_map(|setting| ["-c", setting]));
    args.into_iter().map(Into::into).collect()
}

fn initdb(programs: &Path, folder: &Path, user: Option<User>) {
    let mut initdb = Command::new(programs.join("initdb"));
    initdb.args(["--no-sync", "--no-instructions", "--auth=trust"]);
    initdb.args([
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C",
        "-D",
        "data",
    ]);
    initdb.current_dir(folder);
    if let Some(user) = user {
        initdb.uid(user.uid).gid(user.gid);
    }
    let made = initdb.output().unwrap();
    assert!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let access = folder.join("data/pg_hba.conf");
    let trusting = fs::read_to_string(&access).unwrap();
    let guard = format!("host all {GUARDED_ROLE} 127.0.0.1/32 scram-sha-256\n{trusting}");
    fs::write(&access, guard).unwrap();
}
