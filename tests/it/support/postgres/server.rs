use std::{
    env,
    ffi::OsString,
    fs,
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

/// What the server writes of itself when it takes connections: as a primary, as a standby.
const READY: [&str; 2] = ["ready", "standby"];

/// A new empty database on the server that all tests share.
pub async fn fresh() -> Database {
    LazyLock::force(&SHARED).fresh().await
}

/// A server of the test's own, to be stopped, paused and killed.
pub fn own_server() -> Postgres {
    own_server_with(&[])
}

/// As [`own_server`], with settings such as `wal_level=logical` beside the usual ones.
pub fn own_server_with(settings: &[&str]) -> Postgres {
    process::on_free_port("PostgreSQL", |port| Postgres::start(port, settings, initdb))
}

/// A running server.
pub struct Postgres {
    process: Process,
    port: u16,
}

impl Postgres {
    /// `make_data` makes the folder `data`, given the folders of the programs and of the process.
    pub(super) fn start(
        port: u16,
        settings: &[&str],
        make_data: impl Fn(&Path, &Path, Option<User>),
    ) -> Result<Self, String> {
        let programs = programs();
        let user = User::other_than_root();
        let plan = Plan {
            program: programs.join("postgres"),
            args: arguments(port, &programs, settings),
            env: Vec::new(),
            end_signal: "QUIT",
            user,
        };
        let process = Process::in_memory(&plan);
        make_data(&programs, process.folder(), user);
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
            lines.first() == Some(&pid.as_str())
                && lines.get(7).is_some_and(|word| READY.contains(word))
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
        self.process.pause();
        let children = process::children_of(self.process.pid());
        children.into_iter().for_each(process::pause);
    }

    /// Ends the pause.
    pub fn resume(&self) {
        process::send_signal("CONT", &process::children_of(self.process.pid()));
        self.process.resume();
    }
}

/// One of the programs that come with the server, such as `pg_dump`.
pub fn program(name: &str) -> PathBuf {
    programs().join(name)
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

fn arguments(port: u16, programs: &Path, more: &[&str]) -> Vec<OsString> {
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
    settings.extend(more);
    args.extend(settings.into_iter().flat_map(|setting| ["-c", setting]));
    args.into_iter().map(Into::into).collect()
}

pub(super) fn initdb(programs: &Path, folder: &Path, user: Option<User>) {
    let args = [
        "--no-sync",
        "--no-instructions",
        "--auth=trust",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C",
        "-D",
        "data",
    ];
    run(&programs.join("initdb"), &args, folder, user);
    let access = folder.join("data/pg_hba.conf");
    let trusting = fs::read_to_string(&access).unwrap();
    let guard = format!("host all {GUARDED_ROLE} 127.0.0.1/32 scram-sha-256\n{trusting}");
    fs::write(&access, guard).unwrap();
}

/// Runs a program of the server's to its end, which must be a good one.
pub(super) fn run(program: &Path, args: &[&str], folder: &Path, user: Option<User>) {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    let done = command.output().unwrap();
    assert!(
        done.status.success(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&done.stderr)
    );
}
