//! `--output yaml`, read by a parser that others wrote (pyyaml.org), against `--output json`.
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Deserializer, Value};

use crate::{
    startup::ended::run,
    support::{program::run_well, replica::Replica},
};

const SEEDED: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";

/// The documents of a stream of YAML.
fn parse_yaml(text: &str) -> Vec<Value> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/python/bin/python");
    let script = "import json, sys, yaml\n\
        json.dump(list(yaml.safe_load_all(sys.stdin.buffer)), sys.stdout, default=str)";
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn parse_json(text: &str) -> Vec<Value> {
    let values = Deserializer::from_str(text).into_iter();
    values.map(Result::unwrap).collect()
}

async fn ask(replica: &Replica, arguments: &[&str], format: &str) -> String {
    let arguments = [arguments, &["--output", format]].concat();
    run_well(&arguments, &[("CATALOG_ADDR", replica.addr().to_string())]).await
}

#[tokio::test]
async fn a_format_before_the_command_works_or_is_said_to_make_no_sense() {
    let replica = Replica::start(&[]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    let export = ["admin", "challenges", "export"];
    run(&[&["-o", "json"], &export[..]].concat(), &here)
        .await
        .with(0, &[]);
    let table = run(&[&["-o", "table"], &export[..]].concat(), &here).await;
    table.with(2, &["possible values: json"]);
    let shell = run(&["-o", "json", "completions", "bash"], &[]).await;
    shell.with(2, &["-o makes no sense here", "one output format"]);
    let local = run(&["--addr", "h:1", "config", "check"], &[]).await;
    local.with(2, &["--addr makes no sense here", "calls no server"]);
}

#[tokio::test]
async fn yaml_says_what_json_says() {
    let replica = Replica::start(&[]).await;
    for arguments in [
        &["version"][..],
        &["health"],
        &["config", "check"],
        &["admin", "flags", "list"],
        &["admin", "flags", "get", "ai_tips"],
        &["admin", "settings", "list"],
        &["admin", "challenges", "history", SEEDED],
    ] {
        let yaml = parse_yaml(&ask(&replica, arguments, "yaml").await);
        let json = parse_json(&ask(&replica, arguments, "json").await);
        assert_eq!((yaml.len(), &yaml), (1, &json), "{arguments:?}");
    }
}

#[tokio::test]
async fn what_yaml_could_misread_comes_back_as_it_was_written() {
    let replica = Replica::start(&[]).await;
    let long = "many words and then more of them, ".repeat(20);
    for text in [
        "no",
        "~",
        "1.0",
        "0x1F",
        "2026-11-23",
        "12:30:45",
        "- a: b # c",
        "'it''s' \"so\" \\n",
        "? {a} [b] &c *d !e |f >g %h @i `j",
        " room before and after ",
        "grüß dich 👋 \u{2028}\u{feff}.",
        "two\nlines: and\n\n  a third\n",
        long.as_str(),
    ] {
        let create = ["admin", "challenges", "create", "--difficulty", "beginner"];
        let description = format!("--description={text}");
        let words = ["--title", "A title", &description];
        let created = ask(&replica, &[&create[..], &words[..]].concat(), "yaml").await;
        assert_eq!(
            parse_yaml(&created)[0]["challenge"]["description"],
            text,
            "{created}"
        );
    }
}

#[tokio::test]
async fn each_event_of_a_stream_is_a_document() {
    let replica = Replica::start(&[]).await;
    let yaml = parse_yaml(&ask(&replica, &["tips", SEEDED], "yaml").await);
    let json = parse_json(&ask(&replica, &["tips", SEEDED], "json").await);
    let names = |events: &[Value]| -> Vec<_> {
        let name = |event: &Value| {
            event
                .as_object()
                .and_then(|event| event.keys().next().cloned())
        };
        events.iter().map(name).collect()
    };
    assert!(json.len() > 1);
    assert_eq!(names(&yaml), names(&json));
}
