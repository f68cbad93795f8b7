use std::collections::BTreeSet;

use super::*;

fn routes() -> Routes {
    Routes::read().unwrap()
}

/// The method that a request calls, and the path's values.
fn called(verb: &str, path: &str) -> Option<(String, Vec<String>)> {
    let routes = routes();
    let verb = Method::from_bytes(verb.as_bytes()).unwrap();
    let found = routes.find(&verb, path).ok()?;
    let path = found.route.grpc_path().rsplit_once('.').unwrap().1;
    Some((path.to_owned(), found.variables))
}

#[test]
fn every_rpc_of_our_services_has_a_route_and_no_other() {
    let contract = DescriptorPool::decode(crate::pb::DESCRIPTORS).unwrap();
    let services = contract.services();
    let ours = services.filter(|it| it.full_name().starts_with("challenges."));
    let rpcs: BTreeSet<_> = ours
        .flat_map(|it| rpcs(&it))
        .map(|rpc| format!("/{}/{}", rpc.parent_service().full_name(), rpc.name()))
        .collect();
    let routes = routes();
    let routed: BTreeSet<_> = routes.iter().map(|it| it.grpc_path().to_owned()).collect();
    assert_eq!(routed, rpcs);
    assert!(rpcs.len() > 20);
}

#[test]
fn no_path_is_that_of_two_templates_and_no_verb_of_two_methods() {
    let routes = routes();
    for (at, one) in routes.paths.iter().enumerate() {
        for other in &routes.paths[at + 1..] {
            assert!(!one.template.overlaps(&other.template), "{one:?} {other:?}");
        }
        let verbs: BTreeSet<_> = one.routes.iter().map(|it| it.verb.as_str()).collect();
        assert_eq!(verbs.len(), one.routes.len(), "{one:?}");
    }
}

#[test]
fn a_path_without_a_body_is_safe_and_one_with_a_body_is_not() {
    for route in routes().iter() {
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
    for (verb, path, method, values) in [
        (
            "GET",
            "/v1/challenges",
            "ChallengesCatalog/ListChallenges",
            &[][..],
        ),
        (
            "HEAD",
            "/v1/challenges/a",
            "ChallengesCatalog/GetChallenge",
            &["a"],
        ),
        (
            "GET",
            "/v1/challenges:batchGet",
            "ChallengesCatalog/BatchGetChallenges",
            &[],
        ),
        (
            "GET",
            "/v1/challenges/a/tip",
            "ChallengesCatalog/StreamTips",
            &["a"],
        ),
        (
            "GET",
            "/v1/admin/challenges/a",
            "ChallengesAdmin/GetChallenge",
            &["a"],
        ),
        (
            "PATCH",
            "/v1/admin/challenges/a",
            "ChallengesAdmin/UpdateChallenge",
            &["a"],
        ),
        (
            "POST",
            "/v1/admin/challenges/a%2Fb%20:revert",
            "ChallengesAdmin/RevertChallenge",
            &["a/b "],
        ),
        (
            "GET",
            "/v1/admin/challenges:export",
            "ChallengesAdmin/ExportChallenges",
            &[],
        ),
        (
            "GET",
            "/v1/admin/revisions",
            "ChallengesAdmin/ListChallengeRevisions",
            &[],
        ),
        (
            "POST",
            "/v1/admin/flags/ai_tips:reset",
            "FeatureFlags/ResetFeatureFlag",
            &["ai_tips"],
        ),
    ] {
        let values = values.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(
            called(verb, path),
            Some((method.to_owned(), values)),
            "{verb} {path}"
        );
    }
}

#[test]
fn a_verb_that_a_path_lacks_is_told_with_those_that_it_has() {
    let routes = routes();
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
        match routes.find(&verb, path) {
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
        let found = routes()
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
        let routes = routes();
        let path = format!("/v1/admin/challenges/{value}");
        let Err(NoRoute::Encoding(violation)) = routes.find(&Method::PATCH, &path) else {
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
