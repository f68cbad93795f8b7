//! The command line as callers of a protected server type it.
use std::{fs, os::unix::fs::PermissionsExt, process::Stdio};

use super::scene::{Files, connect, list, token_entry};
use crate::{
    startup::ended::run,
    support::{
        program::{program, run_well},
        replica::Replica,
    },
};

#[tokio::test]
async fn a_server_that_asks_for_certificates_lets_in_who_shows_one() {
    let files = Files::new();
    let replica = Replica::start(&files.mutual_tls("required")).await;
    let client = files.authority.client("gateway.example.org");
    client.write_as(files.folder.path(), "client");
    let addr = format!("https://localhost:{}", replica.addr().port());
    let (ca, certificate, key) = (
        files.path("ca.pem"),
        files.path("client.pem"),
        files.path("client.key"),
    );
    let flags = [
        "--addr",
        &addr,
        "--tls-ca",
        &ca,
        "--client-cert",
        &certificate,
        "--client-key",
        &key,
    ];
    let listed = run_well(&[&["list", "--all"], &flags[..]].concat(), &[]).await;
    assert_eq!(listed.lines().count(), 18);
    run_well(&[&flags[..], &["admin", "cache", "status"]].concat(), &[]).await;
    assert_eq!(
        run_well(&[&["health"], &flags[..]].concat(), &[]).await,
        "SERVING\n"
    );

    let nobody = run(&[&["list"], &flags[..4]].concat(), &[]).await;
    nobody.with(1, &["certificate"]);
    let half = run(&[&["list"], &flags[..6]].concat(), &[]).await;
    half.with(2, &["--client-cert", "client_key"]);
    let stranger = Files::new();
    let other = stranger.authority.client("gateway.example.org");
    other.write_as(files.folder.path(), "client");
    let refused = run(&[&["list"], &flags[..]].concat(), &[]).await;
    refused.with(1, &["certificate"]);
}

#[tokio::test]
async fn a_new_token_gets_in_once_its_lines_are_in_the_access_file() {
    let files = Files::new();
    let made = |arguments: &'static [&'static str]| async move {
        let made = run(&[&["admin", "token", "new"], arguments].concat(), &[]).await;
        made.with(0, &[]);
        made
    };
    let shop = made(&["shop"]).await;
    let ops = made(&["ops", "--role", "operator", "--on-behalf"]).await;
    // As with `2>>access.toml`: what was there stays.
    let before = token_entry("old", "old", "viewer", "");
    let mut settings = files.tls();
    settings.push(files.access(&format!("{before}{}{}", shop.err, ops.err)));
    let replica = Replica::start(&settings).await;
    let call = async |token: &str, arguments: &[&str]| {
        let file = files.path("token");
        fs::write(&file, token).unwrap();
        let environment = [
            (
                "CATALOG_ADDR",
                format!("https://localhost:{}", replica.addr().port()),
            ),
            ("CATALOG_TLS_CA", files.path("ca.pem")),
            ("CATALOG_TOKEN_FILE", file),
        ];
        run(arguments, &environment).await
    };
    let status = ["admin", "cache", "status"];
    for token in [&shop.out, &ops.out] {
        call(token, &["list"]).await.with(0, &[]);
    }
    call(&ops.out, &status).await.with(0, &[]);
    let viewer = call(&shop.out, &status).await;
    viewer.with(1, &["PERMISSION_DENIED", "operator"]);
    let unknown = call("cc_unknown", &["list"]).await;
    unknown.with(1, &["UNAUTHENTICATED"]);
    for token in [&shop.out, &ops.out] {
        assert!(!replica.log().contains(token.trim()));
    }
}

#[tokio::test]
async fn a_new_token_is_added_to_an_access_file_only_if_a_server_takes_it_then() {
    let files = Files::new();
    let file = files.path("access.toml");
    let add = async |name: &str| {
        let arguments = ["admin", "token", "new", name, "--access-file", &file];
        run(&arguments, &[]).await
    };
    let first = add("shop").await;
    first.with(0, &[]);
    assert_eq!(first.err, "", "what is written is not shown");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // As an editor may leave it.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.trim_end()).unwrap();
    let second = add("ops").await;
    second.with(0, &[]);
    let before = fs::read_to_string(&file).unwrap();
    for (name, code, problem) in [("shop", 1, "is there twice"), ("my shop", 2, "my shop")] {
        let refused = add(name).await;
        refused.with(code, &[problem]);
        assert_eq!(refused.out, "", "a token that opens nothing is not shown");
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
    }

    let mut settings = files.tls();
    settings.push(("CATALOG_ACCESS_FILE", file.clone()));
    let replica = Replica::start(&settings).await;
    let channel = connect(&replica, files.authority.trusted()).await.unwrap();
    for made in [first, second] {
        let header = format!("Bearer {}", made.out.trim());
        list(&channel, Some(&header)).await.unwrap();
    }
}

#[tokio::test]
async fn a_new_token_that_nobody_takes_is_not_added_and_says_so() {
    let files = Files::new();
    let file = files.path("access.toml");
    for format in [&[][..], &["--output", "json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let arguments = ["admin", "token", "new", "shop", "--access-file", &file];
        let mut command = program(&arguments);
        command.args(format).stdout(writer).stderr(Stdio::piped());
        let ended = command.spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!(ended.status.code(), Some(1));
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(told.contains("nobody took the token"), "{told}");
        assert!(!fs::exists(&file).unwrap());
    }
}
