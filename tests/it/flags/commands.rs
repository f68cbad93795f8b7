//! `admin flags` and `admin settings` from a terminal.
use serde_json::Value;

use crate::support::{
    process::free_port,
    program::{run, run_well},
    replica::Replica,
};

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn flags_are_listed_set_shown_and_unset() {
    let replica = Replica::start(&[]).await;
    let here = [
        ("CATALOG_ADDR", replica.addr().to_string()),
        ("USER", "ann".to_owned()),
    ];
    let listed = run_well(&["admin", "flags", "list"], &here).await;
    assert_eq!(listed.lines().count(), 5);
    assert!(
        listed.starts_with("challenges_catalog\ton\tdefault\tAnswers calls"),
        "{listed}"
    );
    let set = [
        "admin",
        "flags",
        "set",
        "ai_tips",
        "on",
        "--rollout",
        "25",
        "--comment",
        "slowly",
    ];
    let plain = run_well(&set, &here).await;
    for line in [
        "flag\tai_tips",
        "state\ton for 25 %",
        "from\trow for all",
        "comment\tslowly",
        "updated by\tann",
    ] {
        assert!(plain.lines().any(|found| found == line), "{line}: {plain}");
    }
    let json = parse(
        &run_well(
            &["admin", "flags", "get", "ai_tips", "--output", "json"],
            &here,
        )
        .await,
    );
    let flag = &json["flags"][0];
    assert_eq!(
        (&flag["rollout_percentage"], &flag["updated_by"]),
        (&25.into(), &"ann".into())
    );
    let etag = flag["etag"].as_str().unwrap();
    let off = run_well(
        &["admin", "flags", "set", "ai_tips", "off", "--etag", etag],
        &here,
    )
    .await;
    assert!(off.contains("state\toff"), "{off}");
    let unset = run_well(&["admin", "flags", "unset", "ai_tips"], &here).await;
    assert!(
        unset.contains("state\ton\n") && unset.contains("from\tdefault"),
        "{unset}"
    );
}

#[tokio::test]
async fn flags_are_a_table_for_people() {
    let replica = Replica::start(&[]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    run_well(
        &["admin", "flags", "set", "ai_tips", "--rollout", "25"],
        &here,
    )
    .await;
    let table = run_well(&["admin", "flags", "list", "--output", "table"], &here).await;
    assert!(
        table.starts_with("FLAG ") && table.contains("on for 25 %"),
        "{table}"
    );
}

#[tokio::test]
async fn a_flag_of_another_environment_is_shown_and_unset_by_its_name() {
    let replica = Replica::start(&[("CATALOG_ENVIRONMENT", "staging".to_owned())]).await;
    let here = [
        ("CATALOG_ADDR", replica.addr().to_string()),
        ("USER", "ann".to_owned()),
    ];
    let there = ["ai_tips", "--environment", "production"];
    let set = [&["admin", "flags", "set"], &there[..], &["off"]].concat();
    let set = run_well(&set, &here).await;
    for line in [
        "state\ton",
        "from\tdefault",
        "elsewhere\toff in environment production",
        "updated by\tann",
    ] {
        assert!(set.lines().any(|found| found == line), "{line}: {set}");
    }
    let listed = run_well(&["admin", "flags", "list"], &here).await;
    assert!(
        listed.contains("(off in environment production)"),
        "{listed}"
    );
    let refused = run(&["admin", "flags", "unset", "ai_tips"], &here).await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("its row is for environment production: name that environment"),
        "{said}"
    );
    let unset = [&["admin", "flags", "unset"], &there[..]].concat();
    let unset = run_well(&unset, &here).await;
    assert!(
        unset.contains("state\ton\n") && !unset.contains("elsewhere"),
        "{unset}"
    );
}

