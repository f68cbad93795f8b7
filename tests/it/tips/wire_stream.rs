//! What one caller heard, checked as it came over the wire.
use std::time::{Duration, Instant};

use challenges_catalog::pb::catalog::v1::{
    StreamTipsRequest, StreamTipsResponse, TipDone, TipPhase, TipResetCause, TipRole, TipSource,
    challenges_catalog_client::ChallengesCatalogClient, stream_tips_response::Event,
};
use tonic::{Request, Status, Streaming, transport::Channel};

use super::fixtures::sha256;
use crate::support::replica::Replica;

/// A challenge of the seeded catalog.
pub const CHALLENGE: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";
/// Others of them.
pub const OTHERS: [&str; 5] = [
    "191ad588-7974-4e21-931d-5746129bc421",
    "0c62b582-cc47-4509-96ce-a6a37c913d9d",
    "f734e094-6355-4424-af6d-9e2bf4fc277b",
    "1244573e-fa67-4350-be4b-3bb7f17a3a2d",
    "4de60a11-3f97-4d5d-9198-69264d51174d",
];

/// A stream, read to its end. Every promise of the contract is checked on the way.
#[derive(Clone, Debug)]
pub struct Hearing {
    pub role: TipRole,
    pub source: TipSource,
    pub text: String,
    pub done: TipDone,
    pub resets: Vec<TipResetCause>,
    pub deltas: usize,
    pub phases: Vec<TipPhase>,
    /// After every event but the last: how much text there was, and the token to go on with.
    pub tokens: Vec<(String, Vec<u8>)>,
    /// The epoch and the offset of every event that changed the text.
    pub places: Vec<(u64, u64)>,
}

/// A question for the tip of [`CHALLENGE`].
pub fn question() -> StreamTipsRequest {
    question_about(CHALLENGE)
}

/// A question for the tip of a challenge.
pub fn question_about(challenge: &str) -> StreamTipsRequest {
    StreamTipsRequest {
        challenge_id: challenge.to_owned(),
        ..Default::default()
    }
}

/// Asks one replica on a connection of its own, and reads to the end.
pub async fn hear(replica: &Replica, question: StreamTipsRequest) -> Hearing {
    try_hear(replica, question).await.unwrap()
}

/// As [`hear`], when it may end with a status.
pub async fn try_hear(replica: &Replica, question: StreamTipsRequest) -> Result<Hearing, Status> {
    let mut client = replica.client().await;
    let stream = client.stream_tips(question).await?.into_inner();
    listen(String::new(), stream).await
}

/// As [`hear`], for a caller that has text and the token for it.
pub async fn go_on(replica: &Replica, held: &str, question: StreamTipsRequest) -> Hearing {
    let mut client = replica.client().await;
    let stream = client.stream_tips(question).await.unwrap().into_inner();
    listen(held.to_owned(), stream).await.unwrap()
}

/// Asks on a connection that is there.
pub async fn ask(
    mut client: ChallengesCatalogClient<Channel>,
    question: impl tonic::IntoRequest<StreamTipsRequest>,
) -> Result<Hearing, Status> {
    let stream = client.stream_tips(question).await?.into_inner();
    listen(String::new(), stream).await
}

/// The question with a deadline, which the server gets.
pub fn within(limit: Duration, question: StreamTipsRequest) -> Request<StreamTipsRequest> {
    let mut request = Request::new(question);
    request.set_timeout(limit);
    request
}

/// Reads a stream to its end, for a caller that holds text already.
pub async fn listen(
    held: String,
    mut stream: Streaming<StreamTipsResponse>,
) -> Result<Hearing, Status> {
    let first = stream.message().await?.expect("a stream is never empty");
    let Some(Event::Accepted(accepted)) = first.event else {
        panic!("a stream begins with accepted, not with {first:?}");
    };
    let mut hearing = Hearing {
        role: accepted.role(),
        source: accepted.source(),
        text: held,
        done: TipDone::default(),
        resets: Vec::new(),
        deltas: 0,
        phases: Vec::new(),
        tokens: Vec::new(),
        places: Vec::new(),
    };
    loop {
        let next = stream.message().await?;
        let message = next.expect("no stream ends well without done");
        let (place, token) = ((message.epoch, message.offset), message.resume_token);
        assert_eq!(token.len(), 57);
        match message.event.expect("every event says what happened") {
            Event::Done(done) => {
                assert!(stream.message().await?.is_none(), "nothing follows done");
                assert_eq!(done.sha256, sha256(&hearing.text));
                assert_eq!(done.length, hearing.text.len() as u64);
                return Ok(Hearing { done, ..hearing });
            }
            Event::Heartbeat(heartbeat) => hearing.phases.push(heartbeat.phase()),
            Event::Delta(delta) => {
                assert!(!delta.text.is_empty());
                hearing.deltas += 1;
                hearing.text.push_str(&delta.text);
                hearing.places.push(place);
            }
            Event::Reset(reset) => {
                hearing.text.clear();
                hearing.resets.push(reset.cause());
                hearing.places.push(place);
            }
            Event::Accepted(_) => panic!("accepted twice"),
        }
        if !hearing.places.is_empty() {
            assert_eq!(place.1, hearing.text.len() as u64, "offsets are contiguous");
        }
        hearing.tokens.push((hearing.text.clone(), token));
    }
}

/// Reads until there is text or more of it, and gives all that came.
pub async fn hear_some(stream: &mut Streaming<StreamTipsResponse>) -> String {
    loop {
        let message = stream.message().await.unwrap();
        if let Some(Event::Delta(delta)) = message.expect("it goes on").event {
            return delta.text;
        }
    }
}

/// What came of a stream of which a part was read.
#[derive(Debug)]
pub struct Rest {
    /// All the text that counts.
    pub text: String,
    /// All that was said, whether it counts or not.
    pub said: String,
    pub resets: Vec<TipResetCause>,
}

/// Reads the rest of a stream, for a caller that had `held` of it, to its good end.
pub async fn rest_of(held: &str, mut stream: Streaming<StreamTipsResponse>) -> Rest {
    let mut heard = Rest {
        text: held.to_owned(),
        said: String::new(),
        resets: Vec::new(),
    };
    loop {
        let message = stream.message().await.unwrap();
        match message.expect("it ends with done").event.unwrap() {
            Event::Delta(delta) => {
                heard.text.push_str(&delta.text);
                heard.said.push_str(&delta.text);
            }
            Event::Reset(reset) => {
                heard.text.clear();
                heard.resets.push(reset.cause());
            }
            Event::Done(done) => {
                assert_eq!(done.sha256, sha256(&heard.text));
                return heard;
            }
            Event::Accepted(_) | Event::Heartbeat(_) => {}
        }
    }
}

/// How long it takes for an answer of `asked`.
pub async fn timed<T>(asked: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    let answer = asked.await;
    (answer, started.elapsed())
}
