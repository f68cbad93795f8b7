use std::collections::BTreeSet;

use super::*;
use crate::http::fixtures::{CONTRACT, ROUTES};

/// The method that a request calls, and the path's values.
fn called(verb: &str, path: &str) -> Option<(String, Vec<String>)> {
    let verb = Method::from_bytes(verb.as_bytes()).unwrap();
    let found = ROUTES.find(&verb, path).ok()?;
    let path = found.route.grpc_path().rsplit_once('.').unwrap().1;
    Some((path.to_owned(), found.variables))
}

#[test]
fn every_rpc_of_our_services_has_a_route_and_no_other() {
    let services = CONTRACT.services();
    let ours = services.filter(|it| it.full_name().starts_with("challenges."));
    let rpcs: BTreeSet<_> = ours
        .flat_map(|it| rpcs(&it))
        .map(|rpc| format!("/{}/{}", rpc.parent_service().full_name(), rpc.name()))
        .collect();
    let routed: BTreeSet<_> = ROUTES.iter().map(|it| it.grpc_path().to_owned()).collect();
    assert_eq!(routed, rpcs);
    assert!(rpcs.len() > 20);
}

#[test]
fn no_path_is_that_of_two_templates_and_no_verb_of_two_methods() {
    for (at, one) in ROUTES.paths.iter().enumerate() {
        for other in &ROUTES.paths[at + 1..] {
            assert!(!one.template.overlaps(&other.template), "{one:?} {other:?}");
        }
        let verbs: BTreeSet<_> = one.routes.iter().map(|it| it.verb.as_str()).collect();
        assert_eq!(verbs.len(), one.routes.len(), "{one:?}");
    }
}

#[test]
fn a_path_without_a_body_is_safe_and_one_with_a_body_is_not() {
    for route in ROUTES.iter() {
        let safe = matches!(*route.verb(), Method::GET | Method::DELETE);
        assert_eq!(
            *route.body() == BodyRule::None,
            safe,
            "{}",
            route.template()
        );
    }
}

#[test]
fn a_request_calls_the_method_of_its_verb_and_path() {
    for line in [
        "GET /v1/challenges = ChallengesCatalog/ListChallenges",
        "HEAD /v1/challenges/a = ChallengesCatalog/GetChallenge a",
        "GET /v1/challenges:batchGet = ChallengesCatalog/BatchGetChallenges",
        "GET /v1/challenges/a/tip = ChallengesCatalog/StreamTips a",
        "GET /v1/challenges:streamTips = ChallengesCatalog/StreamTipsBatch",
        "GET /v1/admin/challenges/a = ChallengesAdmin/GetChallenge a",
        "PATCH /v1/admin/challenges/a = ChallengesAdmin/UpdateChallenge a",
        "DELETE /v1/admin/challenges/a = ChallengesAdmin/DeleteChallenge a",
        "POST /v1/admin/challenges/a%2F%3Ab:revert = ChallengesAdmin/RevertChallenge a/:b",
        "GET /v1/admin/challenges:export = ChallengesAdmin/ExportChallenges",
        "GET /v1/admin/challenges/a/revisions = ChallengesAdmin/ListChallengeRevisions a",
        "GET /v1/admin/revisions = ChallengesAdmin/ListChallengeRevisions",
        "POST /v1/admin/flags/ai_tips:reset = FeatureFlags/ResetFeatureFlag ai_tips",
    ] {
        let (request, expected) = line.split_once(" = ").unwrap();
        let (verb, path) = request.split_once(' ').unwrap();
        let (method, values) = called(verb, path).unwrap();
        let called = [vec![method], values].concat();
        assert_eq!(called.join(" "), expected, "{request}");
    }
}

#[test]
fn a_verb_that_a_path_lacks_is_told_with_those_that_it_has() {
    for (verb, path, allow) in [
        (Method::POST, "/v1/challenges", "GET, HEAD"),
        (Method::TRACE, "/v1/challenges/a", "GET, HEAD"),
        (Method::GET, "/v1/admin/challenges/a:revert", "POST"),
        (Method::HEAD, "/v1/admin/cache:warm", "POST"),
        (
            Method::PUT,
            "/v1/admin/challenges/%ff",
            "GET, HEAD, PATCH, DELETE",
        ),
    ] {
        match ROUTES.find(&verb, path) {
            Err(NoRoute::OtherVerbs(told)) => assert_eq!(told, allow, "{verb} {path}"),
            other => panic!("{verb} {path}: {other:?}"),
        }
    }
}

#[test]
fn a_path_that_is_none_is_not_guessed_at() {
    let deep = "/a".repeat(100_000);
    for path in [
        "",
        "*",
        "/",
        "//",
        "/v1",
        "/v1/",
        "/v1/challenges/",
        "/v1/challenges//tip",
        "/v1/challenges/a/tip/",
        "/v1/challenges/a:tip",
        "/v1/challenges:batchget",
        "/v1/challenges%3AbatchGet",
        "/v1/./challenges",
        "/v1/admin/challenges/a:revert:revert/",
        "/v1/admin/../challenges",
        "/V1/challenges",
        "v1/challenges",
        &deep,
    ] {
        let found = ROUTES
            .find(&Method::GET, path)
            .map(|_| ())
            .err()
            .map(|it| it == NoRoute::Unknown);
        assert_eq!(found, Some(true), "{path:.40}");
    }
}

#[test]
fn a_value_that_cannot_be_decoded_is_named() {
    for value in ["%", "%zz", "%00", "%c0%af", "%ff", "%ed%a0%80", "a%"] {
        let path = format!("/v1/admin/challenges/{value}");
        let Err(NoRoute::Encoding(violation)) = ROUTES.find(&Method::PATCH, &path) else {
            panic!("{value}");
        };
        assert_eq!(violation.field, "challenge.id");
    }
}

#[test]
fn an_annotation_that_is_not_understood_is_named() {
    use prost::Message;

    let set = prost_types::FileDescriptorSet::decode(crate::pb::DESCRIPTORS).unwrap();
    let without = set.file.into_iter().filter(|file| {
        !file.name().starts_with("google/api") && !file.name().starts_with("challenges")
    });
    let set = prost_types::FileDescriptorSet {
        file: without.collect(),
    };
    let contract = DescriptorPool::from_file_descriptor_set(set).unwrap();
    assert!(matches!(Routes::of(&contract), Err(RoutesError::NoOption)));
}
