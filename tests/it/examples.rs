//! Every script of `grpcurl-examples/` gives the answer that it promises.
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::support::replica::Replica;

/// What a script must have printed.
type Check = fn(&str);

const CHECKS: &[(&str, Check)] = &[
    ("batch-get-challenges.sh", three_in_the_order_asked_for),
    ("batch-generate-tips.sh", nobody_writes_here),
    ("resume-providers.sh", nobody_to_resume),
    ("cache-status.sh", one_replica_in_order),
    ("get-challenge.sh", one_challenge),
    ("health.sh", it_serves),
    ("invalidate-cache.sh", a_receipt),
    ("list-challenges.sh", beginners_in_order),
    ("list-next-page.sh", the_second_five),
    ("reflection.sh", services_with_comments),
    ("stream-tips-batch.sh", two_tips_in_one_stream),
    ("stream-tips.sh", a_tip_event_by_event),
    ("warm-cache.sh", steps_and_a_summary),
    ("list-feature-flags.sh", five_flags_by_default),
    ("update-feature-flag.sh", a_flag_for_a_tenth),
    ("get-feature-flag.sh", a_flag_for_a_tenth),
    ("reset-feature-flag.sh", a_flag_without_a_row),
    ("list-runtime-settings.sh", eight_settings_by_default),
    ("update-runtime-setting.sh", a_minute_by_a_row),
    ("reset-runtime-setting.sh", ten_minutes_by_default),
    // They change the catalog: last, and in this order.
    ("create-challenge.sh", a_new_challenge_and_its_version),
    ("update-challenge.sh", other_fields),
    ("edit-challenge.sh", a_title_after_a_read),
    (
        "list-challenge-revisions.sh",
        three_changes_and_who_made_them,
    ),
    ("delete-challenge.sh", a_version),
    ("revert-challenge.sh", what_was_deleted),
    ("import-challenges.sh", one_created_and_one_updated),
    ("export-challenges.sh", all_challenges_by_id),
];

#[tokio::test]
async fn every_example_gives_its_answer() {
    let scripts: BTreeSet<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    let checked: BTreeSet<_> = CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        scripts, checked,
        "each script has a check, and each check a script"
    );
    let replica = Replica::start(&[]).await;
    for (script, check) in CHECKS {
        check(&run(script, &replica));
    }
}

#[test]
fn the_table_names_every_example() {
    let table = fs::read_to_string(folder().join("README.md")).unwrap();
    for (script, _) in CHECKS {
        assert!(
            table.contains(&format!("| [{script}]({script}) |")),
            "{script}"
        );
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    top().join("grpcurl-examples")
}

/// Runs a script with the grpcurl of `make tools`, and gives what it printed.
fn run(script: &str, replica: &Replica) -> String {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [top().join(".tools/bin")]
        .into_iter()
        .chain(env::split_paths(&path));
    let output = Command::new(folder().join(script))
        .env("PATH", env::join_paths(folders).unwrap())
        .env("CATALOG_ADDR", replica.addr().to_string())
        .output()
        .unwrap();
    assert_ne!(
        output.status.code(),
        Some(127),
        "grpcurl is missing; run `make tools`"
    );
    assert!(
        output.status.success(),
        "{script}: {}\nthe replica's log:\n{}",
        String::from_utf8_lossy(&output.stderr),
        replica.log()
    );
    String::from_utf8(output.stdout).unwrap()
}

fn parse(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|problem| panic!("{problem}: {answer}"))
}

/// One field of each challenge of an answer, as text.
fn each<'a>(answer: &'a Value, field: &str) -> Vec<&'a str> {
    let challenges = answer.get("challenges").and_then(Value::as_array).unwrap();
    let fields = challenges.iter().map(|challenge| challenge.get(field));
    fields
        .map(|value| value.unwrap().as_str().unwrap())
        .collect()
}

fn beginners_in_order(answer: &str) {
    let answer = parse(answer);
    assert_eq!(each(&answer, "difficulty"), ["DIFFICULTY_BEGINNER"; 6]);
    assert_eq!(
        each(&answer, "title").last(),
        Some(&"Ask one more question")
    );
    assert_eq!(answer.get("totalCount"), Some(&6.into()));
    assert_eq!(
        answer.get("difficultyFilter"),
        Some(&"DIFFICULTY_BEGINNER".into())
    );
    assert_eq!(answer.get("nextPageToken"), None);
    for field in ["etag", "freshness", "cacheExpireTime"] {
        assert!(answer.get(field).is_some(), "{field}: {answer}");
    }
}

