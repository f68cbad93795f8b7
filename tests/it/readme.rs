//! The documents tell the truth.
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use challenges_catalog::config::markdown_table;

use crate::{architecture::source::Source, support::replica::Replica};

const CONTRIBUTING: &str = include_str!("../../CONTRIBUTING.md");
const API: &str = include_str!("../../docs/api.md");
const SETTINGS: &str = include_str!("../../docs/settings.md");
const MIGRATIONS: &str = include_str!("../../migrations/README.md");
const PROVIDERS: &str = include_str!("../../docs/providers.md");

/// `BLESS=1` writes it.
#[test]
fn the_settings_table_is_that_of_the_program() {
    let expected = markdown_table();
    let head = expected.lines().next().unwrap();
    let (above, below) = SETTINGS.split_once(head).unwrap();
    let (table, rest) = below.split_once("\n\n").unwrap_or((below, ""));
    if env::var_os("BLESS").is_some() {
        let gap = if rest.is_empty() { "" } else { "\n" };
        fs::write(
            top().join("docs/settings.md"),
            format!("{above}{expected}{gap}{rest}"),
        )
        .unwrap();
        return;
    }
    assert_eq!(format!("{head}{table}").trim_end(), expected.trim_end());
}

#[test]
fn every_rpc_of_the_contract_has_a_row() {
    let mut rpcs = 0;
    for contract in files_under("proto") {
        let contract = fs::read_to_string(contract).unwrap();
        let lines = contract.lines();
        for line in lines.filter_map(|line| line.trim().strip_prefix("rpc ")) {
            let (rpc, _) = line.split_once('(').unwrap();
            assert!(API.contains(&format!("| `{rpc}` |")), "{rpc}");
            rpcs += 1;
        }
    }
    assert!(rpcs > 20, "{rpcs}");
}

#[test]
fn every_file_that_the_recipes_name_is_there() {
    let words = CONTRIBUTING
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(str::split_whitespace);
    let is_path = |word: &&str| {
        [
            "src/",
            "tests/",
            "proto/",
            "docs/",
            "grpcurl-examples/",
            "seeds/",
            "migrations/",
        ]
        .iter()
        .any(|folder| word.starts_with(folder))
    };
    let paths: Vec<_> = words
        .map(|word| word.trim_matches('\''))
        .filter(is_path)
        .filter(|word| !word.contains('*'))
        .flat_map(expand)
        .collect();
    let missing: Vec<_> = paths
        .iter()
        .filter(|path| !top().join(path).exists())
        .collect();
    assert!(missing.is_empty() && paths.len() > 50, "{missing:?}");
}

/// `src/{a,b}.rs` is `src/a.rs` and `src/b.rs`.
fn expand(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let (names, after) = rest.split_once('}').unwrap();
    let one = |name| expand(&format!("{before}{name}{after}"));
    names.split(',').flat_map(one).collect()
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_under(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![top().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn the_functions_are_where_the_table_says() {
    let mut files = files_under("migrations/postgres");
    files.sort();
    let mut defined = BTreeMap::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let number = &file.file_name().unwrap().to_str().unwrap()[..4];
        for line in text.lines() {
            let line = line.replace("OR REPLACE ", "");
            let name = |begin| {
                let rest: &str = line.strip_prefix(begin)?;
                Some(rest.split_once('(')?.0.to_owned())
            };
            if let Some(name) = name("CREATE FUNCTION challenges_catalog.") {
                defined.insert(name, number.to_owned());
            } else if let Some(name) = name("DROP FUNCTION challenges_catalog.") {
                defined.remove(&name);
            }
        }
    }
    let rows = MIGRATIONS.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("()` | ")?;
        Some((name.to_owned(), rest[..4].to_owned()))
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), defined);
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
    let folders = [top().join(".tools/bin"), "/usr/bin".into(), "/bin".into()];
    let output = Command::new(top().join("grpcurl-examples/revert-challenge.sh"))
        .env("PATH", env::join_paths(folders).unwrap())
        .env("CATALOG_ADDR", replica.addr().to_string())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let first = "has no revision: run create-challenge.sh first";
    assert!(said.contains(first), "{said}");
}
