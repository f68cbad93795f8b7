//! A caller that no longer wants the tip stops it at the provider, which stops the bill.
use std::time::Duration;

use challenges_catalog::domain::StreamEvent;
use futures_util::StreamExt;
use tokio::task::JoinSet;

use super::fixture::{BOTH, events, prompt, settings};
use crate::support::{
    scripted::{Act, Scripted},
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn dropping_the_stream_after_text_closes_the_connection() {
    for protocol in BOTH {
        let script = vec![events(protocol.text(&["Hi"])), Act::Hold];
        let server = Scripted::playing(script).await;
        let writer = protocol.writer(&settings(&server.url()));
        let mut writings = writer.write(&prompt());
        while !matches!(writings.next().await, Some(Ok(StreamEvent::Text(_)))) {}
        assert!(!server.client_left());
        drop(writings);
        eventually("the provider sees it", SOON, || async {
            server.client_left()
        })
        .await;
    }
}

#[tokio::test]
async fn so_does_dropping_it_before_the_answer() {
    for protocol in BOTH {
        let server = Scripted::playing(vec![Act::Hold]).await;
        let writer = protocol.writer(&settings(&server.url()));
        let mut writings = writer.write(&prompt());
        let mut caller = JoinSet::new();
        caller.spawn(async move { writings.next().await.map(|_| ()) });
        eventually("the request arrives", SOON, || async {
            server.exchanges().len() == 1
        })
        .await;
        drop(caller);
        eventually("the provider sees it", SOON, || async {
            server.client_left()
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_is_sent_before_the_stream_is_read() {
    for protocol in BOTH {
        let body = protocol.text(&["Hi"]) + &protocol.good_end();
        let server = Scripted::playing(vec![events(body)]).await;
        let writer = protocol.writer(&settings(&server.url()));
        drop(writer.write(&prompt()));
        let read: Vec<_> = writer.write(&prompt()).collect().await;
        assert!(read.iter().all(Result::is_ok));
        assert_eq!(server.exchanges().len(), 1);
    }
}
