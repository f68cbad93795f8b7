//! Bytes that no well-behaved client sends.
use std::{
    fs,
    io::{Read, Write},
};

use bytes::Bytes;
use challenges_catalog::pb::catalog::v1::{
    Difficulty, ListChallengesRequest, ListChallengesResponse,
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use http::{Request, StatusCode};
use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::refusal::Refusal;
use crate::support::{
    fleet::list,
    process::PATIENCE,
    program::run_well,
    replica::Replica,
    wait::eventually,
    wire::{Answer, frame, grpc, send},
};

const LIST: &str = "/challenges.catalog.v1.ChallengesCatalog/ListChallenges";

async fn post(replica: &Replica, body: impl Into<Bytes>) -> Answer {
    send(replica.addr(), grpc(LIST), body).await
}

/// What a refused body gets; the replica must serve on.
async fn refused(replica: &Replica, body: impl Into<Bytes>) -> Refusal {
    let answer = post(replica, body).await;
    assert_eq!(answer.http, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/grpc");
    assert!(answer.headers.contains_key("x-request-id"));
    assert!(list(replica, Difficulty::Beginner, 0).await.is_ok());
    answer.status().into()
}

#[tokio::test]
async fn the_wire_helper_speaks_grpc() {
    let replica = Replica::start(&[]).await;
    let answer = post(&replica, frame(0, b"")).await;
    assert_eq!(answer.status().code(), Code::Ok);
    assert!(answer.body.len() > 1000);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_with_the_limit() {
    let replica = Replica::start(&[]).await;
    let limit = 1 << 20;
    let too_large = || Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &[]);
    let mut announced = frame(0, b"").to_vec();
    announced[1] = 0xff;
    for body in [
        frame(0, &vec![0; limit + 1]),
        frame(0, &vec![0; 8 * limit]),
        announced.into(),
    ] {
        let answer = post(&replica, body.clone()).await;
        let details = answer.status().get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(info.metadata["limit_bytes"], limit.to_string());
        assert_eq!(refused(&replica, body).await, too_large());
    }
    let at_most = ListChallengesRequest {
        if_none_match: "x".repeat(limit - 4),
        ..Default::default()
    };
    assert_eq!(at_most.encoded_len(), limit);
    let answer = post(&replica, frame(0, &at_most.encode_to_vec())).await;
    assert_eq!(answer.status().code(), Code::Ok);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_malformed() {
    let replica = Replica::start(&[]).await;
    let good = frame(0, &[0x10, 5]);
    let mut more_than_announced = good.to_vec();
    more_than_announced.push(0);
    let bodies: [(&str, Bytes); 9] = [
        ("nothing at all", Bytes::new()),
        ("half a prefix", good.slice(..3)),
        ("a prefix without its message", good.slice(..5)),
        ("half a message", good.slice(..6)),
        ("more than announced", more_than_announced.into()),
        ("two messages", [&good[..], &good[..]].concat().into()),
        ("no protobuf", frame(0, &[0xff; 40])),
        ("a field of another type", frame(0, &[0x0a, 1, 0])),
        ("a text that is no UTF-8", frame(0, &[0x1a, 2, 0xc3, 0x28])),
    ];
    for (what, body) in bodies {
        let malformed = Refusal::new(Code::InvalidArgument, "MALFORMED_MESSAGE", &[]);
        assert_eq!(refused(&replica, body).await, malformed, "{what}");
    }
}

#[tokio::test]
async fn a_field_that_this_version_does_not_know_is_passed_over() {
    let replica = Replica::start(&[]).await;
    // Field 1000, text.
    let answer = post(&replica, frame(0, &[0xc2, 0x3e, 2, b'h', b'i'])).await;
    assert_eq!(answer.status().code(), Code::Ok);
}

#[tokio::test]
async fn a_message_that_is_compressed_in_another_way_is_refused_and_told_which_is_read() {
    let replica = Replica::start(&[]).await;
    let request = grpc(LIST).header("grpc-encoding", "zstd");
    let answer = send(replica.addr(), request, frame(1, b"x")).await;
    assert_eq!(answer.status().code(), Code::Unimplemented);
    assert_eq!(answer.headers["grpc-accept-encoding"], "identity,gzip");
    let malformed = Refusal::new(Code::InvalidArgument, "MALFORMED_MESSAGE", &[]);
    assert_eq!(refused(&replica, frame(7, b"")).await, malformed);
    let request = grpc(LIST).header("grpc-encoding", "gzip");
    let answer = send(replica.addr(), request, frame(1, b"\x1f\x8b")).await;
    assert_eq!(Refusal::from(answer.status()), malformed);
}

fn gzipped(message: &[u8]) -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::default());
    zip.write_all(message).unwrap();
    zip.finish().unwrap()
}

/// A replica with 78 challenges, most of them with long descriptions.
async fn with_long_lists() -> Replica {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seeds.json");
    let walk = "Walk through the streets of the city and ask a stranger for the way. ".repeat(4);
    let challenge = |number: u32| {
        serde_json::json!({
            "id": format!("00000000-0000-4000-8000-{number:012}"), "difficulty": "beginner",
            "title": format!("Walk number {number}"), "description": walk, "points": 10, "tips": "Go.",
        })
    };
    let challenges: Vec<_> = (0..60).map(challenge).collect();
    fs::write(&file, serde_json::to_string(&challenges).unwrap()).unwrap();
    let replica = Replica::start(&[]).await;
    let database = replica.folder().join("challenges.sqlite");
    let database = ("DATABASE_URL", format!("sqlite:{}", database.display()));
    run_well(&["seed", "--file", file.to_str().unwrap()], &[database]).await;
    replica
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_accept_it_and_are_the_same() {
    let replica = with_long_lists().await;
    let request = ListChallengesRequest {
        page_size: 100,
        ..Default::default()
    };
    let message = gzipped(&request.encode_to_vec());
    let ask = async |accepted: &str| {
        let request = grpc(LIST).header("grpc-encoding", "gzip");
        let request = request.header("grpc-accept-encoding", accepted);
        let answer = send(replica.addr(), request, frame(1, &message)).await;
        assert_eq!(answer.status().code(), Code::Ok);
        answer
    };
    eventually("the new challenges are listed", PATIENCE, async || {
        ask("identity").await.body.len() > 10_000
    })
    .await;
    let plain = ask("identity").await;
    assert!(!plain.headers.contains_key("grpc-encoding"));
    let list = |body: &[u8]| ListChallengesResponse::decode(body).unwrap();
    let expected = list(&plain.body[5..]);
    assert_eq!(expected.challenges.len(), 78);
    for _ in 0..3 {
        let small = ask("deflate, gzip").await;
        assert_eq!(small.headers["grpc-encoding"], "gzip");
        assert_eq!(small.body[0], 1);
        assert!(small.body.len() * 2 < plain.body.len());
        let mut body = Vec::new();
        GzDecoder::new(&small.body[5..])
            .read_to_end(&mut body)
            .unwrap();
        assert_eq!(list(&body).challenges, expected.challenges);
    }
    // What is not modified, or small, is sent as it is.
    let few = frame(
        0,
        &ListChallengesRequest {
            page_size: 2,
            ..Default::default()
        }
        .encode_to_vec(),
    );
    let request = grpc(LIST).header("grpc-accept-encoding", "gzip");
    let answer = send(replica.addr(), request, few).await;
    assert!(!answer.headers.contains_key("grpc-encoding"));
}

#[tokio::test]
async fn a_method_or_service_that_is_not_here_is_unimplemented() {
    let replica = Replica::start(&[]).await;
    for path in [
        "/challenges.catalog.v1.ChallengesCatalog/DropChallenges",
        "/challenges.catalog.v1.ChallengesCatalog/listchallenges",
        "/challenges.catalog.v1.ChallengesCatalog/ListChallenges/",
        "/challenges.catalog.v1.ChallengesCatalog/",
        "/challenges.catalog.v2.ChallengesCatalog/ListChallenges",
        "/ListChallenges",
        "/",
    ] {
        let answer = send(replica.addr(), grpc(path), frame(0, b"")).await;
        assert_eq!(answer.http, StatusCode::OK, "{path}");
        let unknown = Refusal::new(Code::Unimplemented, "METHOD_UNKNOWN", &[]);
        assert_eq!(Refusal::from(answer.status()), unknown, "{path}");
    }
    // Of these services tonic is the host.
    for path in [
        "/grpc.health.v1.Health/Cure",
        "/grpc.health.v1.Doctor/Check",
        "/grpc.reflection.v1.ServerReflection/Nothing",
    ] {
        let answer = send(replica.addr(), grpc(path), frame(0, b"")).await;
        assert_eq!(answer.status().code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_grpc_gets_an_http_status() {
    let replica = Replica::start(&[]).await;
    let uri = format!("http://replica{LIST}");
    for request in [
        Request::post(&uri),
        Request::post(&uri).header("content-type", "application/json"),
        Request::get(&uri),
        Request::get("http://replica/"),
    ] {
        let answer = send(replica.addr(), request, "{}").await;
        assert_eq!(answer.http, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}

/// The path of every method.
pub fn method_paths() -> Vec<String> {
    let sets = [
        challenges_catalog::pb::DESCRIPTORS,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let files = sets.map(|set| FileDescriptorSet::decode(set).unwrap().file);
    let files = files.concat();
    let methods = files.iter().flat_map(|file| {
        let services = file.service.iter();
        services.flat_map(|service| {
            let method = |method: &MethodDescriptorProto| {
                format!("/{}.{}/{}", file.package(), service.name(), method.name())
            };
            service.method.iter().map(method)
        })
    });
    methods.collect()
}

#[tokio::test]
async fn a_message_that_no_method_can_read_is_the_fault_of_its_caller() {
    let replica = Replica::start(&[]).await;
    let mut seen = 0;
    for path in method_paths() {
        for body in [
            frame(0, b"\xff\xff"),
            frame(9, b""),
            frame(0, b"")[..3].to_vec().into(),
        ] {
            let answer = send(replica.addr(), grpc(&path), body.clone()).await;
            let malformed = Refusal::new(Code::InvalidArgument, "MALFORMED_MESSAGE", &[]);
            assert_eq!(
                Refusal::from(answer.status()),
                malformed,
                "{path}: {body:?}"
            );
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}