fn the_second_five(answer: &str) {
    let answer = parse(answer);
    let titles = [
        "Ask one more question",
        "Join a table at a club or course",
        "Say no kindly",
        "Tell a friend what you appreciate about them",
        "Say that you do not know",
    ];
    assert_eq!(each(&answer, "title"), titles);
    assert_eq!(answer.get("totalCount"), Some(&18.into()));
    assert!(answer.get("nextPageToken").is_some(), "{answer}");
}

fn one_challenge(answer: &str) {
    let answer = parse(answer);
    let challenge = answer.get("challenge").unwrap();
    let text = |field: &str| challenge.get(field).unwrap().as_str().unwrap();
    assert_eq!(text("id"), "7368dad2-43a3-4359-95c9-2405f700f00e");
    assert_eq!(text("title"), "Greet a neighbour by name");
    assert_eq!(challenge.get("points"), Some(&10.into()));
    assert!(text("tips").contains("You are not performing"), "{answer}");
}

fn three_in_the_order_asked_for(answer: &str) {
    let titles = [
        "Give a short talk in front of strangers",
        "Say no kindly",
        "Greet a neighbour by name",
    ];
    assert_eq!(each(&parse(answer), "title"), titles);
}

fn it_serves(answer: &str) {
    assert_eq!(parse(answer), serde_json::json!({ "status": "SERVING" }));
}

fn services_with_comments(answer: &str) {
    for service in [
        "challenges.catalog.v1.ChallengesCatalog",
        "grpc.health.v1.Health",
    ] {
        assert!(
            answer.lines().any(|line| line == service),
            "{service}: {answer}"
        );
    }
    for text in [
        "// Lists challenges, all or of one difficulty, page by page",
        "// Streams a coaching tip for one challenge as it is written.",
        "rpc StreamTips ( .challenges.catalog.v1.StreamTipsRequest ) returns ( stream ",
    ] {
        assert!(answer.contains(text), "{text}: {answer}");
    }
}

fn a_receipt(answer: &str) {
    let receipt = parse(answer);
    assert_eq!(receipt["tags"], serde_json::json!(["difficulty:beginner"]));
    assert_eq!(receipt["acknowledged"].as_array().unwrap().len(), 1);
    assert_eq!(receipt.get("fenced"), None);
    assert!(receipt["version"].is_string(), "{receipt}");
}

fn one_replica_in_order(answer: &str) {
    let status = parse(answer);
    let replicas = status["replicas"].as_array().unwrap();
    assert_eq!(replicas.len(), 1);
    assert_eq!(replicas[0]["mode"], "CACHE_MODE_REDIS_BYPASSED");
    assert_eq!(replicas[0]["database"]["available"], true);
    assert_eq!(status.get("silent"), None);
}

/// The messages of a stream.
fn parse_all(answer: &str) -> Vec<Value> {
    let messages = serde_json::Deserializer::from_str(answer).into_iter::<Value>();
    messages.map(Result::unwrap).collect()
}

fn a_tip_event_by_event(answer: &str) {
    let events = parse_all(answer);
    let [accepted, delta, done] = &events[..] else {
        panic!("{answer}");
    };
    assert_eq!(accepted["accepted"]["source"], "TIP_SOURCE_STATIC");
    let text = delta["delta"]["text"].as_str().unwrap();
    assert!(text.contains("You are not performing"), "{text}");
    assert_eq!(done["done"]["fallback"], "TIP_FALLBACK_NO_PROVIDER");
    assert_eq!(done["done"]["length"], text.len().to_string());
    assert!(events.iter().all(|event| event["resumeToken"].is_string()));
}

fn two_tips_in_one_stream(answer: &str) {
    let messages = parse_all(answer);
    let is_done = |message: &&Value| message["tip"]["done"].is_object();
    let done: BTreeSet<_> = messages
        .iter()
        .filter(is_done)
        .map(|message| message["challengeId"].as_str().unwrap())
        .collect();
    assert_eq!(done.len(), 2, "{answer}");
}

fn nobody_writes_here(answer: &str) {
    let messages = parse_all(answer);
    let [first, last] = &messages[..] else {
        panic!("{answer}");
    };
    assert_eq!((&first["total"], &last["total"]), (&6.into(), &6.into()));
    assert_eq!(last["summary"]["end"], "GENERATION_END_PROVIDER_AWAY");
    assert_eq!(last["summary"]["untried"], 6);
}

