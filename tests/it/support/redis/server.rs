use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bb8_redis::redis::{self, Cmd, FromRedisValue, IntoConnectionInfo};

use crate::support::process::{self, Plan, Process};

const DUMP: &str = "dump.rdb";

/// A server of the test's own, empty.
pub fn start() -> Redis {
    process::on_free_port("Redis", |port| Redis::start(port, &[]))
}

/// As [`start`], with arguments beside the usual ones.
pub fn start_with(extra: &[&str]) -> Redis {
    process::on_free_port("Redis", |port| Redis::start(port, extra))
}

/// A running server.
pub struct Redis {
    process: Process,
    port: u16,
    asked: AtomicU64,
    dumps: AtomicU64,
}

impl Redis {
    pub(super) fn start(port: u16, extra: &[&str]) -> Result<Self, String> {
        let port_text = port.to_string();
        let mut args = vec!["--bind", "127.0.0.1", "--port", &port_text];
        args.extend(["--save", "", "--appendonly", "no", "--dbfilename", DUMP]);
        args.extend(extra);
        let plan = Plan {
            program: "redis-server".into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            end_signal: "KILL",
            user: None,
        };
        let server = Self {
            process: Process::new(&plan),
            port,
            asked: AtomicU64::new(0),
            dumps: AtomicU64::new(0),
        };
        server.process.start();
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        // The process id tells it from somebody else's server on the same port.
        let ours = format!("process_id:{}\r\n", self.process.pid());
        let ready = || self.try_ask::<String>(redis::cmd("INFO").arg("server"));
        self.process
            .wait_until_ready(|| ready().is_ok_and(|answer| answer.contains(&ours)))?;
        self.asked.store(0, Ordering::Relaxed);
        self.ask::<()>(redis::cmd("CONFIG").arg("RESETSTAT"));
        self.asked.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks a command, such as `redis::cmd("GET").arg("key")`, in the harness's own name.
    pub fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        self.try_ask(command)
            .unwrap_or_else(|problem| panic!("Redis: {problem}"))
    }

    /// As [`Redis::ask`], of a server that may be ending its connections.
    pub fn try_ask<T: FromRedisValue>(&self, command: &Cmd) -> redis::RedisResult<T> {
        let info = self.url().into_connection_info()?;
        // Without its greeting, a connection costs the server no command.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let client = redis::Client::open(info.set_redis_settings(settings))?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        connection.set_read_timeout(Some(process::PATIENCE))?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        command.query(&mut connection)
    }

    /// How many commands others than the harness have sent since the server started.
    pub fn command_count(&self) -> u64 {
        let own = self.asked.load(Ordering::Relaxed);
        let stats: String = self.ask(redis::cmd("INFO").arg("stats"));
        let total = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"))
            .expect("INFO stats counts commands");
        total.trim().parse::<u64>().unwrap() - own
    }

    /// Ends it at once: every connection breaks, and new ones are refused.
    pub fn kill(&self) {
        self.process.stop("KILL");
    }

    /// Kills it if it runs, and starts it on the same port, empty.
    pub fn restart_empty(&self) {
        self.restart(None);
    }

    /// Kills it if it runs, and starts it on the same port with what it held at [`Redis::save_dump`].
    pub fn restart_with(&self, dump: &Path) {
        self.restart(Some(dump));
    }

    fn restart(&self, dump: Option<&Path>) {
        if self.process.is_running() {
            self.kill();
        }
        let loaded = self.process.folder().join(DUMP);
        fs::remove_file(&loaded).ok();
        if let Some(dump) = dump {
            fs::copy(dump, &loaded).unwrap();
        }
        self.process.start();
        self.wait_until_ready().unwrap();
    }

    /// Keeps what it holds; the file lives as long as the server.
    pub fn save_dump(&self) -> PathBuf {
        self.ask::<()>(&redis::cmd("SAVE"));
        let number = self.dumps.fetch_add(1, Ordering::Relaxed);
        let folder = self.process.folder();
        let kept = folder.join(format!("kept-{number}.rdb"));
        fs::rename(folder.join(DUMP), &kept).unwrap();
        kept
    }

    /// Lets its dumps fail from here on, so that it refuses writes (`MISCONF`).
    pub fn fail_dumps(&self) {
        fs::create_dir(self.process.folder().join(DUMP)).unwrap();
        self.ask::<()>(redis::cmd("CONFIG").arg(&["SET", "save", "3600 1"]));
        self.ask::<()>(&redis::cmd("BGSAVE"));
    }

    /// It needs no dumps from here on.
    pub fn forgo_dumps(&self) {
        self.ask::<()>(redis::cmd("CONFIG").arg(&["SET", "save", ""]));
    }

    /// Holds every client's commands back for a while (`CLIENT PAUSE`).
    pub fn pause_clients(&self, pause: Duration) {
        let millis = u64::try_from(pause.as_millis()).unwrap();
        self.ask::<()>(redis::cmd("CLIENT").arg("PAUSE").arg(millis));
    }

    /// Freezes it: connections stay open, and nothing answers.
    pub fn freeze(&self) {
        self.process.pause();
    }

    /// Ends the freeze.
    pub fn thaw(&self) {
        self.process.resume();
    }

    /// Forgets every key.
    pub fn flush(&self) {
        self.ask::<()>(&redis::cmd("FLUSHALL"));
    }
}
