//! `--token-file`: what shows who calls goes with the call, and is never shown.
use std::fs;

use crate::{
    startup::ended::{SECRET, run},
    support::{
        program::run_well,
        replica::Replica,
        scripted::{Act, Scripted},
    },
};

#[tokio::test]
async fn a_server_that_asks_for_none_is_content_with_one_and_nobody_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let path = file.to_str().unwrap();
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let replica = Replica::start(&[("CATALOG_LOG", "trace".to_owned())]).await;
    let environment = [
        ("CATALOG_ADDR", replica.addr().to_string()),
        ("CATALOG_TOKEN_FILE", path.to_owned()),
    ];
    run_well(&["admin", "cache", "status"], &environment).await;
    run_well(&["list"], &environment).await;
    assert!(!replica.log().contains(SECRET));

    fs::write(&file, format!("{SECRET} {SECRET}\n")).unwrap();
    let ended = run(&["list"], &environment).await;
    ended.with(2, &["CATALOG_TOKEN_FILE", "one line"]);
    let ended = run(&["list", "--token-file", "/no/such"], &environment).await;
    ended.with(2, &["--token-file", "cannot read"]);
}

#[tokio::test]
async fn a_server_that_is_none_gets_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, SECRET).unwrap();
    let other = Scripted::playing(vec![Act::Reset]).await;
    let token = [
        "list",
        "--token-file",
        file.to_str().unwrap(),
        "--timeout",
        "1s",
    ];
    let addr = other.url();
    let ended = run(&[&token[..], &["--addr", &addr]].concat(), &[]).await;
    ended.with(1, &[]);
}
