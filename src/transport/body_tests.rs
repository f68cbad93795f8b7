//! The body of a stream, poll by poll.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Buf;
use futures_util::{Stream, stream};
use http::Request;
use http_body_util::BodyExt;
use prost::Message;
use tokio::sync::{Semaphore, watch};

use super::*;
use crate::{
    domain::Error,
    pb::catalog::v1::TipDelta,
    transport::{request_body::PREFIX_LEN, stream::encoded},
};

type Sent = Result<TipDelta, Error>;

fn said(text: &str) -> TipDelta {
    let text = text.to_owned();
    TipDelta { text }
}

/// A body of these messages, for a call that may take a minute.
struct Scene {
    body: ResponseBody,
    shutdown: CancellationToken,
    permits: Arc<Semaphore>,
}

impl Scene {
    fn new(messages: impl Stream<Item = Sent> + Send + 'static) -> Self {
        let call = RequestContext::start(&Request::new(()), Duration::from_mins(1), None);
        let (shutdown, permits) = (CancellationToken::new(), Arc::new(Semaphore::new(1)));
        let limits = StreamLimits {
            permit: Arc::clone(&permits).try_acquire_owned().unwrap(),
            shutdown: shutdown.clone(),
            gate: Some(FeatureGate::new(Arc::default(), watch::channel(0).1)),
        };
        let body = StreamBody::new(encoded(messages.boxed(), &call), &call, limits);
        Self {
            body: ResponseBody::Streamed(Box::new(body)),
            shutdown,
            permits,
        }
    }

    /// The next piece, or the status that ends it.
    async fn next(&mut self) -> Result<Vec<TipDelta>, Status> {
        let frame = self.body.frame().await.unwrap().unwrap();
        match frame.into_data() {
            Ok(mut data) => {
                let mut data = data.copy_to_bytes(data.remaining());
                let mut messages = Vec::new();
                while !data.is_empty() {
                    let prefix = data.split_to(PREFIX_LEN);
                    let length = u32::from_be_bytes(prefix[1..].try_into().unwrap());
                    let message = data.split_to(usize::try_from(length).unwrap());
                    messages.push(TipDelta::decode(message).unwrap());
                }
                Ok(messages)
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap();
                assert!(self.body.is_end_stream());
                Err(Status::from_header_map(&trailers).unwrap())
            }
        }
    }

    async fn end(&mut self) -> Status {
        self.next().await.unwrap_err()
    }
}

#[tokio::test]
async fn messages_that_are_ready_together_leave_together_and_the_end_follows() {
    let mut scene = Scene::new(stream::iter([Ok(said("a")), Ok(said("b"))]));
    assert_eq!(scene.next().await.unwrap().len(), 2);
    assert_eq!(scene.end().await.code(), tonic::Code::Ok);
    drop(scene.body);
    assert_eq!(scene.permits.available_permits(), 1);
}

/// A caller that reads nothing is given one piece, and nothing is made for it meanwhile.
#[tokio::test]
async fn nothing_is_made_before_it_is_wanted() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let kilobyte = move |()| {
        count.fetch_add(1, SeqCst);
        Ok(said(&"x".repeat(1 << 10)))
    };
    let mut scene = Scene::new(stream::repeat(()).map(kilobyte));
    assert_eq!(made.load(SeqCst), 0);
    for pieces in 1..=3 {
        scene.next().await.unwrap();
        assert_eq!(made.load(SeqCst), pieces * (ENOUGH_BYTES >> 10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_ends_with_the_time_of_its_call() {
    let mut scene = Scene::new(stream::iter([Ok(said("a"))]).chain(stream::pending()));
    assert_eq!(scene.next().await.unwrap().len(), 1);
    let asked = Instant::now();
    assert_eq!(scene.end().await.code(), tonic::Code::DeadlineExceeded);
    assert!(asked.elapsed() >= Duration::from_secs(59));
}

#[tokio::test]
async fn a_replica_that_leaves_ends_its_streams() {
    let mut scene = Scene::new(stream::pending());
    scene.shutdown.cancel();
    let status = scene.end().await;
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(
        status.metadata().get("grpc-retry-pushback-ms").unwrap(),
        "0"
    );
}

#[tokio::test]
async fn a_replica_that_leaves_ends_streams_that_never_wait() {
    let text = "x".repeat(ENOUGH_BYTES / 3);
    let mut scene = Scene::new(stream::repeat_with(move || Ok(said(&text))));
    assert!(!scene.next().await.unwrap().is_empty());
    scene.shutdown.cancel();
    assert!(!scene.next().await.unwrap().is_empty(), "what was ready");
    assert_eq!(scene.end().await.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_error_after_messages_stands_in_the_trailers_with_the_request_id() {
    let error = Err(Error::Declined);
    let mut scene = Scene::new(stream::iter([Ok(said("a")), error, Ok(said("b"))]));
    assert_eq!(scene.next().await.unwrap().len(), 1);
    let status = scene.end().await;
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    assert!(status.metadata().contains_key("x-request-id"));
    assert!(!status.details().is_empty());
}

#[tokio::test]
async fn a_panic_in_the_stream_is_an_internal_error_of_this_call() {
    let broken = stream::poll_fn(|_| panic!("a fault of the test"));
    assert_eq!(Scene::new(broken).end().await.code(), tonic::Code::Internal);
}
