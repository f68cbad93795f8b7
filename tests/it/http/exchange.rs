//! HTTP/1.1 by hand: what is asked goes out as it is written, and what comes back is looked at as it came.
use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::replica::Replica;

/// Whom requests name, whichever server gets them.
pub const HOST: &str = "catalog.example:8000";

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.unwrap_or(bytes.len()));
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
        Self {
            status: status.unwrap_or_else(|| panic!("an HTTP answer, not {first:?}")),
            headers: headers.collect(),
            body: body.get(4..).unwrap_or_default().to_vec(),
        }
    }

    /// A header, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = self.headers.iter().find(|(this, _)| this == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON: {}", self.text()))
    }
}

/// Sends a request without a body, on a connection of its own.
pub async fn ask(addr: SocketAddr, method: &str, target: &str) -> Answer {
    ask_with(addr, &format!("{method} {target} HTTP/1.1")).await
}

/// As [`ask`], with a request line and headers as they are written.
pub async fn ask_with(addr: SocketAddr, head: &str) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("{head}\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes));
    read.await.expect("an answer in time").unwrap();
    Answer::read(&bytes)
}

/// Lets a replica serve HTTP.
pub const HTTP: (&str, &str) = ("CATALOG_HTTP_ADDR", "127.0.0.1:0");

/// Where a replica serves HTTP, which its log tells.
pub fn http_addr(replica: &Replica) -> SocketAddr {
    let log = replica.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut told = lines.filter_map(|line: Value| line["http_addr"].as_str()?.parse().ok());
    told.next().expect("it tells where it serves HTTP")
}