#[tokio::test]
async fn settings_are_listed_set_and_unset() {
    let replica = Replica::start(&[]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    let listed = run_well(&["admin", "settings", "list"], &here).await;
    assert_eq!(listed.lines().count(), 8);
    assert!(
        listed.starts_with("cache_ttl_ms\t600000\tdefault\tHow long"),
        "{listed}"
    );
    let set = run_well(
        &[
            "admin",
            "settings",
            "set",
            "cache_ttl_ms",
            "60000",
            "--as",
            "bo",
        ],
        &here,
    )
    .await;
    assert!(
        set.starts_with("cache_ttl_ms\t60000\trow for all\t"),
        "{set}"
    );
    let json = run_well(&["admin", "settings", "list", "--output", "json"], &here).await;
    assert_eq!(parse(&json)["settings"][0]["value"], 60_000);
    let one = run_well(&["admin", "settings", "get", "cache_ttl_ms"], &here).await;
    for line in ["value\t60000", "without row\t600000", "updated by\tbo"] {
        assert!(one.lines().any(|found| found == line), "{line}: {one}");
    }
    let etag = one.lines().find_map(|line| line.strip_prefix("etag\t"));
    let unset = ["admin", "settings", "unset", "cache_ttl_ms", "--etag"];
    let unset = run_well(&[&unset[..], &[etag.unwrap()]].concat(), &here).await;
    assert!(
        unset.starts_with("cache_ttl_ms\t600000\tdefault\t"),
        "{unset}"
    );
}

/// Arguments, the exit code, and what is said.
type Mistake = (&'static [&'static str], i32, &'static str);

const MISTAKES: &[Mistake] = &[
    (&["admin"], 2, "flags"),
    (&["admin", "flags"], 2, "unset"),
    (&["admin", "flags", "get"], 2, "<FLAG>"),
    (
        &["admin", "flags", "set", "near_cache", "maybe"],
        2,
        "possible values: on, off",
    ),
    (
        &["admin", "flags", "set", "ai_tips", "--rollout", "101"],
        2,
        "0 to 100",
    ),
    (
        &["admin", "flags", "set", "ai_tips", "--rollout", "1.5"],
        2,
        "must be a whole number, 0 to 100",
    ),
    (
        &["admin", "flags", "get", "near-cache"],
        1,
        "there are challenges_catalog, ai_tips",
    ),
    (
        &["admin", "flags", "set", "near_cache", "--rollout", "50"],
        1,
        "must be 100 or left out",
    ),
    (
        &["admin", "flags", "set", "near_cache"],
        1,
        "nothing is given to be changed",
    ),
    (
        &["admin", "flags", "unset", "near_cache", "--etag", "x"],
        1,
        "etag: must be an etag",
    ),
    (
        &["admin", "settings", "set", "cache_ttl_ms", "soon"],
        2,
        "or a duration such as 500ms, 10s or 5m",
    ),
    (
        &["admin", "settings", "set", "cache_ttl_ms", "5"],
        1,
        "must be 1000 to 604800000, not 5",
    ),
    (
        &["admin", "flags", "unset", "ai_tips", "--as", "two words"],
        2,
        "must be 1 to 128 letters",
    ),
    (
        &["admin", "settings", "get", "cache"],
        1,
        "there are cache_ttl_ms",
    ),
    (
        &["admin", "settings", "set", "cache", "5000"],
        1,
        "there are cache_ttl_ms",
    ),
    (
        &["admin", "settings", "set", "cache_ttl", "30d"],
        2,
        "cache_ttl_ms: must be 1s to 7d, not 30d",
    ),
    (
        &["admin", "settings", "set", "tip_daily_budget", "5eur"],
        2,
        "must be an amount such as 5usd",
    ),
];

#[tokio::test]
async fn a_setting_takes_the_units_and_the_name_of_its_flag() {
    let replica = Replica::start(&[]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    for (name, typed, meant) in [
        ("cache_ttl", "10m", "cache_ttl_ms\t600000\t"),
        ("cache_ttl", "60", "cache_ttl_ms\t60000\t"),
        ("cache_ttl_ms", "30s", "cache_ttl_ms\t30000\t"),
        (
            "tip_daily_budget",
            "5usd",
            "tip_daily_budget_micro_usd\t5000000\t",
        ),
        (
            "tip_daily_budget",
            "$0.50",
            "tip_daily_budget_micro_usd\t500000\t",
        ),
    ] {
        let set = run_well(&["admin", "settings", "set", name, typed], &here).await;
        assert!(set.starts_with(meant), "{name} {typed}: {set}");
    }
    let bare = [
        "admin",
        "settings",
        "set",
        "tip_daily_budget",
        "50",
        "-o",
        "table",
    ];
    let output = run(&bare, &here).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("50 without a unit is 0.00005usd here"),
        "{said}"
    );
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_with_what_would_be_right() {
    let replica = Replica::start(&[]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    for (arguments, code, text) in MISTAKES {
        let output = run(arguments, &here).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn nobody_listening_is_said_with_what_to_try() {
    let nobody = [("CATALOG_ADDR", format!("127.0.0.1:{}", free_port()))];
    let output = run(&["admin", "flags", "list"], &nobody).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nothing listens"), "{said}");
}
