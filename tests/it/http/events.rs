//! Server-sent events as a browser reads them.
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use super::scene::{Client, Speaking, asking, http_addr};
use crate::support::replica::Replica;

const PATIENCE: Duration = Duration::from_secs(30);

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
}

/// A stream of events, with the connection that it comes by.
pub struct Events {
    pub status: u16,
    pub headers: HeaderMap,
    /// What comments said, so far.
    pub comments: Vec<String>,
    /// After how many milliseconds a reader is to come back.
    pub retry: Option<u64>,
    body: Incoming,
    text: Vec<u8>,
    ready: VecDeque<Event>,
    _client: Client,
}

impl Events {
    /// Asks a replica for a path, with these headers.
    pub async fn open(replica: &Replica, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::open_at(http_addr(replica), path, headers).await
    }

    /// As [`Events::open`], at an address.
    pub async fn open_at(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut client = Client::connect(addr, Speaking::Http1).await;
        let response = client.begin(asking(Method::GET, path, headers)).await;
        let (head, body) = response.into_parts();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            comments: Vec::new(),
            retry: None,
            body,
            text: Vec::new(),
            ready: VecDeque::new(),
            _client: client,
        }
    }

    /// The next event; none at the end of the stream, which must be a good one.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await;
            let Some(frame) = frame.expect("events come in time") else {
                assert!(self.text.is_empty(), "it ends within an event");
                return None;
            };
            let data = frame.expect("the stream is not broken off").into_data();
            self.text.extend_from_slice(&data.unwrap_or_default());
            self.parse();
        }
    }

    /// All events from here on.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Reads on until there is text or more of it; all events on the way.
    pub async fn some_text(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.expect("it goes on");
            let is_text = event.name == "delta";
            events.push(event);
            if is_text {
                return events;
            }
        }
    }

    fn parse(&mut self) {
        while let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<_> = self.text.drain(..end + 2).collect();
            let block = String::from_utf8(block).unwrap();
            self.take(block.trim_end_matches('\n'));
        }
    }

    fn take(&mut self, block: &str) {
        let (mut id, mut name, mut data) = (None, None, None);
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap();
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" => self.comments.push(value),
                "id" => id = Some(value),
                "event" => name = Some(value),
                "data" => data = Some(serde_json::from_str(&value).unwrap()),
                "retry" => self.retry = Some(value.parse().unwrap()),
                other => panic!("{other} is no field of an event"),
            }
        }
        if let Some(data) = data {
            self.ready.push_back(Event {
                id: id.unwrap_or_default(),
                name: name.unwrap_or_default(),
                data,
            });
        }
    }
}

/// The text that a reader has after these events, who had some before.
pub fn text_after(held: &str, events: &[Event]) -> String {
    let mut text = held.to_owned();
    for event in events {
        match event.name.as_str() {
            "delta" => text += event.data["delta"]["text"].as_str().unwrap(),
            "reset" => text.clear(),
            "accepted" | "done" => {}
            other => panic!("{other}: {event:?}"),
        }
    }
    text
}

/// The names of events, in order.
pub fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}
