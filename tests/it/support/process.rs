//! A server process that cannot outlive the test process, and free ports.
use std::{
    env,
    ffi::OsString,
    fs,
    io::Write,
    net::TcpListener,
    ops::Range,
    os::unix::{
        fs::{MetadataExt, chown},
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::fs::statvfs;

use super::wait;

/// How long a server may take to come up or to go.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What to run, and how.
pub struct Plan {
    /// Found on `PATH` unless it is a path.
    pub program: PathBuf,
    /// The arguments; the same at each start.
    pub args: Vec<OsString>,
    /// Variables beside `PATH` and `HOME`, which are those of the test process.
    pub env: Vec<(String, String)>,
    /// The signal that ends it without delay and without a trace.
    pub end_signal: &'static str,
    /// A user that is not root, for what root may not run.
    pub user: Option<User>,
}

/// An operating system user.
#[derive(Clone, Copy)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
}

impl User {
    /// The user `postgres`, or `nobody`, when the tests run as root; else nobody to switch to.
    pub fn other_than_root() -> Option<Self> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let find = |name: &str| {
            let line = users
                .lines()
                .find(|line| line.split(':').next() == Some(name))?;
            let mut ids = line.split(':').skip(2).map(|id| id.parse().unwrap());
            Some(Self {
                uid: ids.next()?,
                gid: ids.next()?,
            })
        };
        find("postgres").or_else(|| find("nobody"))
    }
}

/// A program in a folder of its own, held by a shell that reads our end of a pipe: when that
/// closes, be it by `drop` or by the death of the test process, program and folder are gone.
pub struct Process {
    keeper: Mutex<Child>,
    folder: PathBuf,
}

impl Process {
    /// Makes the folder; nothing runs until [`Process::start`].
    pub fn new(plan: &Plan) -> Self {
        let usual = env::temp_dir();
        // Not TMPDIR for another user: root's may be closed to it.
        let within = plan.user.map_or(usual.as_path(), |_| Path::new("/tmp"));
        Self::within(within, plan)
    }

    /// The same, with the folder in memory where there is room: for a server that makes and deletes many files.
    pub fn in_memory(plan: &Plan) -> Self {
        let memory = Path::new("/dev/shm");
        let room = statvfs(memory).map_or(0, |it| it.f_bavail.saturating_mul(it.f_frsize));
        if room < MEMORY_MIN_BYTES {
            return Self::new(plan);
        }
        Self::within(memory, plan)
    }

    fn within(place: &Path, plan: &Plan) -> Self {
        let folder = folder(place, plan.user);
        let mut shell = Command::new("sh");
        shell.args(["-c", include_str!("keeper.sh"), "keeper.sh"]);
        shell.arg(&folder).arg(plan.end_signal).arg(&plan.program);
        shell.args(&plan.args).current_dir(&folder);
        // Nothing of the developer's settings, such as PGPORT or DATABASE_URL, gets in.
        shell.env_clear();
        shell.envs(["PATH", "HOME"].map(|name| (name, env::var_os(name).unwrap_or_default())));
        shell.envs(plan.env.iter().map(|(name, value)| (name, value)));
        // A group of its own: Ctrl-C in a terminal reaches the test, and through the pipe this.
        shell.process_group(0).stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(User { uid, gid }) = plan.user {
            shell.uid(uid).gid(gid);
        }
        let keeper = shell.spawn().expect("a POSIX shell");
        Self {
            keeper: Mutex::new(keeper),
            folder,
        }
    }

    /// Starts the program, again when it ran before.
    pub fn start(&self) {
        assert!(!self.is_running(), "the process runs already");
        for left in ["pid", "exit"] {
            fs::remove_file(self.folder.join(left)).ok();
        }
        let mut keeper = self.keeper.lock().unwrap();
        keeper.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        drop(keeper);
        assert!(
            wait::until(PATIENCE, || self.folder.join("pid").exists()),
            "the shell starts the program"
        );
    }

    /// Waits for `ready`; an early end or [`PATIENCE`] running out gives the program's log.
    pub fn wait_until_ready(&self, ready: impl Fn() -> bool) -> Result<(), String> {
        self.wait_until_ready_within(PATIENCE, ready)
    }

    /// As [`Process::wait_until_ready`], for a program that may take longer.
    pub fn wait_until_ready_within(
        &self,
        patience: Duration,
        ready: impl Fn() -> bool,
    ) -> Result<(), String> {
        let mut is_ready = false;
        wait::until(patience, || {
            is_ready = ready();
            is_ready || !self.is_running()
        });
        if is_ready && self.is_running() {
            return Ok(());
        }
        let missing = self.exit_status().and_then(|status| status.code()) == Some(127);
        assert!(
            !missing,
            "a server that the tests need is missing; run `make tools`: {}",
            self.log()
        );
        Err(format!("it did not come up; its log:\n{}", self.log()))
    }

