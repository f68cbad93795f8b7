//! The rules, and that each of them bites.
use std::path::PathBuf;

use super::{circles::circles, source::Source};

/// The longest file, in lines.
const MAX_LINES: usize = 400;

/// Files that may be longer, because a part of them could not be read alone.
const LONG_FILES: &[(&str, &str)] = &[
    (
        "src/config/settings.rs",
        "each setting is declared once, and all of them in one place",
    ),
    (
        "src/repository/postgres/pool.rs",
        "the pool and its connections share every invariant",
    ),
];

/// What one module may know.
struct Rule {
    module: &'static str,
    /// Modules it may import, besides itself.
    may_import: &'static [&'static str],
    /// Crates whose names it may not speak.
    may_not_name: &'static [&'static str],
}

const SQL: &str = "sqlx";
const REDIS: [&str; 2] = ["redis", "bb8_redis"];
const GRPC: [&str; 2] = ["tonic", "prost"];

/// ARCHITECTURE.md draws this table. A module without a row is a mistake.
const RULES: &[Rule] = &[
    Rule {
        module: "domain",
        may_import: &[],
        may_not_name: &[SQL, REDIS[0], REDIS[1], GRPC[0], GRPC[1], "tokio"],
    },
    Rule {
        module: "service",
        may_import: &["domain", "telemetry"],
        may_not_name: &[SQL, REDIS[0], REDIS[1], GRPC[0], GRPC[1]],
    },
    Rule {
        module: "transport",
        may_import: &["domain", "service", "pb", "telemetry"],
        may_not_name: &[SQL, REDIS[0], REDIS[1]],
    },
    Rule {
        module: "http",
        may_import: &["domain", "service", "transport", "pb", "telemetry"],
        may_not_name: &[SQL, REDIS[0], REDIS[1]],
    },
    Rule {
        module: "repository",
        may_import: &["domain", "telemetry"],
        may_not_name: &[REDIS[0], REDIS[1], GRPC[0], GRPC[1]],
    },
    Rule {
        module: "redis",
        may_import: &["telemetry"],
        may_not_name: &[SQL, GRPC[0], GRPC[1]],
    },
    Rule {
        module: "cache",
        may_import: &["domain", "redis", "telemetry"],
        may_not_name: &[SQL, GRPC[0], GRPC[1]],
    },
    Rule {
        module: "tips",
        may_import: &["domain", "redis", "telemetry"],
        may_not_name: &[SQL, GRPC[0], GRPC[1]],
    },
    Rule {
        module: "edges",
        may_import: &["domain", "telemetry"],
        may_not_name: &[SQL, REDIS[0], REDIS[1], GRPC[0], GRPC[1]],
    },
    Rule {
        module: "llm",
        may_import: &["domain", "telemetry"],
        may_not_name: &[SQL, REDIS[0], REDIS[1], GRPC[0], GRPC[1]],
    },
    Rule {
        module: "flags",
        may_import: &["domain", "telemetry"],
        may_not_name: &[SQL, REDIS[0], REDIS[1], GRPC[0], GRPC[1]],
    },
    Rule {
        module: "access",
        may_import: &["domain", "telemetry"],
        may_not_name: &[SQL, REDIS[0], REDIS[1], GRPC[0], GRPC[1]],
    },
    Rule {
        module: "ops",
        may_import: &["domain", "server", "telemetry"],
        may_not_name: &[SQL, REDIS[0], REDIS[1], GRPC[0], GRPC[1]],
    },
    Rule {
        module: "server",
        may_import: &["domain", "config", "telemetry"],
        may_not_name: &[SQL, REDIS[0], REDIS[1]],
    },
    Rule {
        module: "app",
        may_import: &[
            "domain",
            "service",
            "transport",
            "http",
            "server",
            "repository",
            "redis",
            "cache",
            "tips",
            "edges",
            "llm",
            "flags",
            "access",
            "ops",
            "config",
            "telemetry",
        ],
        may_not_name: &[SQL, GRPC[0], GRPC[1]],
    },
    Rule {
        module: "cli",
        // It knows the messages because `list` and `get` are clients of a server that runs.
        may_import: &[
            "domain",
            "app",
            "transport",
            "pb",
            "server",
            "config",
            "telemetry",
        ],
        may_not_name: &[SQL, REDIS[0], REDIS[1]],
    },
    Rule {
        module: "telemetry",
        may_import: &[],
        may_not_name: &[SQL, REDIS[0], REDIS[1]],
    },
    Rule {
        module: "config",
        // The flags are listed in the domain, and are settings like others.
        may_import: &["domain"],
        may_not_name: &[GRPC[0], GRPC[1]],
    },
    Rule {
        module: "pb",
        may_import: &[],
        may_not_name: &[SQL, REDIS[0], REDIS[1]],
    },
    Rule {
        module: "main",
        may_import: &["cli", "config"],
        may_not_name: &[SQL, REDIS[0], REDIS[1], GRPC[0], GRPC[1]],
    },
    Rule {
        module: "lib",
        may_import: &[],
        may_not_name: &[SQL, REDIS[0], REDIS[1], GRPC[0], GRPC[1]],
    },
];

