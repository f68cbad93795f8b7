//! Lines that an operator reads at night: what, where, why, and what follows.
use challenges_catalog::pb::catalog::v1::Difficulty;
use serde_json::Value;

use super::outages::{log_lines, saying};
use crate::{
    flags::{client::settings, settings::set},
    startup::ended::SECRET,
    support::{
        fleet::{self, list},
        postgres,
        process::{PATIENCE, free_port},
        redis,
        replica::Replica,
        wait::eventually,
    },
};

#[tokio::test]
async fn the_first_line_tells_what_starts_and_with_what_and_no_secret() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let with_password = database.url().replacen('@', &format!(":{SECRET}@"), 1);
    let redis = format!("redis://user:{SECRET}@127.0.0.1:{}/3", free_port());
    let replica = Replica::start(&[
        ("DATABASE_URL", with_password),
        ("REDIS_URL", redis),
        ("ANTHROPIC_API_KEY", SECRET.to_owned()),
        ("CATALOG_ENVIRONMENT", "staging".to_owned()),
    ])
    .await;
    let first = &log_lines(&replica)[0];
    assert_eq!(first["message"], "starting");
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(first["environment"], "staging");
    for (field, has) in [
        ("database", "@127.0.0.1:"),
        ("redis", "@127.0.0.1:"),
        ("anthropic", " at https://api.anthropic.com"),
    ] {
        assert!(first[field].as_str().unwrap().contains(has), "{first}");
    }
    assert!(!replica.log().contains(SECRET), "{first}");
}

#[tokio::test]
async fn the_end_names_its_signal() {
    for signal in ["TERM", "INT", "QUIT"] {
        let replica = Replica::start(&[]).await;
        assert_eq!(replica.end(signal).await.code(), Some(0));
        let lines = log_lines(&replica);
        let leaving = saying(&lines, "shutting down: health is NOT_SERVING");
        assert_eq!(leaving[0]["signal"], format!("SIG{signal}"));
        assert_eq!(saying(&lines, "stopped").len(), 1, "it was drained");
    }
}

#[tokio::test]
async fn a_setting_that_operators_changed_is_told_with_who_and_by_which_row() {
    let replica = Replica::start(&[]).await;
    let mut request = set("cache_ttl_ms", 30_000);
    request.comment = Some("for a test".to_owned());
    let mut request = tonic::Request::new(request);
    let ann = "ann@example.org";
    request
        .metadata_mut()
        .insert("x-caller-id", ann.parse().unwrap());
    let mut client = settings(&replica).await;
    client.update_runtime_setting(request).await.unwrap();
    eventually("it is logged", PATIENCE, async || {
        !saying(&log_lines(&replica), "value changed by operators").is_empty()
    })
    .await;
    let lines = log_lines(&replica);
    let line = saying(&lines, "value changed by operators")[0];
    assert_eq!(
        (&line["name"], &line["to"]),
        (&"cache_ttl_ms".into(), &"30000".into())
    );
    assert_eq!(line["kind"], "runtime setting");
    assert_eq!(line["source"], "the row for all environments");
    assert_eq!(line["remark"], "for a test");
    assert_eq!(line["by"], ann);
}

/// What the log says of a Redis that cannot be used.
async fn complaint(url: String) -> Value {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[
        ("DATABASE_URL", database.url()),
        ("REDIS_URL", url),
        // Names and passwords take their time.
        ("CATALOG_REDIS_TIMEOUT", "500ms".to_owned()),
    ])
    .await;
    eventually("it is logged", PATIENCE, async || {
        list(&replica, Difficulty::Beginner, 33).await.unwrap();
        !saying(&log_lines(&replica), "shared cache does not answer").is_empty()
    })
    .await;
    assert!(!replica.log().contains(SECRET));
    saying(&log_lines(&replica), "shared cache does not answer")[0].clone()
}

#[tokio::test]
async fn why_redis_cannot_be_used_is_told_with_its_address_and_apart() {
    let server = redis::start();
    let address = format!("127.0.0.1:{}", server.port());
    let mut rights = bb8_redis::redis::cmd("ACL");
    rights
        .arg("SETUSER")
        .arg("weak")
        .arg("on")
        .arg(format!(">{SECRET}"));
    rights.arg("+ping").arg("~*");
    server.ask::<()>(&rights);
    let nobody = format!("127.0.0.1:{}", free_port());
    for (url, at, has) in [
        (
            format!("redis://weak:not{SECRET}@{address}"),
            &address,
            "authentication failed",
        ),
        (
            format!("redis://weak:{SECRET}@{address}"),
            &address,
            "no permissions",
        ),
        (format!("redis://{nobody}"), &nobody, "refused"),
    ] {
        let line = complaint(url).await;
        assert_eq!(
            (&line["component"], &line["address"]),
            (&"redis".into(), &at.as_str().into())
        );
        let problem = line["problem"].as_str().unwrap();
        assert!(problem.contains(has), "{has}: {line}");
    }
}

#[tokio::test]
async fn a_part_of_a_cluster_that_is_away_is_a_few_lines() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let cluster = redis::cluster();
    let replica = Replica::start(&[
        ("DATABASE_URL", database.url()),
        ("REDIS_URL", cluster.url()),
    ])
    .await;
    let before = log_lines(&replica).len();
    cluster.nodes[2].kill();
    // Each size is a key of its own.
    for page_size in 1..=100 {
        list(&replica, Difficulty::Advanced, page_size)
            .await
            .unwrap();
    }
    let lines = log_lines(&replica).split_off(before);
    assert!(lines.len() < 20, "{lines:#?}");
    for line in &lines {
        assert_eq!(line["component"], "redis", "{line}");
    }
}
