//! The replaced service's routes on the real FastAPI: `tests/oracle/old_routes.py`.
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
};

use crate::support::process::{self, Plan, Process};

/// The form that was planned, as the program and `--http-compat` call it.
pub const PLAN: &str = "plan";
/// The form that was deployed.
pub const DEPLOYED: &str = "deployed";

/// A server that runs.
pub struct OldService {
    _process: Process,
    pub addr: SocketAddr,
}

impl OldService {
    /// Serves `rows`, a JSON array, as [`PLAN`] or [`DEPLOYED`]; `state` is on, off or failing.
    pub fn start(form: &str, rows: &str, state: &str) -> Self {
        process::on_free_port("the replaced service", |port| {
            Self::start_on(port, form, rows, state)
        })
    }

    fn start_on(port: u16, form: &str, rows: &str, state: &str) -> Result<Self, String> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = top.join("tests/oracle/old_routes.py");
        let port_text = port.to_string();
        let args = [form, &port_text, "rows.json", state];
        let args = args.map(Into::into).into_iter();
        let process = Process::new(&Plan {
            program: top.join(".tools/fastapi/bin/python"),
            args: std::iter::once(program.into()).chain(args).collect(),
            env: Vec::new(),
            end_signal: "KILL",
            user: None,
        });
        fs::write(process.folder().join("rows.json"), rows).unwrap();
        process.start();
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        process.wait_until_ready(|| TcpStream::connect(addr).is_ok())?;
        Ok(Self {
            _process: process,
            addr,
        })
    }
}