    /// False before the start and after the end.
    pub fn is_running(&self) -> bool {
        self.folder.join("pid").exists() && self.exit_status().is_none()
    }

    /// How it ended; none while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let code = fs::read_to_string(self.folder.join("exit")).ok()?;
        let code: i32 = code.trim().parse().unwrap();
        // A shell says 128 and the number for a signal; wait(2) has it in the low bits.
        let raw = if code > 128 { code - 128 } else { code << 8 };
        Some(ExitStatus::from_raw(raw))
    }

    /// The process id of this run.
    pub fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.folder.join("pid")).unwrap();
        text.trim().parse().unwrap()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        send_signal(name, &[self.pid()]);
    }

    /// Freezes it; see [`pause`].
    pub fn pause(&self) {
        pause(self.pid());
    }

    /// Ends the pause.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Sends a signal that ends it, and waits for the end.
    pub fn stop(&self, signal: &str) {
        self.signal(signal);
        self.signal("CONT");
        assert!(
            wait::until(PATIENCE, || !self.is_running()),
            "still there after {signal}; its log:\n{}",
            self.log()
        );
    }

    /// What it wrote so far, in all its runs.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its working directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut keeper = self.keeper.lock().unwrap();
        drop(keeper.stdin.take());
        keeper.wait().ok();
    }
}

/// Sends a signal to processes; one that is gone by then is no fault.
pub fn send_signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"kill -s "$@""#, "kill", name])
        .args(pids);
    shell.stderr(Stdio::null()).status().unwrap();
}

/// Freezes a process, and waits until none of its threads runs: the signal alone returns before
/// that, and on a busy machine threads go on for milliseconds.
pub fn pause(pid: u32) {
    send_signal("STOP", &[pid]);
    let is_still = |task: PathBuf| {
        let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
        matches!(after_name(&stat).next(), Some("T" | "Z") | None)
    };
    // One that has ended by then runs no more.
    let is_stopped = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        tasks.map_or(true, |mut tasks| {
            tasks.all(|task| task.is_ok_and(|task| is_still(task.path())))
        })
    };
    assert!(
        wait::until(PATIENCE, is_stopped),
        "it runs on after the signal"
    );
}

/// The fields of a line of /proc behind `pid (name)`; the name may hold anything.
fn after_name(stat: &str) -> impl Iterator<Item = &str> {
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' '));
    fields.into_iter().flatten()
}

/// The processes that `parent` started and that are still there.
pub fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("the tests need Linux's /proc");
    let pids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        after_name(&stat).nth(1) == Some(parent.to_string().as_str())
    };
    pids.filter(is_child).collect()
}

/// The databases of a whole run take less.
const MEMORY_MIN_BYTES: u64 = 4 << 30;

/// A folder for a [`Process`], whose shell deletes it.
fn folder(place: &Path, user: Option<User>) -> PathBuf {
    let mut builder = tempfile::Builder::new();
    builder.prefix("catalog-test-");
    let folder = builder.tempdir_in(place).unwrap().keep();
    if let Some(User { uid, gid }) = user {
        chown(&folder, Some(uid), Some(gid)).unwrap();
    }
    folder
}

/// The ports that servers of tests get.
///
/// Below those that outgoing connections get, so that only another server can take one before
/// its owner binds; and so that port + 10000, the bus of a Redis Cluster, is below too.
const PORTS: Range<u16> = 17_000..22_700;

/// A port that nobody listens on.
///
/// Each is given once, before any is given again: a test may use it seconds later. Another test
/// process begins elsewhere.
pub fn free_port() -> u16 {
    static GIVEN: LazyLock<AtomicUsize> =
        LazyLock::new(|| AtomicUsize::new(rand::random_range(0..PORTS.len())));
    loop {
        let nth = GIVEN.fetch_add(1, Ordering::Relaxed) % PORTS.len();
        let port = PORTS.start + u16::try_from(nth).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Tries `start` on free ports until one was not taken by somebody else in between.
pub fn on_free_port<T>(name: &str, start: impl Fn(u16) -> Result<T, String>) -> T {
    let mut last = String::new();
    for _ in 0..5 {
        match start(free_port()) {
            Ok(server) => return server,
            Err(problem) => last = problem,
        }
    }
    panic!("{name}: {last}");
}