fn nobody_to_resume(answer: &str) {
    let messages = parse_all(answer);
    let nobody = serde_json::json!({"providers": [], "fleetWide": false});
    assert_eq!(messages, [nobody]);
}

fn steps_and_a_summary(answer: &str) {
    let messages = parse_all(answer);
    assert_eq!(
        messages.len(),
        6,
        "one before the first of five steps, one after each"
    );
    assert_eq!(messages[0]["current"], "list:all:50");
    let last = messages.last().unwrap();
    assert_eq!((&last["done"], &last["total"]), (&5.into(), &5.into()));
    assert!(last["summary"]["took"].is_string(), "{last}");
}

fn a_new_challenge_and_its_version(answer: &str) {
    let answer = parse(answer);
    assert_eq!(answer["challenge"]["title"], "Thank a bus driver");
    assert!(answer["challenge"]["etag"].is_string(), "{answer}");
    assert!(answer["version"].is_string(), "{answer}");
}

fn other_fields(answer: &str) {
    let challenge = &parse(answer)["challenge"];
    assert_eq!(challenge["title"], "Thank a driver");
    assert_eq!(challenge["points"], 15);
    assert!(challenge["updateTime"].is_string(), "{challenge}");
}

fn a_title_after_a_read(answer: &str) {
    let challenge = &parse(answer)["challenge"];
    assert_eq!(challenge["title"], "Thank the driver");
    assert_eq!(challenge["points"], 15);
}

fn three_changes_and_who_made_them(answer: &str) {
    let answer = parse(answer);
    let revisions = answer["revisions"].as_array().unwrap();
    let operations: Vec<_> = revisions.iter().map(|it| &it["operation"]).collect();
    assert_eq!(
        operations,
        [
            "REVISION_OPERATION_UPDATED",
            "REVISION_OPERATION_UPDATED",
            "REVISION_OPERATION_CREATED"
        ]
    );
    assert!(
        revisions
            .iter()
            .all(|it| it["editor"] == "name ann@example.org")
    );
}

fn a_version(answer: &str) {
    assert!(parse(answer)["version"].is_string(), "{answer}");
}

fn what_was_deleted(answer: &str) {
    assert_eq!(parse(answer)["challenge"]["title"], "Thank the driver");
}

fn one_created_and_one_updated(answer: &str) {
    let answer = parse(answer);
    let outcomes = ["ROW_OUTCOME_CREATED", "ROW_OUTCOME_UPDATED"];
    assert_eq!(answer["outcomes"], serde_json::json!(outcomes));
    assert_eq!(
        (&answer["created"], &answer["updated"]),
        (&"1".into(), &"1".into())
    );
}

fn all_challenges_by_id(answer: &str) {
    let page = parse(answer);
    let challenges = page["challenges"].as_array().unwrap();
    let ids: Vec<_> = challenges
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert!(ids.is_sorted());
    assert_eq!(ids.len(), 20);
}

fn five_flags_by_default(answer: &str) {
    let answer = parse(answer);
    let flags = answer["flags"].as_array().unwrap();
    assert_eq!(flags.len(), 5);
    for flag in flags {
        assert_eq!(
            (&flag["enabled"], &flag["source"]),
            (&true.into(), &"VALUE_SOURCE_DEFAULT".into())
        );
    }
}

fn a_flag_for_a_tenth(answer: &str) {
    let answer = parse(answer);
    let flag = &answer["flag"];
    assert_eq!(
        (&flag["rolloutPercentage"], &flag["updatedBy"]),
        (&10.into(), &"ann".into())
    );
    assert!(
        answer["version"].is_string() && flag["etag"].is_string(),
        "{answer}"
    );
}

fn a_flag_without_a_row(answer: &str) {
    let flag = &parse(answer)["flag"];
    assert_eq!(
        (&flag["rolloutPercentage"], &flag["source"]),
        (&100.into(), &"VALUE_SOURCE_DEFAULT".into())
    );
}

fn eight_settings_by_default(answer: &str) {
    let answer = parse(answer);
    let settings = answer["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 8);
    assert_eq!(
        (&settings[0]["name"], &settings[0]["value"]),
        (&"cache_ttl_ms".into(), &"600000".into())
    );
}

fn a_minute_by_a_row(answer: &str) {
    let setting = &parse(answer)["setting"];
    assert_eq!(
        (&setting["value"], &setting["source"]),
        (&"60000".into(), &"VALUE_SOURCE_ALL_ROW".into())
    );
}

fn ten_minutes_by_default(answer: &str) {
    assert_eq!(parse(answer)["setting"]["value"], "600000");
}
