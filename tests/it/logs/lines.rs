//! Lines that an operator reads at night: what, where, why, and what follows.

use super::outages::{saying, told};
use crate::{
    flags::{client::settings, settings::set},
    startup::ended::SECRET,
    support::{
        fleet, postgres,
        process::{PATIENCE, free_port},
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
    let first = &told(&replica)[0];
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
        let lines = told(&replica);
        let leaving = saying(&lines, "leaving: not serving any more");
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
    eventually("it is told", PATIENCE, async || {
        !saying(&told(&replica), "decided by operators").is_empty()
    })
    .await;
    let lines = told(&replica);
    let line = saying(&lines, "decided by operators")[0];
    assert_eq!(
        (&line["name"], &line["to"]),
        (&"cache_ttl_ms".into(), &"30000".into())
    );
    assert_eq!(line["kind"], "runtime setting");
    assert_eq!(line["source"], "the row for all environments");
    assert_eq!(line["remark"], "for a test");
    assert_eq!(line["by"], ann);
}
