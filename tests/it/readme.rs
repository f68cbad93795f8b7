//! The documents tell the truth.
use std::{env, path::Path, process::Command};

use challenges_catalog::config::markdown_table;

use crate::{architecture::source::Source, support::replica::Replica};

const API: &str = include_str!("../../docs/api.md");
const SETTINGS: &str = include_str!("../../docs/settings.md");
const MIGRATIONS: &str = include_str!("../../migrations/README.md");
const PROVIDERS: &str = include_str!("../../docs/providers.md");

#[test]
fn the_settings_table_is_that_of_the_program() {
    let table = markdown_table();
    assert!(
        SETTINGS.contains(&table),
        "docs/settings.md should have:\n{table}"
    );
}

#[test]
fn every_rpc_of_the_contract_has_a_row() {
    let contracts = [
        include_str!("../../proto/challenges/catalog/v1/catalog.proto"),
        include_str!("../../proto/challenges/admin/v1/cache_admin.proto"),
        include_str!("../../proto/challenges/admin/v1/challenges_admin.proto"),
        include_str!("../../proto/challenges/admin/v1/tips_admin.proto"),
        include_str!("../../proto/challenges/admin/v1/feature_flags.proto"),
        include_str!("../../proto/challenges/admin/v1/runtime_settings.proto"),
    ];
    for contract in contracts {
        let rpcs = contract
            .lines()
            .filter_map(|line| line.trim().strip_prefix("rpc "));
        for rpc in rpcs.filter_map(|line| line.split('(').next()) {
            assert!(API.contains(&format!("| `{rpc}` |")), "{rpc}");
        }
    }
}

#[test]
fn the_grants_are_those_of_the_script() {
    let script = include_str!("../../migrations/grants.sql").replace(":\"role\"", "catalog_serve");
    let statements = script
        .lines()
        .filter(|line| !line.starts_with("--") && !line.starts_with('\\'));
    let block: String = statements.flat_map(|line| [line, "\n"]).collect();
    assert!(
        MIGRATIONS.contains(&block),
        "migrations/README.md should have:\n{block}"
    );
}

#[test]
fn the_programs_in_the_table_of_providers_are_those_that_are_installed() {
    let script = include_str!("../../.ci/install-tools");
    for (variable, name) in [
        ("LITELLM_VERSION", "LiteLLM"),
        ("LLMOCK_VERSION", "llmock"),
        ("AIMOCK_VERSION", "aimock"),
    ] {
        let (_, rest) = script.split_once(&format!("readonly {variable}=")).unwrap();
        let row = format!("| {name} {} |", rest.lines().next().unwrap());
        assert!(PROVIDERS.contains(&row), "{row}");
    }
}

#[test]
fn every_test_that_the_table_of_providers_names_is_there() {
    let mut sources = Source::all_under("src");
    sources.extend(Source::all_under("tests/it"));
    let is_there = |name: &str| {
        let (module, fact) = name.rsplit_once("::").unwrap();
        let file = module.trim_end_matches("::tests").replace("::", "/") + ".rs";
        let mut files = sources.iter().filter(|source| source.path.ends_with(&file));
        files.any(|source| source.text.contains(&format!("fn {fact}(")))
    };
    let rows = PROVIDERS.lines().filter(|line| line.starts_with("| "));
    let names = rows.flat_map(|row| {
        let (_, tests) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        tests.split('`').filter(|word| word.contains("::"))
    });
    let missing: Vec<_> = names.clone().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty() && names.count() > 20, "{missing:?}");
}

#[tokio::test]
async fn the_example_of_a_revert_says_what_to_run_first() {
    let replica = Replica::start(&[]).await;
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [top.join(".tools/bin"), "/usr/bin".into(), "/bin".into()];
    let output = Command::new(top.join("grpcurl-examples/revert-challenge.sh"))
        .env("PATH", env::join_paths(folders).unwrap())
        .env("CATALOG_ADDR", replica.addr().to_string())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let first = "has no revision: run create-challenge.sh first";
    assert!(said.contains(first), "{said}");
}
