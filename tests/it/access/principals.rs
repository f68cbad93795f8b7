//! Who is known by which credentials, what bad ones get, and what is told of both.
use std::time::{Duration, Instant};

use challenges_catalog::pb::{
    admin::v1::{
        CreateChallengeRequest, EditedChallenge, GetCacheStatusRequest,
        ListChallengeRevisionsRequest, cache_admin_client::CacheAdminClient,
        challenges_admin_client::ChallengesAdminClient,
    },
    catalog::v1::{ListChallengesRequest, challenges_catalog_client::ChallengesCatalogClient},
};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt;

use super::scene::{Files, connect, connect_as, list, token_entry, with_header};
use crate::support::{process::PATIENCE, replica::Replica, wait::eventually};

const TOKEN: &str = "cc_0123456789";

async fn served(files: &Files, access: &str) -> (Replica, Channel) {
    let mut settings = files.tls();
    settings.push(files.access(access));
    let replica = Replica::start(&settings).await;
    let channel = connect(&replica, files.authority.trusted()).await.unwrap();
    (replica, channel)
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

#[tokio::test]
async fn bad_credentials_are_refused_in_words_and_repeated_nowhere() {
    let files = Files::new();
    let entries = token_entry("shop", TOKEN, "viewer", "")
        + &token_entry("late", "late", "viewer", "not_after = 2020-01-01T00:00:00Z");
    let (replica, channel) = served(&files, &entries).await;
    list(&channel, Some(&format!("Bearer {TOKEN}")))
        .await
        .unwrap();
    let cut_short = format!("Bearer {}", &TOKEN[..5]);
    let long = format!("Bearer {}", "x".repeat(9_000));
    for (header, said) in [
        (cut_short.as_str(), "the token is not known here"),
        ("Bearer late", "the token or client certificate has expired"),
        ("Bearer a.b.c", "not known here"),
        ("Basic c2hvcDpwYXNz", "must be `Bearer TOKEN`"),
        ("Bearer", "must be `Bearer TOKEN`"),
        ("Bearer a b", "visible ASCII"),
        (&long, "longer than any token"),
    ] {
        let refused = list(&channel, Some(header)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{header}");
        assert_eq!(reason(&refused), "CREDENTIALS_INVALID");
        assert!(refused.message().contains(said), "{header}: {refused}");
    }
    let missing = list(&channel, None).await.unwrap_err();
    assert_eq!(reason(&missing), "CREDENTIALS_MISSING");
    assert!(missing.message().contains("authorization: Bearer"));
    let text = replica.log();
    assert!(!text.contains(TOKEN) && !text.contains("c2hvcDpwYXNz"));
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let files = Files::new();
    let (_replica, channel) = served(&files, &token_entry("shop", TOKEN, "viewer", "")).await;
    let header = format!("Bearer {TOKEN}");
    let mut request = with_header(GetCacheStatusRequest::default(), &header);
    let value = header.parse().unwrap();
    request.metadata_mut().append("authorization", value);
    let refused = CacheAdminClient::new(channel)
        .get_cache_status(request)
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("is there twice"), "{refused}");
}

#[tokio::test]
async fn a_token_that_is_rotated_works_beside_the_old_one_until_that_is_removed() {
    let files = Files::new();
    let (old, new) = (
        token_entry("shop", "old", "viewer", ""),
        token_entry("shop-2", "new", "viewer", ""),
    );
    let (replica, channel) = served(&files, &old).await;
    let is_known = async |token: &str| {
        list(&channel, Some(&format!("Bearer {token}")))
            .await
            .is_ok()
    };
    assert!(is_known("old").await && !is_known("new").await);
    files.write("access.toml", &(old + &new));
    replica.signal("HUP");
    eventually("the new token is known", PATIENCE, async || {
        is_known("new").await
    })
    .await;
    assert!(is_known("old").await);
    files.write("access.toml", &new);
    replica.signal("HUP");
    eventually(
        "the old token is not known any more",
        PATIENCE,
        async || !is_known("old").await,
    )
    .await;
    // What is no access file changes nothing.
    files.write("access.toml", "[[token]]\nname = 7\n");
    replica.signal("HUP");
    eventually("the file is refused", PATIENCE, async || {
        replica
            .log()
            .contains("what was read before stays in force")
    })
    .await;
    assert!(is_known("new").await);
}

#[tokio::test]
async fn a_certificate_is_known_by_its_names_and_one_without_a_role_is_not() {
    let files = Files::new();
    let access = "[[certificate]]\nsan = \"spiffe://prod/ns/shop/*\"\nrole = \"viewer\"\n\
                  [[certificate]]\nsan = \"*.ops.example\"\nname = \"ops\"\nrole = \"operator\"\n";
    let mut settings = files.mutual_tls("request");
    settings.push(files.access(access));
    let replica = Replica::start(&settings).await;
    let as_client = async |name: &str| {
        let pair = files.authority.client(name);
        connect_as(&replica, &files, &pair).await.unwrap()
    };
    list(&as_client("spiffe://prod/ns/shop/backend").await, None)
        .await
        .unwrap();
    list(&as_client("a.ops.example").await, None).await.unwrap();
    for stranger in [
        "spiffe://prod/ns/shopping",
        "ops.example",
        "a.b.ops.example",
    ] {
        let refused = list(&as_client(stranger).await, None).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{stranger}");
        assert!(
            refused
                .message()
                .contains("client certificate is not known")
        );
    }
    let nameless = files.authority.certify(|_| {});
    let channel = connect_as(&replica, &files, &nameless).await.unwrap();
    let refused = list(&channel, None).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn the_history_names_the_principal_and_whom_it_calls_for_if_it_may() {
    let files = Files::new();
    let entries = token_entry("gateway", "g", "editor", "on_behalf = true")
        + &token_entry("shop", "s", "editor", "");
    let (_replica, channel) = served(&files, &entries).await;
    let mut client = ChallengesAdminClient::new(channel);
    let mut authors = Vec::new();
    for token in ["g", "s"] {
        let message = CreateChallengeRequest {
            challenge: Some(EditedChallenge {
                title: "A title".to_owned(),
                description: Some("A description".to_owned()),
                difficulty: 1,
                ..EditedChallenge::default()
            }),
            ..CreateChallengeRequest::default()
        };
        let mut request = with_header(message, &format!("Bearer {token}"));
        request
            .metadata_mut()
            .insert("x-caller-id", "ann".parse().unwrap());
        let created = client.create_challenge(request).await.unwrap().into_inner();
        let message = ListChallengeRevisionsRequest {
            challenge_id: created.challenge.unwrap().id,
            ..ListChallengeRevisionsRequest::default()
        };
        let request = with_header(message, &format!("Bearer {token}"));
        let history = client.list_challenge_revisions(request).await.unwrap();
        authors.push(history.into_inner().revisions[0].editor.clone());
    }
    assert_eq!(authors, ["gateway, for ann", "shop"]);
}

#[tokio::test]
async fn every_admin_call_is_in_the_log_with_who_what_and_how_it_ended() {
    let files = Files::new();
    let entries =
        token_entry("ops", TOKEN, "operator", "") + &token_entry("shop", "s", "viewer", "");
    let (replica, channel) = served(&files, &entries).await;
    let mut client = CacheAdminClient::new(channel.clone());
    for token in [TOKEN, "s"] {
        let request = with_header(GetCacheStatusRequest::default(), &format!("Bearer {token}"));
        let _ = client.get_cache_status(request).await;
    }
    list(&channel, Some("Bearer s")).await.unwrap();
    let lines = || audit_lines(&replica);
    eventually("both calls are told", PATIENCE, async || lines().len() == 2).await;
    let text = format!("{:?}", lines());
    for said in [
        "principal ops",
        "principal shop",
        "\"via\": String(\"token\")",
        "CacheAdmin/GetCacheStatus",
        "\"OK\"",
        "PERMISSION_DENIED",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains(TOKEN));
}

#[tokio::test]
async fn a_principal_that_names_nobody_properly_is_refused_by_every_method_and_is_in_the_log() {
    let files = Files::new();
    let entries = token_entry("gateway", TOKEN, "operator", "on_behalf = true")
        + &token_entry("shop", "s", "operator", "");
    let (replica, channel) = served(&files, &entries).await;
    let mut client = CacheAdminClient::new(channel.clone());
    for named in ["", "two words"] {
        let status = |token: &str| {
            let mut request =
                with_header(GetCacheStatusRequest::default(), &format!("Bearer {token}"));
            let value = named.parse().unwrap();
            request.metadata_mut().insert("x-caller-id", value);
            request
        };
        let refused = client.get_cache_status(status(TOKEN)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{named:?}");
        assert_eq!(reason(&refused), "INVALID_FIELDS");
        let mut request = with_header(ListChallengesRequest::default(), &format!("Bearer {TOKEN}"));
        let value = named.parse().unwrap();
        request.metadata_mut().insert("x-caller-id", value);
        let listed = ChallengesCatalogClient::new(channel.clone())
            .list_challenges(request)
            .await;
        assert_eq!(listed.unwrap_err().code(), Code::InvalidArgument);
        client.get_cache_status(status("s")).await.unwrap();
    }
    let lines = || audit_lines(&replica);
    eventually("all calls are told", PATIENCE, async || lines().len() == 4).await;
    let callers: Vec<_> = lines().iter().map(|line| line["caller"].clone()).collect();
    let expected = ["principal gateway", "principal shop"].repeat(2);
    assert_eq!(callers, expected);
}

#[tokio::test]
async fn refusals_of_callers_that_are_not_known_are_limited_in_the_log_and_others_are_not() {
    let files = Files::new();
    let entries = format!(
        "anonymous = \"viewer\"\n{}",
        token_entry("shop", "s", "viewer", "")
    );
    let (replica, channel) = served(&files, &entries).await;
    let mut client = CacheAdminClient::new(channel);
    for _ in 0..50 {
        for header in [None, Some("Bearer wrong"), Some("Bearer s")] {
            let message = GetCacheStatusRequest::default();
            let request = match header {
                Some(header) => with_header(message, header),
                None => Request::new(message),
            };
            client.get_cache_status(request).await.unwrap_err();
        }
    }
    let of = |caller: &str| {
        let lines = audit_lines(&replica).into_iter();
        let is_theirs =
            |line: &serde_json::Value| line["caller"].as_str().unwrap().contains(caller);
        lines.filter(is_theirs).count()
    };
    eventually("known callers are told of", PATIENCE, async || {
        of("principal shop") == 50
    })
    .await;
    // Ten in ten seconds; the calls may have taken longer than that.
    let unknown = of("anonymous") + of("address");
    assert!((1..=30).contains(&unknown), "{unknown} lines");
}

fn audit_lines(replica: &Replica) -> Vec<serde_json::Value> {
    let log = replica.log();
    let lines = log.lines().filter(|line| line.contains("admin call"));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn whoever_calls_more_often_than_it_may_is_told_when_to_come_and_others_are_not() {
    let files = Files::new();
    let entries = token_entry("flooder", "f", "viewer", "requests_per_minute = 60")
        + &token_entry("shop", "s", "viewer", "");
    let (_replica, channel) = served(&files, &entries).await;
    let mut refused = None;
    for _ in 0..100 {
        if let Err(status) = list(&channel, Some("Bearer f")).await {
            refused = Some(status);
        }
        list(&channel, Some("Bearer s")).await.unwrap();
    }
    let refused = refused.expect("sixty calls a minute are not a hundred at once");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refused), "RATE_LIMITED");
    let details = refused.get_error_details();
    let pause = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(
        pause > Duration::ZERO && pause <= Duration::from_secs(2),
        "{pause:?}"
    );
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").unwrap();
    let pushback: u128 = pushback.to_str().unwrap().parse().unwrap();
    assert_eq!(pushback, pause.as_millis());
}

#[tokio::test]
async fn calls_of_whoever_is_over_its_rate_are_read_less_often() {
    let files = Files::new();
    let entries = token_entry("flooder", "f", "viewer", "requests_per_minute = 1");
    let (_replica, channel) = served(&files, &entries).await;
    let mut refused = 0;
    let mut since = Instant::now();
    while refused < 5 {
        if refused == 0 {
            since = Instant::now();
        }
        refused += usize::from(list(&channel, Some("Bearer f")).await.is_err());
    }
    // A pause, of 100 ms at least, follows each of the first four.
    assert!(
        since.elapsed() >= Duration::from_millis(400),
        "{:?}",
        since.elapsed()
    );
}
