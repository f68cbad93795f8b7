//! `PgBouncer` before a PostgreSQL server, on a free port, with its defaults but for what is given.
use std::{fs, net::TcpStream, os::unix::fs::chown};

use super::process::{self, Plan, Process, User};

/// A pooler that lives as long as the value.
pub struct PgBouncer {
    _process: Process,
    port: u16,
}

impl PgBouncer {
    /// Lends sessions of the server at `port` in this mode: `session` or `transaction`.
    pub fn before(port: u16, mode: &str) -> Self {
        process::on_free_port("PgBouncer", |own| Self::start(own, port, mode))
    }

    fn start(own: u16, port: u16, mode: &str) -> Result<Self, String> {
        let user = User::other_than_root();
        let process = Process::new(&Plan {
            // Debian puts it where only root looks.
            program: "pgbouncer".into(),
            args: ["pgbouncer.ini"].map(Into::into).into(),
            env: vec![(
                "PATH".to_owned(),
                "/usr/sbin:/usr/local/sbin:/usr/bin:/bin".to_owned(),
            )],
            end_signal: "INT",
            user,
        });
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={port}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = users.txt\npool_mode = {mode}\n"
        );
        for (name, text) in [
            ("pgbouncer.ini", settings.as_str()),
            ("users.txt", "\"postgres\" \"\"\n"),
        ] {
            let path = process.folder().join(name);
            fs::write(&path, text).unwrap();
            if let Some(User { uid, gid }) = user {
                chown(&path, Some(uid), Some(gid)).unwrap();
            }
        }
        process.start();
        process.wait_until_ready(|| TcpStream::connect(("127.0.0.1", own)).is_ok())?;
        Ok(Self {
            _process: process,
            port: own,
        })
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}
