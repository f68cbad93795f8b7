//! Replicas with pages for operators, and what those show.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    access::scene::Files,
    support::{
        fleet::Fleet, replica::Replica, scripted::Act, scripted::Scripted, wait::eventually,
    },
    tips::{
        provider::{ordering_at, piece, silence},
        wire_stream::{hear, question},
    },
};

/// Lets a replica have pages for operators.
pub const OPS: (&str, &str) = ("CATALOG_OPS_ADDR", "127.0.0.1:0");

/// Where the pages of a replica are, which its log tells.
pub fn ops_addr(replica: &Replica) -> SocketAddr {
    let log = replica.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut told = lines.filter(|line: &Value| line["message"] == "serving operator pages");
    let line = told.next().expect("it tells where its pages are");
    line["addr"].as_str().unwrap().parse().unwrap()
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends `head`, a request line and headers, and reads until the server has no more to say.
pub async fn ask(addr: SocketAddr, head: &str) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("{head}\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes));
    // A server that refuses a request may break the connection behind its answer.
    read.await.expect("an answer in time").ok();
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

/// Reads a page.
pub async fn get(addr: SocketAddr, path: &str) -> Answer {
    ask(addr, &format!("GET {path} HTTP/1.1")).await
}

/// The metrics of a replica, as text.
pub async fn metrics(replica: &Replica) -> String {
    let answer = get(ops_addr(replica), "/metrics").await;
    assert_eq!(answer.status, 200);
    answer.body
}

/// The value of the one metric that is written so, such as `catalog_connections`; 0 where it is not.
pub fn metric(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

/// What a page has of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub kind: String,
    pub labels: BTreeSet<String>,
}

/// Every name of a page, with its type and all labels that any of its metrics has.
pub fn shown(page: &str) -> BTreeMap<String, Shown> {
    let mut names: BTreeMap<String, Shown> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            name.clone_into(&mut current);
            kind.clone_into(&mut names.entry(current.clone()).or_default().kind);
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&current), "{line} stands under {current}");
            let of_name = names.get_mut(&current).unwrap();
            let labels = line
                .split_once('{')
                .and_then(|(_, rest)| rest.rsplit_once('}'));
            let labels = labels.map_or("", |(labels, _)| labels).split("\",");
            let labels = labels.filter_map(|pair| pair.split_once('='));
            let own = labels
                .map(|(label, _)| label)
                .filter(|label| *label != "le");
            of_name.labels.extend(own.map(str::to_owned));
        }
    }
    names
}

/// A replica with everything that has metrics: PostgreSQL, Redis, HTTP, a budget, and a provider that
/// breaks off after the first words; and one with TLS and an access file, which names an issuer.
pub struct Everything {
    pub fleet: Fleet,
    secured: Replica,
    _files: Files,
    _provider: Scripted,
}

impl Everything {
    pub async fn start() -> Self {
        let breaking_off = vec![silence(), piece("Geh "), Act::Reset];
        let provider = Scripted::playing(breaking_off).await;
        let url = provider.url();
        let mut settings = ordering_at(&url);
        let http = ("CATALOG_HTTP_ADDR", "127.0.0.1:0");
        settings.extend([OPS, http, ("CATALOG_TIP_DAILY_BUDGET", "10000000")]);
        let fleet = Fleet::start_with(1, &settings).await;
        hear(&fleet.replicas[0], question()).await;
        let asked = "others were asked for what only they know";
        eventually(asked, Duration::from_secs(10), async || {
            let page = metrics(&fleet.replicas[0]).await;
            ["catalog_redis_memory_bytes", "catalog_fleet_replicas{"]
                .iter()
                .all(|name| page.contains(name))
        })
        .await;
        let files = Files::new();
        let mut settings = files.tls();
        settings.push(files.access(
            "[[issuer]]\nurl = \"http://127.0.0.1:9\"\naudience = \"a\"\nalgorithms = [\"RS256\"]\n\
             [[issuer.grant]]\nclaim = \"sub\"\nvalue = \"a\"\nrole = \"viewer\"\n",
        ));
        Self {
            fleet,
            secured: Replica::start(&settings).await,
            _files: files,
            _provider: provider,
        }
    }

    /// The metrics of both, by name.
    pub async fn families(&self) -> BTreeMap<String, Shown> {
        let mut families = shown(&self.metrics().await);
        families.extend(shown(&metrics(&self.secured).await));
        families
    }

    /// Its metrics, as text.
    pub async fn metrics(&self) -> String {
        metrics(&self.fleet.replicas[0]).await
    }
}
