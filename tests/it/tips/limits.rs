//! What one caller may take, and what becomes of one that takes nothing.
use std::time::Duration;

use bytes::Bytes;
use challenges_catalog::pb::catalog::v1::{
    StreamTipsRequest, StreamTipsResponse, TipMode, stream_tips_response::Event,
};
use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::TcpStream, time::timeout};
use tonic::{Code, Request, Streaming, transport::Channel};

use super::{
    provider::{gated, good_end, piece, quick, replica_of, silence},
    wire_stream::{OTHERS, ask, hear, hear_some, question, question_about},
};
use crate::support::{
    refusal::{Refusal, refusal},
    replica::Replica,
    scripted::{Act, Scripted},
    wait::eventually,
    wire::{frame, grpc},
};

const SOON: Duration = Duration::from_secs(10);

fn named(caller: &str) -> Request<StreamTipsRequest> {
    let mut request = Request::new(question());
    let name = caller.parse().unwrap();
    request.metadata_mut().insert("x-caller-id", name);
    request
}

async fn begun(
    replica: &Replica,
    request: Request<StreamTipsRequest>,
) -> Streaming<StreamTipsResponse> {
    let mut stream = replica
        .client()
        .await
        .stream_tips(request)
        .await
        .unwrap()
        .into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(matches!(first.event, Some(Event::Accepted(_))));
    stream
}

#[tokio::test]
async fn a_caller_with_too_many_streams_is_refused_and_another_is_not() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[("CATALOG_TIP_STREAMS_AT_ONCE", "1")]).await;
    let first = begun(&replica, named("ann")).await;
    let refused = refusal(ask(replica.client().await, named("ann")).await);
    assert_eq!(
        refused,
        Refusal::new(Code::ResourceExhausted, "RATE_LIMITED", &[])
    );
    let _other = begun(&replica, named("ben")).await;
    let _by_address = begun(&replica, Request::new(question())).await;
    drop(first);
    eventually("the place is free", SOON, async || {
        let mut client = replica.client().await;
        let mut stream = client.stream_tips(named("ann")).await.unwrap().into_inner();
        stream.message().await.is_ok()
    })
    .await;
}

/// With one a minute for each name, an address gets ten, and one more in each six seconds.
#[tokio::test]
async fn a_caller_who_changes_its_name_is_held_by_its_address() {
    let provider = quick().await;
    let settings = [("CATALOG_TIP_STREAMS_PER_MINUTE", "1")];
    let replica = replica_of(&provider, &settings).await;
    let mut taken = 0;
    let refused = loop {
        let name = format!("name-{taken}");
        match ask(replica.client().await, named(&name)).await {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert!((10..100).contains(&taken), "{taken}");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("from one address"), "{refused}");
}

#[tokio::test]
async fn a_tip_is_written_anew_for_whom_operators_let() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[("CATALOG_TIP_REFRESH", "nobody")]).await;
    let anew = StreamTipsRequest {
        mode: TipMode::Refresh.into(),
        ..question()
    };
    let refused = ask(replica.client().await, Request::new(anew)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("switched off"), "{refused}");
}

#[tokio::test]
async fn a_replica_with_too_many_streams_says_so() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[("CATALOG_MAX_STREAMS", "1")]).await;
    let _first = begun(&replica, named("ann")).await;
    let refused = refusal(ask(replica.client().await, named("ben")).await);
    assert_eq!(refused, Refusal::new(Code::Unavailable, "OVERLOADED", &[]));
}

