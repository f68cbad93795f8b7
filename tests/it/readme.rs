//! The README tells the truth.
use challenges_catalog::config::markdown_table;

const README: &str = include_str!("../../README.md");

#[test]
fn the_settings_table_is_that_of_the_program() {
    let table = markdown_table();
    assert!(README.contains(&table), "README.md should have:\n{table}");
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
            assert!(README.contains(&format!("| `{rpc}` |")), "{rpc}");
        }
    }
}

#[test]
fn the_grants_are_those_of_the_script() {
    let script = include_str!("../../migrations/grants.sql").replace(":\"role\"", "catalog_serve");
    let statements = script
        .lines()
        .filter(|line| !line.starts_with("--") && !line.starts_with('\\'));
    // The list that they stand in indents them.
    let block: Vec<_> = statements.map(|line| format!("   {line}\n")).collect();
    let block = block.concat();
    assert!(README.contains(&block), "README.md should have:\n{block}");
}
