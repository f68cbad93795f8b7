//! Requests that are begun and never end.
use std::{convert::Infallible, fs, time::Duration};

use bytes::Bytes;
use challenges_catalog::pb::{admin::v1 as pb, catalog::v1::Difficulty};
use futures_util::{StreamExt, future::join_all, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic::{Code, Status};

use crate::{
    editing::client::{client, import, rows},
    support::{
        fleet::list,
        replica::Replica,
        wire::{frame, grpc},
    },
};

const CREATE: &str = "/challenges.admin.v1.ChallengesAdmin/CreateChallenge";
const LIST: &str = "/challenges.catalog.v1.ChallengesCatalog/ListChallenges";
const TIPS: &str = "/challenges.catalog.v1.ChallengesCatalog/StreamTips";
const EXPORT: &str = "/challenges.admin.v1.ChallengesAdmin/ExportChallenges";
const IMPORT: &str = "/challenges.admin.v1.ChallengesAdmin/ImportChallenges";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const REFLECT: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
const STATUS: &str = "/challenges.admin.v1.CacheAdmin/GetCacheStatus";

/// Begins `count` requests of one connection with these bytes, and waits for their answers.
async fn begin(replica: &Replica, path: &str, bytes: Bytes, count: usize) -> Vec<Status> {
    let stream = TcpStream::connect(replica.addr()).await.unwrap();
    let client = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = client.await.unwrap();
    let calls = (0..count).map(|_| {
        let (mut sender, bytes) = (sender.clone(), bytes.clone());
        async move {
            let begun = stream::iter([Ok::<_, Infallible>(Frame::data(bytes))]);
            let body = StreamBody::new(begun.chain(stream::pending()));
            let request = grpc(path).body(body).unwrap();
            // Whoever goes on to send what was refused has its connection ended, as a call that nobody takes.
            let ended = |error: hyper::Error| Status::unavailable(error.to_string());
            let (head, body) = match sender.send_request(request).await {
                Ok(response) => response.into_parts(),
                Err(error) => return ended(error),
            };
            let trailers = match body.collect().await {
                Ok(body) => body.trailers().cloned(),
                Err(error) => return ended(error),
            };
            let of = |headers: &HeaderMap| Status::from_header_map(headers);
            of(&head.headers).or_else(|| of(&trailers?)).unwrap()
        }
    });
    let connection = async {
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        told = join_all(calls) => told,
        never = connection => never,
    }
}

/// A message of which the last byte is missing.
fn all_but_the_last(bytes: usize) -> Bytes {
    let whole = frame(0, &vec![0; bytes]);
    whole.slice(..whole.len() - 1)
}

/// The most memory that it ever had, in MiB.
fn peak_mib(replica: &Replica) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", replica.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() >> 10
}

#[tokio::test]
async fn two_thousand_begun_bodies_of_a_mebibyte_hold_a_bounded_memory_and_nobody_up() {
    let replica = Replica::start(&[]).await;
    list(&replica, Difficulty::Beginner, 20).await.unwrap();
    let before = peak_mib(&replica);
    let body = all_but_the_last(1 << 20);
    let begun = [CREATE, LIST].into_iter().cycle().take(10);
    let begun = join_all(begun.map(|path| begin(&replica, path, body.clone(), 200)));
    let others = async {
        loop {
            list(&replica, Difficulty::Beginner, 20).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let told = tokio::select! {
        told = begun => told.concat(),
        () = others => unreachable!(),
    };
    assert_eq!(told.len(), 2_000);
    for status in told {
        let expected = [Code::Unavailable, Code::DeadlineExceeded];
        assert!(expected.contains(&status.code()), "{status:?}");
    }
    let more = peak_mib(&replica) - before;
    assert!(more < 256, "{more} MiB");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_waited_for_a_short_time_by_every_method() {
    let replica = Replica::start(&[("CATALOG_REQUEST_TIMEOUT", "30s".to_owned())]).await;
    let begun = all_but_the_last(10);
    let paths = [CREATE, LIST, TIPS, EXPORT, IMPORT, CHECK, REFLECT, STATUS];
    let told = paths.map(|path| begin(&replica, path, begun.clone(), 1));
    for (path, told) in paths.iter().zip(join_all(told).await) {
        assert_eq!(told[0].code(), Code::DeadlineExceeded, "{path}");
        let message = "the request's message did not come in time";
        assert_eq!(told[0].message(), message, "{path}");
    }
}

/// As many as may run at once.
#[tokio::test]
async fn imports_whose_callers_fall_silent_are_ended_and_make_room_for_others() {
    let replica = Replica::start(&[]).await;
    let first = pb::ImportChallengesRequest {
        rows: rows(1..4),
        ..Default::default()
    };
    let silent = || async {
        let requests = stream::iter([first.clone()]).chain(stream::pending());
        let mut client = client(&replica).await;
        client.import_challenges(requests).await.unwrap_err()
    };
    let (one, other) = tokio::join!(silent(), silent());
    for status in [one, other] {
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    }
    let options = pb::ImportOptions::default();
    let mut client = client(&replica).await;
    import(&mut client, options, rows(1..4)).await.unwrap();
}