/// One that reads nothing gets, when it reads again, what it lacks in one piece: nothing was
/// queued for it. Nobody else waited.
#[tokio::test]
async fn a_caller_that_does_not_read_costs_no_queue_and_loses_nothing() {
    const WORDS: usize = 300;
    let words: Vec<_> = (0..WORDS)
        .map(|number| format!("[word{number:03}]"))
        .collect();
    let mut script = vec![silence(), Act::Gate];
    script.extend(
        words
            .iter()
            .flat_map(|word| [piece(word), Act::Pause(Duration::from_millis(2))]),
    );
    script.extend([Act::Gate, good_end()]);
    let provider = Scripted::playing(script).await;
    let replica = replica_of(&provider, &[]).await;

    // The least of windows: a few bytes are all that this caller can be sent.
    let stream = TcpStream::connect(replica.addr()).await.unwrap();
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(64);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    let call = async {
        let request = grpc("/challenges.catalog.v1.ChallengesCatalog/StreamTips");
        let body = Full::new(frame(0, &question().encode_to_vec()));
        let answer = sender.send_request(request.body(body).unwrap()).await;
        let mut unread = answer.unwrap().into_body();

        let reading = timeout(SOON, ask(replica.client().await, question()));
        let writing = async {
            eventually("it is requested", SOON, async || {
                provider.exchanges().len() == 1
            })
            .await;
            provider.open(2);
        };
        let (heard, ()) = tokio::join!(reading, writing);
        let heard = heard.unwrap().unwrap();

        let mut bytes = Vec::new();
        while let Some(frame) = unread.frame().await {
            if let Ok(data) = frame.unwrap().into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        (heard, messages(bytes.into()))
    };
    let (heard, events) = tokio::select! {
        called = call => called,
        ended = connection => panic!("the connection ended: {ended:?}"),
    };
    assert_eq!(heard.text, words.concat());
    assert!(
        heard.deltas > 20,
        "others had it as it came: {}",
        heard.deltas
    );
    let deltas: Vec<_> = events.iter().filter_map(delta).collect();
    assert_eq!(deltas.concat(), words.concat());
    assert!(deltas.len() <= 3, "{} of {}", deltas.len(), heard.deltas);
}

fn delta(message: &StreamTipsResponse) -> Option<&str> {
    match &message.event {
        Some(Event::Delta(delta)) => Some(&delta.text),
        _ => None,
    }
}

fn messages(mut bytes: Bytes) -> Vec<StreamTipsResponse> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let prefix = bytes.split_to(5);
        let length = u32::from_be_bytes(prefix[1..].try_into().unwrap());
        let message = bytes.split_to(usize::try_from(length).unwrap());
        messages.push(StreamTipsResponse::decode(message).unwrap());
    }
    messages
}

/// A caller with a stream when the replica drains learns where to go on, and does not hold it up.
#[tokio::test]
async fn a_replica_that_leaves_sends_its_streams_elsewhere() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[]).await;
    let mut stream = begun(&replica, Request::new(question())).await;
    provider.open(1);
    hear_some(&mut stream).await;
    let ended = async {
        let status = stream.message().await.unwrap_err();
        assert_eq!(
            status.metadata().get("grpc-retry-pushback-ms").unwrap(),
            "0"
        );
        Refusal::from(status)
    };
    let left = timeout(SOON, replica.sigterm_and_wait());
    let (refused, left) = tokio::join!(ended, left);
    assert_eq!(
        refused,
        Refusal::new(Code::Unavailable, "SHUTTING_DOWN", &[])
    );
    assert_eq!(left.unwrap().code(), Some(0));
    assert!(replica.log().contains("\"connections_cut\":0"));
}

#[tokio::test]
async fn the_health_of_the_providers_shows_when_they_fail() {
    let provider = Scripted::playing(vec![Act::Reset]).await;
    let replica = replica_of(&provider, &[]).await;
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let client = HealthClient::new(endpoint.connect().await.unwrap());
    let says = async |wanted: ServingStatus| {
        eventually("the health of tips", SOON, async || {
            let request = HealthCheckRequest {
                service: "dependency/tips".to_owned(),
            };
            let answer = client.clone().check(request).await;
            answer.is_ok_and(|answer| answer.get_ref().status() == wanted)
        })
        .await;
    };
    says(ServingStatus::Serving).await;
    join_all(OTHERS.map(|challenge| hear(&replica, question_about(challenge)))).await;
    says(ServingStatus::NotServing).await;
}
