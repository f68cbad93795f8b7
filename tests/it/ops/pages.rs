//! The pages themselves: where they are, what they refuse, and how long they stay.
use std::time::Duration;

use serde_json::Value;

use super::scene::{OPS, ask, get, ops_addr};
use crate::{
    startup::ended::{SECRET, run},
    support::{replica::Replica, wait::eventually},
};

fn ops() -> (&'static str, String) {
    (OPS.0, OPS.1.to_owned())
}

#[tokio::test]
async fn the_pages_are_on_their_own_address_and_not_where_grpc_is() {
    let replica = Replica::start(&[ops()]).await;
    let addr = ops_addr(&replica);
    for (path, has) in [
        ("/", "href=\"/metrics\""),
        ("/metrics", "catalog_build_info"),
        ("/livez", "ok\n"),
        ("/readyz", "ok\n"),
        ("/readyz?verbose", "[+]dependency/postgres ok\n"),
        ("/debug/config", "\"cache_ttl\""),
    ] {
        let answer = get(addr, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains(has), "{path}: {}", answer.body);
        assert!(answer.head.contains("cache-control: no-store"), "{path}");
    }
    let text = get(addr, "/metrics").await.head;
    assert!(
        text.contains("content-type: text/plain; version=0.0.4"),
        "{text}"
    );
    let public = get(replica.addr(), "/metrics").await;
    assert_ne!(public.status, 200);
    assert!(!public.body.contains("catalog_"));
}

#[tokio::test]
async fn what_is_no_page_or_too_large_is_refused() {
    let replica = Replica::start(&[ops()]).await;
    let addr = ops_addr(&replica);
    let absent = get(addr, "/metric").await;
    assert_eq!(absent.status, 404);
    assert!(
        absent.body.contains("/metrics"),
        "it names those that are there"
    );
    let wrong = ask(addr, "DELETE /metrics HTTP/1.1").await;
    assert_eq!(wrong.status, 405);
    assert!(wrong.head.contains("allow: get, head"), "{}", wrong.head);
    let head = ask(addr, "HEAD /metrics HTTP/1.1").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let large = format!("GET / HTTP/1.1\r\nx-large: {}", "x".repeat(32 << 10));
    assert_eq!(ask(addr, &large).await.status, 431);
}

#[tokio::test]
async fn the_settings_are_those_of_config_print_and_without_secrets() {
    let settings = [
        ops(),
        ("REDIS_URL", format!("redis://:{SECRET}@127.0.0.1:1")),
        ("ANTHROPIC_API_KEY", SECRET.to_owned()),
        ("CATALOG_CLIENT_TIMEOUT", "4s".to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let page = get(ops_addr(&replica), "/debug/config").await.body;
    assert!(!page.contains(SECRET), "{page}");
    let page: Value = serde_json::from_str(&page).unwrap();
    let print = [
        "config",
        "print",
        "--output",
        "json",
        "--grpc-addr",
        "127.0.0.1:0",
    ];
    let printed = run(&[&print[..], &["--port-file", "port"]].concat(), &settings).await;
    let printed: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(page, printed);
}

/// A balancer that looks here sees the replica leave, and Prometheus sees it to its end.
#[tokio::test]
async fn a_replica_that_leaves_is_alive_but_not_ready_and_has_figures_until_it_ends() {
    let delay = ("CATALOG_SHUTDOWN_DELAY", "2s".to_owned());
    let replica = Replica::start(&[ops(), delay]).await;
    let addr = ops_addr(&replica);
    assert_eq!(get(addr, "/readyz").await.status, 200);
    let seen = async {
        eventually("it is not ready", Duration::from_secs(2), async || {
            get(addr, "/readyz").await.status == 503
        })
        .await;
        let why = get(addr, "/readyz").await.body;
        assert!(why.contains("[-]readiness failed\n"), "{why}");
        assert_eq!(get(addr, "/livez").await.status, 200);
        let page = get(addr, "/metrics").await.body;
        assert!(page.contains("catalog_health{name=\"readiness\"} 0\n"));
    };
    let (ended, ()) = tokio::join!(replica.sigterm_and_wait(), seen);
    assert!(ended.success());
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_with_the_flag_that_names_it() {
    let replica = Replica::start(&[]).await;
    let taken = replica.addr().to_string();
    let serve = ["serve", "--grpc-addr", "127.0.0.1:0", "--ops-addr", &taken];
    run(&serve, &[]).await.with(1, &["--ops-addr", &taken]);
    let both = [
        "serve",
        "--grpc-addr",
        "127.0.0.1:1",
        "--ops-addr",
        "127.0.0.1:1",
    ];
    run(&both, &[])
        .await
        .with(2, &["--ops-addr", "use another port"]);
}
