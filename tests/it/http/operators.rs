//! Operators and editors over HTTP: flags, settings, caches, challenges and their history.
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{
    grpc_json::call_by_grpc,
    scene::{Answer, HTTP, ask, get, get_with, http_addr, send, send_json, serving},
};
use crate::{
    access::listeners::address,
    editing::client::{SEEDED, id},
    support::{fleet::Fleet, process::PATIENCE, replica::Replica, wait::eventually},
};

const CHALLENGES: &str = "/v1/admin/challenges";
const CATALOG_FLAG: &str = "/v1/admin/flags/challenges_catalog";

async fn patch(replica: &Replica, path: &str, body: &Value) -> Answer {
    send_json(replica, Method::PATCH, path, body).await
}

async fn post(replica: &Replica, path: &str, body: &Value) -> Answer {
    send_json(replica, Method::POST, path, body).await
}

pub fn one() -> String {
    format!("{CHALLENGES}/{SEEDED}")
}

/// What is there without a change, of each service.
#[tokio::test]
async fn answers_are_the_json_of_grpc_and_are_kept_by_nobody() {
    let replica = serving(&[]).await;
    let edited = json!({"id": SEEDED});
    let revisions = json!({"challenge_id": SEEDED});
    for (path, method, request) in [
        (
            "/v1/admin/flags",
            "FeatureFlags/ListFeatureFlags",
            &json!({}),
        ),
        (
            CATALOG_FLAG,
            "FeatureFlags/GetFeatureFlag",
            &json!({"name": "challenges_catalog"}),
        ),
        (
            "/v1/admin/settings",
            "RuntimeSettings/ListRuntimeSettings",
            &json!({}),
        ),
        (&one(), "ChallengesAdmin/GetChallenge", &edited),
        (
            &format!("{}/revisions", one()),
            "ChallengesAdmin/ListChallengeRevisions",
            &revisions,
        ),
    ] {
        let answer = get(&replica, path).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let method = format!("challenges.admin.v1.{method}");
        assert_eq!(
            answer.json(),
            call_by_grpc(&replica, &method, request).await,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_challenge_is_created_changed_deleted_and_brought_back() {
    let replica = serving(&[]).await;
    let new = json!({
        "id": id(1), "difficulty": "DIFFICULTY_BEGINNER", "title": "Thank a driver", "points": 10,
    });
    let created = post(&replica, CHALLENGES, &new).await.json();
    let path = format!("{CHALLENGES}/{}", id(1));
    assert_eq!(created["challenge"]["title"], "Thank a driver");
    let version = created["version"].as_str().unwrap();
    let read = format!("/v1/challenges/{}?min_version={version}", id(1));
    assert_eq!(get(&replica, &read).await.json()["challenge"]["points"], 10);

    let again = post(&replica, CHALLENGES, &new).await;
    let expected = (409, "CHALLENGE_EXISTS".to_owned());
    let (status, reason, _) = again.problem();
    assert_eq!((status, reason), expected);

    let masked = format!("{path}?update_mask=points");
    let changed = patch(&replica, &masked, &json!({"points": 15}))
        .await
        .json();
    assert_eq!(changed["challenge"]["points"], 15);
    assert_eq!(changed["challenge"]["title"], "Thank a driver");

    let gone = ask(&replica, Method::DELETE, &path, &[]).await.json();
    assert!(gone["version"].is_string(), "{gone}");
    assert_eq!(
        get(&replica, &path).await.problem().1,
        "CHALLENGE_NOT_FOUND"
    );

    let revisions = get(&replica, &format!("{path}/revisions")).await.json();
    let revisions = revisions["revisions"].as_array().unwrap();
    let operations: Vec<_> = revisions
        .iter()
        .map(|it| it["operation"].as_str().unwrap())
        .collect();
    assert_eq!(
        operations,
        [
            "REVISION_OPERATION_DELETED",
            "REVISION_OPERATION_UPDATED",
            "REVISION_OPERATION_CREATED"
        ]
    );
    let first = json!({"revision": revisions[2]["revision"]});
    let back = post(&replica, &format!("{path}:revert"), &first)
        .await
        .json();
    assert_eq!(back["challenge"]["points"], 10);
}

#[tokio::test]
async fn a_change_of_what_somebody_else_changed_is_a_conflict() {
    let replica = serving(&[]).await;
    let etag = |answer: &Value| answer["challenge"]["etag"].as_str().unwrap().to_owned();
    let encoded = |etag: &str| etag.replace('"', "%22").replace('/', "%2F");
    let before = etag(&get(&replica, &one()).await.json());
    let held = format!("{}?update_mask=title&etag={}", one(), encoded(&before));
    let first = patch(&replica, &held, &json!({"title": "Mine"})).await;
    let after = etag(&first.json());
    assert_ne!(after, before);
    let second = patch(&replica, &held, &json!({"title": "Yours"})).await;
    let (status, reason, _) = second.problem();
    assert_eq!((status, reason.as_str()), (409, "ETAG_MISMATCH"));
    let gone = format!("{}?etag={}", one(), encoded(&before));
    let deleted = ask(&replica, Method::DELETE, &gone, &[]).await;
    assert_eq!(deleted.problem().0, 409);
    assert_eq!(
        get(&replica, &one()).await.json()["challenge"]["title"],
        "Mine"
    );
}

#[tokio::test]
async fn an_edit_is_the_callers_own() {
    let replica = serving(&[]).await;
    let request = http::Request::patch(format!("{}?update_mask=points", one()))
        .header("content-type", "application/json")
        .header("x-caller-id", "ann@example.org")
        .body(r#"{"points": 33}"#.into())
        .unwrap();
    let mut client =
        super::scene::Client::connect(http_addr(&replica), super::scene::Speaking::Http2).await;
    assert_eq!(client.send(request).await.status, 200);
    let revisions = get(&replica, &format!("{}/revisions", one())).await.json();
    assert_eq!(revisions["revisions"][0]["editor"], "name ann@example.org");
}

pub fn import_line(number: u32, points: i32) -> Value {
    json!({"rows": [{"challenge": {
        "id": id(number), "difficulty": "DIFFICULTY_ADVANCED", "title": format!("Number {number}"), "points": points,
    }}]})
}

async fn import(replica: &Replica, lines: &[String]) -> Answer {
    let to = (Method::POST, "/v1/admin/challenges:import");
    send(replica, to, "application/x-ndjson", lines.join("\n")).await
}

#[tokio::test]
async fn lines_are_imported_and_exported() {
    let replica = serving(&[]).await;
    let mut lines: Vec<_> = (1..=20).map(|it| import_line(it, 10).to_string()).collect();
    lines.insert(
        0,
        json!({"options": {"mode": "IMPORT_MODE_UPSERT"}}).to_string(),
    );
    lines.insert(7, String::new());
    let done = import(&replica, &lines).await.json();
    assert_eq!(
        (&done["created"], &done["updated"]),
        (&"20".into(), &"0".into())
    );
    let outcomes = done["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 20);

    let exported = get(&replica, "/v1/admin/challenges:export").await;
    let pages = exported.lines();
    let challenges = pages
        .iter()
        .flat_map(|page| page["challenges"].as_array().unwrap());
    let ids: Vec<_> = challenges.map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 38);
    assert!(ids.is_sorted() && ids[0] == id(1));
}

#[tokio::test]
async fn a_bad_line_of_an_import_is_named_and_nothing_is_changed() {
    let replica = serving(&[]).await;
    let before = get(&replica, "/v1/admin/challenges:export").await.body;
    for (bad, named) in [
        ("{\"rows\": [".to_owned(), "line 13"),
        ("[]".to_owned(), "line 13"),
        (
            json!({"rows": [{"challenge": {"colour": "red"}}]}).to_string(),
            "lines[13].rows[0].challenge.colour",
        ),
        (import_line(99, -1).to_string(), "points"),
    ] {
        let mut lines: Vec<_> = (1..=40).map(|it| import_line(it, 10).to_string()).collect();
        lines[12] = bad;
        let answer = import(&replica, &lines).await;
        assert_eq!(answer.problem().0, 400, "{named}");
        let text = std::str::from_utf8(&answer.body).unwrap();
        assert!(text.contains(named), "{named}: {text}");
        let after = get(&replica, "/v1/admin/challenges:export").await.body;
        assert_eq!(after, before, "{named}");
    }
}

#[tokio::test]
async fn a_flag_is_set_for_some_and_reset() {
    let replica = serving(&[]).await;
    let tenth = json!({"rollout_percentage": 10, "comment": "a trial"});
    let path = "/v1/admin/flags/ai_tips";
    let before = get(&replica, path).await.json();
    let set = patch(&replica, path, &tenth).await.json();
    assert_eq!(set["flag"]["rollout_percentage"], 10);
    assert_eq!(
        get(&replica, path).await.json()["flag"]["comment"],
        "a trial"
    );
    let stale = json!({"enabled": false, "etag": before["flag"]["etag"]});
    assert_eq!(
        patch(&replica, path, &stale).await.problem().1,
        "ETAG_MISMATCH"
    );
    let reset = post(&replica, &format!("{path}:reset"), &json!({}))
        .await
        .json();
    assert_eq!(reset["flag"]["rollout_percentage"], 100);
    let nothing = get(&replica, "/v1/admin/flags/nothing").await;
    assert_eq!(nothing.problem().1, "FEATURE_FLAG_NOT_FOUND");
    assert_eq!(nothing.status, 404);
}

#[tokio::test]
async fn a_setting_is_set_and_reset() {
    let replica = serving(&[]).await;
    let path = "/v1/admin/settings/cache_ttl_ms";
    let set = patch(&replica, path, &json!({"value": "60000"}))
        .await
        .json();
    assert_eq!(set["setting"]["value"], "60000");
    let bad = patch(&replica, path, &json!({"value": "soon"})).await;
    assert_eq!(bad.problem().0, 400);
    let reset = post(&replica, &format!("{path}:reset"), &json!({}))
        .await
        .json();
    assert_eq!(reset["setting"]["value"], "600000");
}

#[tokio::test]
async fn an_invalidation_gives_its_receipt_and_warming_its_steps() {
    let fleet = Fleet::start_with(2, &[HTTP]).await;
    let replica = &fleet.replicas[0];
    eventually("both are known", PATIENCE, async || {
        let status = get(replica, "/v1/admin/cache?all_replicas=true")
            .await
            .json();
        status["replicas"].as_array().unwrap().len() == 2
    })
    .await;
    let tag = json!({"tag": "difficulty:beginner"});
    let receipt = post(replica, "/v1/admin/cache:invalidate", &tag)
        .await
        .json();
    assert_eq!(receipt["tags"], json!(["difficulty:beginner"]));
    let acknowledged = receipt["acknowledged"].as_array().unwrap();
    assert_eq!(acknowledged.len(), 2, "{receipt}");
    let unknown = post(
        replica,
        "/v1/admin/cache:invalidate",
        &json!({"tag": "colour:red"}),
    )
    .await;
    let expected = (404, "TAG_UNKNOWN".to_owned());
    let (status, reason, _) = unknown.problem();
    assert_eq!((status, reason), expected);
    let warmed = post(replica, "/v1/admin/cache:warm", &json!({})).await;
    let steps = warmed.lines();
    assert!(
        steps.len() > 2 && steps.last().unwrap()["summary"].is_object(),
        "{steps:?}"
    );
}

#[tokio::test]
async fn a_run_of_tips_tells_its_plan_line_by_line_and_what_it_lacks_with_a_status() {
    let replica = serving(&[]).await;
    let plan = json!({"difficulty": "DIFFICULTY_BEGINNER", "validate_only": true});
    let path = "/v1/admin/tips:generate";
    let run = post(&replica, path, &plan).await.lines();
    let end = &run.last().unwrap()["summary"]["end"];
    assert_eq!(end, "GENERATION_END_PROVIDER_AWAY");
    let run = post(
        &replica,
        path,
        &json!({"difficulty": "DIFFICULTY_BEGINNER"}),
    )
    .await;
    let expected = (400, "NO_TIPS_PROVIDER".to_owned(), Vec::new());
    assert_eq!(run.problem(), expected);
    let resumed = post(&replica, "/v1/admin/tips:resumeProviders", &json!({})).await;
    assert_eq!(resumed.json()["providers"], json!([]));
}

#[tokio::test]
async fn switched_off_the_catalog_is_refused_within_two_seconds_at_every_replica() {
    let fleet = Fleet::start_with(2, &[HTTP]).await;
    let paths = [
        "/v1/challenges".to_owned(),
        format!("/v1/challenges/{SEEDED}"),
        format!("/v1/challenges:batchGet?ids={SEEDED}"),
        format!("/v1/challenges/{SEEDED}/tip"),
    ];
    let held = get(&fleet.replicas[1], &paths[0]).await;
    let off = patch(&fleet.replicas[0], CATALOG_FLAG, &json!({"enabled": false})).await;
    assert_eq!(off.json()["flag"]["enabled"], false);
    let within = Duration::from_secs(2);
    eventually("it is refused everywhere", within, async || {
        let mut refused = 0;
        for replica in &fleet.replicas {
            refused += usize::from(get(replica, &paths[0]).await.status == 503);
        }
        refused == 2
    })
    .await;
    for replica in &fleet.replicas {
        for path in &paths {
            // Also to whom a 304 would do.
            let condition = [("if-none-match", held.header("etag"))];
            let refused = get_with(replica, path, &condition).await;
            let expected = (503, "FEATURE_DISABLED".to_owned(), Vec::new());
            assert_eq!(refused.problem(), expected, "{path}");
            assert_eq!(refused.header("retry-after"), "60");
            assert_eq!(refused.header("cache-control"), "no-store");
            assert_eq!(refused.header("etag"), "");
        }
    }
    let on = patch(&fleet.replicas[1], CATALOG_FLAG, &json!({"enabled": true})).await;
    assert_eq!(on.status, 200);
    eventually("it is back", Duration::from_secs(3), async || {
        get(&fleet.replicas[0], &paths[0]).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn with_an_address_of_their_own_operators_are_not_served_over_http() {
    let replica = serving(&[("CATALOG_ADMIN_ADDR", "127.0.0.1:0")]).await;
    for (method, path) in [
        (Method::GET, "/v1/admin/flags"),
        (Method::GET, "/v1/admin/cache"),
        (Method::GET, "/v1/admin/challenges:export"),
        (Method::DELETE, &one()[..]),
    ] {
        let answer = ask(&replica, method, path, &[]).await;
        let expected = (404, "METHOD_UNKNOWN".to_owned(), Vec::new());
        assert_eq!(answer.problem(), expected, "{path}");
    }
    let everything = json!({"all": true});
    let invalidated = post(&replica, "/v1/admin/cache:invalidate", &everything).await;
    assert_eq!(invalidated.problem().0, 404);
    assert_eq!(get(&replica, "/v1/challenges").await.status, 200);
    assert!(!address(&replica, "admin_addr").is_empty());
}
