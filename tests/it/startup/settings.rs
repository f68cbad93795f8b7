//! `config`: every problem at once, every value with where it came from, and no secret.
use std::fs;

use serde_json::Value;

use super::ended::{SECRET, run};
use crate::access::scene::Files;

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let environment = [
        ("DATABASE_URL", format!("mysql://app:{SECRET}@db/shop")),
        ("REDIS_URL", format!("memcached://:{SECRET}@cache")),
        ("CHALLENGES_CACHE_TTL", "0".to_owned()),
        ("CATALOG_GRPC_ADDR", "0.0.0.0:50051".to_owned()),
        ("CATALOG_LOG", "loud".to_owned()),
        ("CATALOG_DB_POOL_MAX", "many".to_owned()),
        ("REDIS_TLS_CA", "Cargo.toml".to_owned()),
    ];
    let names = environment.each_ref().map(|(name, _)| *name);
    for arguments in [&["config", "check"][..], &["config", "print"], &["serve"]] {
        run(arguments, &environment).await.with(2, &names);
    }
    let json = run(&["config", "check", "--output", "json"], &environment).await;
    json.with(2, &[]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["ok"], false);
    let is_named = |name: &&str| {
        let problems = json["problems"].as_array().unwrap();
        problems.iter().any(|problem| problem["name"] == *name)
    };
    assert!(names.iter().all(is_named), "{json}");
}

#[tokio::test]
async fn a_settings_file_with_an_unknown_key_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.toml");
    let check = ["config", "check", "--config", file.to_str().unwrap()];
    run(&check, &[]).await.with(2, &["catalog.toml"]);
    fs::write(&file, "grpc_adr = \"127.0.0.1:1\"\n").unwrap();
    run(&check, &[]).await.with(2, &["grpc_adr", "grpc_addr"]);
    fs::write(
        &file,
        format!("database_url = \"postgres://u:{SECRET}@db/x\n"),
    )
    .unwrap();
    run(&check, &[]).await.with(2, &["catalog.toml"]);
}

#[tokio::test]
async fn files_that_a_server_would_not_start_with_are_found_by_a_check() {
    let files = Files::new();
    let mut environment = files.tls();
    environment.push(files.access("anonymous = \"viewer\"\n"));
    let check = async || run(&["config", "check"], &environment).await;
    assert_eq!(check().await.code, Some(0));
    let key = files.authority.server().key;
    files.write("server.key", &key);
    files.write("access.toml", "[[token]]\nname = 7\n");
    let ended = check().await;
    let names = ["CATALOG_TLS_CERT", "server.key: the key is not that of"];
    ended.with(2, &names);
    ended.with(2, &["CATALOG_ACCESS_FILE", "access.toml: "]);
    let json = run(&["config", "check", "--output", "json"], &environment).await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["problems"].as_array().unwrap().len(), 2, "{json}");
    fs::remove_file(files.path("access.toml")).unwrap();
    let ended = check().await;
    ended.with(2, &["CATALOG_ACCESS_FILE", "cannot read"]);
    assert_eq!(ended.err.matches("access.toml").count(), 1, "{ended:?}");
}

#[tokio::test]
async fn what_is_in_force_is_shown_with_its_origin_and_secrets_are_blank() {
    let folder = tempfile::tempdir().unwrap();
    let (file, secret) = (folder.path().join("a.toml"), folder.path().join("url"));
    fs::write(&file, "shutdown_grace = \"7s\"\nlog = \"warn\"\n").unwrap();
    fs::write(&secret, format!("redis://:{SECRET}@cache:6380/2\n")).unwrap();
    let environment = [
        ("CATALOG_CONFIG", file.display().to_string()),
        ("DATABASE_URL", format!("postgres://app:{SECRET}@db/shop")),
        ("REDIS_URL_FILE", secret.display().to_string()),
        ("CATALOG_LOG", "error".to_owned()),
    ];
    let print = ["config", "print", "--request-timeout", "3s"];
    let printed = run(&print, &environment).await;
    printed.with(0, &[]);
    for row in [
        "database_url\tpostgres://app:***@db/shop\t",
        "redis_url\tredis://:***@cache:6380/2\t",
        "shutdown_grace\t7s\t",
        "log\terror\t",
        "request_timeout\t3s\t",
        "ttl\t",
    ] {
        assert!(printed.out.contains(row), "no {row:?} in {}", printed.out);
    }
    let json = [&print[..], &["--output", "json"]].concat();
    let json = run(&json, &environment).await;
    json.with(0, &[]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let origin = |name: &str| {
        let settings = json["settings"].as_array().unwrap().iter();
        let mut found = settings.filter(|setting| setting["name"] == name);
        found.next().unwrap()["origin"].as_str().unwrap()
    };
    let names = ["request_timeout", "log", "shutdown_grace", "log_format"];
    let expected = ["flag", "environment", "file", "default"];
    assert_eq!(names.map(origin), expected);
}
