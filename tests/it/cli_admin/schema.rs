//! `--output json` of every command against docs/output.schema.json.
use std::{fs, path::Path};

use serde_json::{Deserializer, Value, json};

use crate::{
    startup::ended::run,
    support::{program::run_well, replica::Replica},
};

const SEEDED: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";

fn schema() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/output.schema.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Every command, in an order in which they work; FILE is one with a challenge.
const COMMANDS: &[&[&str]] = &[
    &["version"],
    &["health"],
    &["list", "--all"],
    &["get", SEEDED],
    &["tips", SEEDED],
    &["migrate", "up"],
    &["migrate", "status"],
    &["seed"],
    &["history", "prune", "--older-than", "1d", "--dry-run"],
    &["verify"],
    &["config", "check"],
    &["config", "print"],
    &["config", "redis-acl"],
    &["admin", "cache", "status"],
    &["admin", "cache", "status", "--all"],
    &["admin", "cache", "invalidate", "--id", SEEDED],
    &["admin", "cache", "warm"],
    &[
        "admin",
        "challenges",
        "create",
        "--title",
        "x",
        "--difficulty",
        "beginner",
    ],
    &["admin", "challenges", "update", SEEDED, "--points", "7"],
    &["admin", "challenges", "history"],
    &[
        "admin",
        "challenges",
        "revert",
        SEEDED,
        "1",
        "--validate-only",
    ],
    &["admin", "challenges", "import", "FILE"],
    &["admin", "challenges", "export"],
    &["admin", "challenges", "delete", SEEDED, "--yes"],
    &["admin", "flags", "set", "ai_tips", "on", "--rollout", "10"],
    &["admin", "flags", "get", "ai_tips"],
    &["admin", "flags", "list"],
    &["admin", "flags", "unset", "ai_tips"],
    &["admin", "settings", "set", "cache_ttl", "10m"],
    &["admin", "settings", "get", "cache_ttl"],
    &["admin", "settings", "list"],
    &["admin", "settings", "unset", "cache_ttl"],
    &["admin", "tips", "generate", "--all", "--validate-only"],
    &["admin", "tips", "resume"],
    &["admin", "token", "new", "shop"],
];

/// What is wrong with `value` by `rule`, at `place`; knows what words our schema is written in, and no other.
fn faults(root: &Value, rule: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (word, says) in rule.as_object().unwrap() {
        match word.as_str() {
            "description" | "required" | "additionalProperties" => {}
            "$ref" => {
                let name = says.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                found.extend(faults(root, &root["$defs"][name], value, place));
            }
            "type" => {
                let types = says
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![says.clone()]);
                if !types.iter().any(|name| is_a(value, name.as_str().unwrap())) {
                    found.push(format!("{place}: {value} is no {says}"));
                }
            }
            "enum" => {
                let is_one = says.as_array().unwrap().contains(value);
                found.extend((!is_one).then(|| format!("{place}: {value} is none of {says}")));
            }
            "anyOf" => {
                let rules = says.as_array().unwrap();
                let each = rules.iter().map(|rule| faults(root, rule, value, place));
                found.extend(each.min_by_key(Vec::len).unwrap());
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                found
                    .extend(items.flat_map(|(at, item)| {
                        faults(root, says, item, &format!("{place}[{at}]"))
                    }));
            }
            "properties" => {
                for name in rule["required"].as_array().unwrap() {
                    let is_missing = value.get(name.as_str().unwrap()).is_none();
                    found.extend(is_missing.then(|| format!("{place}: {name} is missing")));
                }
                for (name, field) in value.as_object().into_iter().flatten() {
                    let place = format!("{place}.{name}");
                    match says.get(name) {
                        Some(rule) => found.extend(faults(root, rule, field, &place)),
                        None => found.push(format!("{place}: is not in the schema")),
                    }
                }
            }
            other => panic!("{other}: this test does not know that word"),
        }
    }
    found
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

/// The commands of the schema that `arguments` begin with; the longest counts.
fn command(arguments: &[&str]) -> String {
    let known = schema();
    let known = known["$defs"].as_object().unwrap();
    let lengths = (1..=3.min(arguments.len())).rev();
    let mut names = lengths.map(|length| arguments[..length].join(" "));
    let name = names.find(|name| known.contains_key(name));
    name.unwrap_or_else(|| panic!("{arguments:?} is not in the schema"))
}

fn conforms(arguments: &[&str], printed: &str) {
    let schema = schema();
    let rule = json!({ "$ref": format!("#/$defs/{}", command(arguments)) });
    let values: Vec<Value> = Deserializer::from_str(printed)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(!values.is_empty(), "{arguments:?} prints nothing");
    for value in &values {
        let faults = faults(&schema, &rule, value, "");
        assert!(faults.is_empty(), "{arguments:?}: {faults:?}");
    }
}

#[tokio::test]
async fn what_is_printed_as_json_is_what_the_schema_says() {
    let replica = Replica::start(&[
        ("ANTHROPIC_API_KEY", "sk-ant-nobody".to_owned()),
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9".to_owned()),
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.json");
    let row = r#"[{"id":"5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01","difficulty":"beginner","title":"x","points":1}]"#;
    fs::write(&file, row).unwrap();
    let environment = [
        ("CATALOG_ADDR", replica.addr().to_string()),
        (
            "DATABASE_URL",
            format!("sqlite:{}", folder.path().join("own.sqlite").display()),
        ),
    ];
    let file = file.to_str().unwrap();
    for arguments in COMMANDS {
        let named = arguments
            .iter()
            .map(|word| if *word == "FILE" { file } else { word });
        let named: Vec<_> = named.collect();
        // Those that call a server take it before the command, too.
        let is_call = named.contains(&"admin") || named.contains(&"list");
        let typed = if is_call {
            [&["--output", "json"], &named[..]].concat()
        } else {
            [&named[..], &["-o", "json"]].concat()
        };
        conforms(arguments, &run_well(&typed, &environment).await);
    }
    let refused = run(&["config", "check", "-o", "json", "--cache-ttl", "0"], &[]).await;
    refused.with(2, &[]);
    conforms(&["config", "check"], &refused.out);
}

#[tokio::test]
async fn every_command_that_prints_json_is_in_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    run_well(&["man", "--folder", folder.path().to_str().unwrap()], &[]).await;
    let mut count = 0;
    for page in fs::read_dir(folder.path()).unwrap() {
        let page = page.unwrap();
        if !fs::read_to_string(page.path())
            .unwrap()
            .contains(r"\-\-output\fR")
        {
            continue;
        }
        let name = page.file_name().into_string().unwrap();
        let name = name
            .trim_start_matches("challenges-catalog-")
            .trim_end_matches(".1");
        let words = name.replace("redis-acl", "redis acl");
        let words: Vec<_> = words
            .split('-')
            .map(|word| word.replace("redis acl", "redis-acl"))
            .collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        assert_eq!(command(&words), words.join(" "));
        count += 1;
    }
    assert!(count > 25, "{count}");
}