fn forbidden_paths(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(rule) = RULES.iter().find(|rule| rule.module == module) else {
        return vec![format!("{module}: a module without a row in RULES")];
    };
    let starts = source.starts_of_paths().into_iter();
    let forbidden = starts.filter(|start| match start.strip_prefix("crate::") {
        Some(head) => {
            let is_module = RULES.iter().any(|rule| rule.module == head);
            is_module && head != module && !rule.may_import.contains(&head)
        }
        None => rule
            .may_not_name
            .iter()
            .any(|name| start.split("::").next() == Some(name)),
    });
    let place = source.path.display();
    forbidden.map(|start| format!("{place}: {start}")).collect()
}

fn too_long(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    let is_excepted = LONG_FILES
        .iter()
        .any(|(file, _)| source.path.ends_with(file));
    (lines > MAX_LINES && !is_excepted).then(|| format!("{}: {lines} lines", source.path.display()))
}

fn code_in_a_floor_plan(source: &Source) -> Vec<String> {
    let is_floor_plan = ["mod.rs", "lib.rs"]
        .iter()
        .any(|name| source.path.ends_with(name));
    if !is_floor_plan {
        return Vec::new();
    }
    let place = source.path.display();
    let items = source.items_with_code().into_iter();
    items.map(|item| format!("{place}: {item}")).collect()
}

fn both_trees() -> Vec<Source> {
    let mut sources = Source::all_under("src");
    sources.extend(Source::all_under("tests"));
    sources
}

fn planted(path: &str, text: &str) -> Source {
    Source {
        path: PathBuf::from(path),
        text: text.to_owned(),
    }
}

#[test]
fn rooms_import_only_what_lies_below_them() {
    let sources = Source::all_under("src");
    let found: Vec<_> = sources.iter().flat_map(forbidden_paths).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let found = circles(&Source::all_under("src"));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_file_says_what_it_is() {
    let sources = Source::all_under("src").into_iter();
    let silent = sources.filter(|source| {
        let is_for_tests = source.path.to_string_lossy().ends_with("tests.rs");
        !is_for_tests && !source.text.starts_with("//!")
    });
    let found: Vec<_> = silent.map(|source| source.path).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let found: Vec<_> = both_trees().iter().filter_map(too_long).collect();
    assert!(found.is_empty(), "over {MAX_LINES}: {found:#?}");
}

#[test]
fn a_floor_plan_holds_only_declarations() {
    let sources = both_trees();
    let found: Vec<_> = sources.iter().flat_map(code_in_a_floor_plan).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_planted_import_is_caught_in_every_spelling() {
    for text in [
        "use crate::cache::Near;",
        "use crate::{cache::Near, domain::Challenge};",
        "use crate::{\n    domain::{Challenge, Tag},\n    cache,\n};",
        "fn f() { crate::cache::open(); }",
        "fn f(near: &'static crate :: cache::Near<'_>) {}",
        "use super::super::cache::Near;",
        "mod tests { use super::super::super::cache; fn f() { super::super::super::cache::g() } }",
        "use challenges_catalog::cache;",
        "const A: char = '\"'; use crate::cache; const B: char = '\"';",
        "fn f() { let _ = for_r(\"//\"); crate::cache::open() }",
    ] {
        let found = forbidden_paths(&planted("src/service/catalog.rs", text));
        assert_eq!(found, ["src/service/catalog.rs: crate::cache"], "{text}");
    }
}

#[test]
fn a_planted_crate_is_caught() {
    for text in [
        "use sqlx::Row;",
        "fn f() -> sqlx::Row {}",
        "use {sqlx::Row, std::fmt};",
        "use async_trait::async_trait; use sqlx::Row;",
    ] {
        let found = forbidden_paths(&planted("src/service/catalog.rs", text));
        assert_eq!(found, ["src/service/catalog.rs: sqlx::Row"], "{text}");
    }
}

#[test]
fn what_only_looks_like_an_import_is_left_alone() {
    for text in [
        "use crate::{domain::cache, telemetry};",
        "// use crate::cache;\n/* crate::cache */ /// [`crate::cache`]",
        r##"const A: &str = "crate::cache"; const B: &str = r#"" crate::cache"#;"##,
        "use super::cache; use self::cache::Near; use crate::service::tips;",
    ] {
        let found = forbidden_paths(&planted("src/service/catalog.rs", text));
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

#[test]
fn a_room_without_a_rule_is_caught() {
    let found = forbidden_paths(&planted("src/helpers/mod.rs", ""));
    assert_eq!(found, ["helpers: a module without a row in RULES"]);
}

#[test]
fn a_long_file_is_caught() {
    assert!(too_long(&planted("src/a.rs", &"\n".repeat(MAX_LINES))).is_none());
    assert!(too_long(&planted("src/a.rs", &"\n".repeat(MAX_LINES + 1))).is_some());
}

#[test]
fn code_in_a_floor_plan_is_caught() {
    let plan = "//! Doc.\n#[cfg(test)]\nmod a;\npub(crate) mod b;\npub use a::{B, c::D};\n";
    assert!(code_in_a_floor_plan(&planted("src/a/mod.rs", plan)).is_empty());
    for code in [
        "fn f() {}",
        "const A: u8 = 1;",
        "mod tests { use super::a; }",
    ] {
        let found = code_in_a_floor_plan(&planted("src/a/mod.rs", &format!("{plan}{code}")));
        assert!(!found.is_empty(), "{code}");
    }
}
