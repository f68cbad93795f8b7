//! `EventSource` in a real browser, behind a real proxy.
use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::{
    events::{Events, text_after},
    scene::{HTTP, http_addr},
};
use crate::{
    clients::{client::top, node::node},
    ops::scene::{OPS, metric, metrics},
    support::{
        fleet::Fleet, nginx::Nginx, process::PATIENCE, scripted::Scripted, wait::eventually,
    },
    tips::{
        provider::{PIECES, TIP, finish, gated, ordering_at, quick, replica_of},
        wire_stream::{CHALLENGE, hear, question},
    },
};

const STREAMS: &str = "catalog_rpc_in_flight{method=\"ChallengesCatalog/StreamTips\"} ";

fn tip() -> String {
    format!("/v1/challenges/{CHALLENGE}/tip")
}

/// A browser that reads a tip.
struct Browser {
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Browser {
    /// Opens the page, and lets it read the tip at a URL.
    fn open(page: &str, tip: &str) -> Self {
        let mut program = Command::from(node());
        program.env("NODE_PATH", top().join(".tools/browser/node_modules"));
        program.arg(top().join("tests/clients/browser.js"));
        let mut process = program
            .args([page, tip])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node, which `make tools` installs");
        let stdout = process.stdout.take().unwrap();
        Self {
            lines: BufReader::new(stdout).lines(),
            _process: process,
        }
    }

    /// What it tells next.
    async fn next(&mut self) -> Value {
        // It takes its time to start, the more so on a busy machine.
        let line = timeout(PATIENCE * 3, self.lines.next_line()).await;
        let line = line.expect("the browser goes on").unwrap();
        serde_json::from_str(&line.expect("the browser ends well")).unwrap()
    }

    /// Reads on until it tells something of this name.
    async fn until(&mut self, name: &str) -> Value {
        loop {
            let told = self.next().await;
            if let Some(value) = told.get(name) {
                return value.clone();
            }
        }
    }

    /// All that it tells until it stays away, and the text that it has then.
    async fn rest(mut self) -> (Vec<Value>, String) {
        let mut all = Vec::new();
        loop {
            let told = self.next().await;
            if told.get("closed").is_some() {
                return (all, told["text"].as_str().unwrap().to_owned());
            }
            all.push(told);
        }
    }
}

async fn two_replicas(provider: &Scripted) -> Fleet {
    let url = provider.url();
    let settings = [&ordering_at(&url)[..], &[HTTP, OPS]].concat();
    Fleet::start_with(2, &settings).await
}

fn proxy(fleet: &Fleet) -> Nginx {
    let addresses: Vec<_> = fleet.replicas.iter().map(http_addr).collect();
    Nginx::before(&addresses)
}

#[tokio::test]
async fn a_browser_reads_a_tip_and_stays_away_after_its_end() {
    let provider = quick().await;
    let fleet = two_replicas(&provider).await;
    let proxy = proxy(&fleet);
    let page = format!("{}/page.html", proxy.origin());
    // It does not close the stream itself: it comes back from the end, and gets 204.
    let (told, text) = Browser::open(&page, &tip()).rest().await;
    assert_eq!(text, TIP);
    let done = told.iter().filter(|it| it.get("done").is_some()).count();
    assert_eq!(done, 1, "{told:?}");
}

#[tokio::test]
async fn a_browser_whose_replica_is_killed_half_way_has_the_bytes_of_a_grpc_reader() {
    let provider = gated().await;
    let fleet = two_replicas(&provider).await;
    let proxy = proxy(&fleet);
    let page = format!("{}/page.html", proxy.origin());
    let mut browser = Browser::open(&page, &tip());
    browser.until("open").await;
    provider.open(2);
    browser.until("text").await;
    let mut killed = None;
    for (at, replica) in fleet.replicas.iter().enumerate() {
        if metric(&metrics(replica).await, STREAMS) > 0.5 {
            killed = Some(at);
        }
    }
    let killed = killed.expect("a replica serves the browser");
    fleet.replicas[killed].kill().await;
    // It comes back by itself, after a second, to the other replica, which has the tip written anew if nobody writes it.
    browser.until("error").await;
    finish(&provider);
    finish(&provider);
    let (told, text) = browser.rest().await;
    let by_grpc = hear(&fleet.replicas[1 - killed], question()).await;
    assert_eq!(text, by_grpc.text, "{told:?}\n{}", proxy.log());
    assert_eq!(text, TIP);
}

/// Proxies hold answers back until a buffer is full, unless they are told.
#[tokio::test]
async fn a_tip_comes_piece_by_piece_through_a_proxy_that_buffers() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[HTTP]).await;
    let proxy = Nginx::before(&[http_addr(&replica)]);
    let mut events = Events::open_at(proxy.addr(), &tip(), &[]).await;
    let mut text = String::new();
    for piece in PIECES {
        provider.open(1);
        text = text_after(&text, &events.some_text().await);
        assert!(text.ends_with(piece), "{text}");
    }
    provider.open(1);
    assert_eq!(text_after(&text, &events.rest().await), TIP);
}

#[tokio::test]
async fn a_page_of_another_origin_reads_tips_only_where_operators_say_so() {
    let provider = quick().await;
    let pages = Nginx::before(&[([127, 0, 0, 1], 9).into()]);
    let page = format!("{}/page.html", pages.origin());
    for (origin, expected) in [
        (&pages.origin()[..], TIP),
        ("*", TIP),
        ("https://other.example", ""),
    ] {
        let settings = [HTTP, ("CATALOG_HTTP_CORS_ORIGIN", origin)];
        let replica = replica_of(&provider, &settings).await;
        let url = format!("http://{}{}", http_addr(&replica), tip());
        let (told, text) = Browser::open(&page, &url).rest().await;
        assert_eq!(text, expected, "{origin}: {told:?}");
    }
}

#[tokio::test]
async fn a_browser_goes_on_elsewhere_when_its_replica_leaves_in_good_order() {
    let provider = gated().await;
    let fleet = two_replicas(&provider).await;
    let proxy = proxy(&fleet);
    let page = format!("{}/page.html", proxy.origin());
    let mut browser = Browser::open(&page, &tip());
    browser.until("open").await;
    let serving = async |at: usize| metric(&metrics(&fleet.replicas[at]).await, STREAMS) > 0.5;
    let leaving = usize::from(!serving(0).await);
    assert!(serving(leaving).await);
    // The other one writes it, so that it goes on without a pause.
    let question = question();
    let reader = hear(&fleet.replicas[1 - leaving], question);
    let browsing = async {
        eventually("both read", PATIENCE, async || serving(1 - leaving).await).await;
        provider.open(2);
        browser.until("text").await;
        fleet.replicas[leaving].sigterm_and_wait().await;
        let told = browser.until("error").await;
        assert!(
            told.is_null(),
            "the service says nothing of an error: {told}"
        );
        finish(&provider);
        finish(&provider);
        browser.rest().await.1
    };
    let (by_grpc, text) = tokio::join!(reader, browsing);
    assert_eq!((by_grpc.text.as_str(), text.as_str()), (TIP, TIP));
}
