//! Replicas that speak HTTP, and requests to them.
use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    task::JoinSet,
    time::timeout,
};

use crate::{access::listeners::address, ops::scene::OPS, support::replica::Replica};

/// Lets a replica speak HTTP.
pub const HTTP: (&str, &str) = ("CATALOG_HTTP_ADDR", "127.0.0.1:0");
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One replica with a SQLite file, with HTTP and pages for operators.
pub async fn serving(settings: &[(&str, &str)]) -> Replica {
    let usual = [HTTP, OPS];
    let settings = usual.iter().chain(settings);
    let settings: Vec<_> = settings
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    Replica::start(&settings).await
}

/// Where a replica speaks HTTP, which its log tells.
pub fn http_addr(replica: &Replica) -> SocketAddr {
    address(replica, "http_addr").parse().unwrap()
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// A header that is there once, or not at all, which is an empty text.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// The body of an answer that went well.
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status, and the reason and the fields of the problem, which has all that a problem must have.
    pub fn problem(&self) -> (u16, String, Vec<String>) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.header("cache-control"), "no-store");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        let reason = problem["reason"].as_str().unwrap().to_owned();
        assert_eq!(
            problem["type"],
            format!("urn:challenges-catalog:error:{reason}")
        );
        let violations = problem["violations"].as_array();
        let fields = violations.into_iter().flatten();
        let fields = fields.map(|it| it["field"].as_str().unwrap().to_owned());
        (self.status, reason, fields.collect())
    }

    /// The values of a stream of JSON, a line each.
    pub fn lines(&self) -> Vec<Value> {
        assert_eq!(self.header("content-type"), "application/x-ndjson");
        let text = std::str::from_utf8(&self.body).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaking {
    Http1,
    Http2,
}

/// Both of them.
pub const BOTH: [Speaking; 2] = [Speaking::Http1, Speaking::Http2];

/// A connection of a client, for one request after the other.
pub struct Client {
    addr: SocketAddr,
    sender: Sender,
    _driver: JoinSet<()>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    pub async fn connect(addr: SocketAddr, speaking: Speaking) -> Self {
        let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
        let mut driver = JoinSet::new();
        let sender = match speaking {
            Speaking::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.unwrap();
                driver.spawn(async { connection.await.unwrap_or_default() });
                Sender::Http1(sender)
            }
            Speaking::Http2 => {
                let shaken = http2::handshake(TokioExecutor::new(), stream).await;
                let (sender, connection) = shaken.unwrap();
                driver.spawn(async { connection.await.unwrap_or_default() });
                Sender::Http2(sender)
            }
        };
        Self {
            addr,
            sender,
            _driver: driver,
        }
    }

    /// Sends a request whose URI is a path, and gives the response when its head has come.
    pub async fn begin(&mut self, request: Request<Bytes>) -> http::Response<Incoming> {
        let (mut head, body) = request.into_parts();
        let body = Full::new(body);
        let sent = match &mut self.sender {
            Sender::Http1(sender) => {
                let host = self.addr.to_string().parse().unwrap();
                head.headers.entry("host").or_insert(host);
                let sent = sender.send_request(Request::from_parts(head, body));
                timeout(PATIENCE, sent).await
            }
            Sender::Http2(sender) => {
                head.uri = format!("http://{}{}", self.addr, head.uri).parse().unwrap();
                let sent = sender.send_request(Request::from_parts(head, body));
                timeout(PATIENCE, sent).await
            }
        };
        sent.expect("an answer in time").unwrap()
    }

    pub async fn send(&mut self, request: Request<Bytes>) -> Answer {
        let (head, body) = self.begin(request).await.into_parts();
        let body = timeout(PATIENCE, body.collect()).await;
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.expect("a body in time").unwrap().to_bytes(),
        }
    }
}

/// A request without a body.
pub fn asking(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, value.as_bytes())
    });
    request.body(Bytes::new()).unwrap()
}

/// Reads a path over HTTP/1.1, on a connection of its own.
pub async fn get(replica: &Replica, path: &str) -> Answer {
    get_with(replica, path, &[]).await
}

/// As [`get`], with headers.
pub async fn get_with(replica: &Replica, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(replica, Method::GET, path, headers).await
}

/// A request without a body, over HTTP/1.1 on a connection of its own.
pub async fn ask(
    replica: &Replica,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut client = Client::connect(http_addr(replica), Speaking::Http1).await;
    client.send(asking(method, path, headers)).await
}

/// Sends a body of a type.
pub async fn send(
    replica: &Replica,
    (method, path): (Method, &str),
    kind: &str,
    body: impl Into<Bytes>,
) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(CONTENT_TYPE, kind);
    let mut client = Client::connect(http_addr(replica), Speaking::Http1).await;
    client.send(request.body(body.into()).unwrap()).await
}

/// Sends JSON.
pub async fn send_json(replica: &Replica, method: Method, path: &str, body: &Value) -> Answer {
    send(
        replica,
        (method, path),
        "application/json",
        body.to_string(),
    )
    .await
}

/// Sends bytes on a connection of its own, and reads until the server ends it.
pub async fn raw(addr: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let stream = TcpStream::connect(addr).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let reading = timeout(PATIENCE, reader.read_to_end(&mut answer));
    // A server that refuses the beginning need not take the rest, and may break the connection behind its answer.
    let (read, _) = tokio::join!(reading, writer.write_all(bytes.as_ref()));
    read.expect("the server ends the connection").ok();
    String::from_utf8(answer).unwrap()
}

/// The statuses of the answers that stand in what a connection brought.
pub fn statuses(answers: &str) -> Vec<u16> {
    let heads = answers.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head[..3].parse().unwrap()).collect()
}

/// What curl prints, by these arguments.
pub async fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20"])
        .args(arguments)
        .output()
        .await
        .expect("curl, which `make tools` installs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
