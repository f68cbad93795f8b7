//! Varnish with the VCL that docs/edges.md shows, on a free port, before an origin of the test.
use std::{fs, net::TcpStream, time::Duration};

use super::process::{self, Plan, Process};

/// Compiling VCL takes a C compiler's time.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cache that lives as long as the value.
pub struct Varnish {
    _process: Process,
    port: u16,
}

impl Varnish {
    /// Caches what `origin`, a base URL on 127.0.0.1, answers.
    pub fn before(origin: &str) -> Self {
        Self::with(origin, "")
    }

    /// The same, where the subroutines in `first` run before those of the document.
    pub fn with(origin: &str, first: &str) -> Self {
        let port = origin.rsplit(':').next().unwrap();
        let import = "import xkey;\n";
        let vcl = documented_vcl().replace(import, &format!("{import}{first}"));
        let vcl = vcl.replace(".port = \"8080\"", &format!(".port = \"{port}\""));
        assert!(vcl.contains(port), "the VCL names its origin");
        process::on_free_port("Varnish", |own| Self::start(own, &vcl))
    }

    fn start(own: u16, vcl: &str) -> Result<Self, String> {
        // Any user may run it. Its paths are taken from elsewhere, so they are whole.
        let script =
            r#"exec varnishd -F -j none -n "$PWD/work" -f "$PWD/cache.vcl" -s malloc,16m -a "$1""#;
        let address = format!("127.0.0.1:{own}");
        let process = Process::new(&Plan {
            program: "sh".into(),
            args: ["-c", script, "sh", &address].map(Into::into).into(),
            // Debian puts it where only root looks.
            env: vec![(
                "PATH".to_owned(),
                "/usr/sbin:/usr/local/sbin:/usr/bin:/bin".to_owned(),
            )],
            end_signal: "TERM",
            user: None,
        });
        let folder = process.folder();
        fs::write(folder.join("cache.vcl"), vcl).unwrap();
        process.start();
        let is_ready = || TcpStream::connect(("127.0.0.1", own)).is_ok();
        process.wait_until_ready_within(PATIENCE, is_ready)?;
        Ok(Self {
            _process: process,
            port: own,
        })
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// The VCL of docs/edges.md.
fn documented_vcl() -> String {
    let document = include_str!("../../../docs/edges.md");
    let (_, rest) = document.split_once("```vcl\n").expect("a block of VCL");
    rest.split_once("```").unwrap().0.to_owned()
}
