//! nginx as Debian installs it, on a free port, before replicas: nothing is set but where they are.
use std::{fs, net::SocketAddr, net::TcpStream};

use super::process::{self, Plan, Process, User};

/// A proxy that lives as long as the value.
pub struct Nginx {
    process: Process,
    port: u16,
}

impl Nginx {
    /// Passes `/v1/` on to `replicas` in turn, and serves an empty page at `/page.html`.
    pub fn before(replicas: &[SocketAddr]) -> Self {
        let servers = replicas.iter().map(|addr| format!("server {addr};"));
        let servers: String = servers.collect();
        process::on_free_port("nginx", |port| Self::start(port, &servers, ""))
    }

    /// The same before one replica, and keeps what may be kept; `x-cached` says whether it had an answer.
    pub fn caching(replica: SocketAddr) -> Self {
        let kept = "proxy_cache kept; proxy_cache_revalidate on; \
            add_header x-cached $upstream_cache_status;";
        let servers = format!("server {replica};");
        process::on_free_port("nginx", |port| Self::start(port, &servers, kept))
    }

    fn start(port: u16, servers: &str, kept: &str) -> Result<Self, String> {
        let process = Process::new(&Plan {
            program: "sh".into(),
            args: ["-c", r#"exec nginx -p "$PWD" -c nginx.conf -e stderr"#]
                .map(Into::into)
                .into(),
            // Debian puts it where only root looks.
            env: vec![(
                "PATH".to_owned(),
                "/usr/sbin:/usr/local/sbin:/usr/bin:/bin".to_owned(),
            )],
            end_signal: "TERM",
            user: User::other_than_root(),
        });
        let folder = process.folder();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|kind| format!("{kind}_temp_path {kind};"));
        let settings = format!(
            "daemon off; pid nginx.pid; events {{}}
            http {{
                access_log off; {} proxy_cache_path cache keys_zone=kept:1m;
                upstream catalog {{ {servers} }}
                server {{
                    listen 127.0.0.1:{port};
                    location /v1/ {{ proxy_pass http://catalog; {kept} }}
                    location / {{ root pages; default_type text/html; }}
                }}
            }}",
            temporary.concat()
        );
        fs::write(folder.join("nginx.conf"), settings).unwrap();
        fs::create_dir(folder.join("pages")).unwrap();
        fs::write(folder.join("pages/page.html"), "<!doctype html>").unwrap();
        process.start();
        process.wait_until_ready(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self { process, port })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The origin of its pages.
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// What it says of itself.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
