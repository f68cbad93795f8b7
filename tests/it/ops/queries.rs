//! What alerts and the dashboard ask for is there.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, iter,
};

use serde_json::Value;

use super::{
    expressions::asked,
    promtool::promtool,
    scene::{Everything, Shown},
};

const RULES: &str = include_str!("../../../alerts/challenges-catalog.rules.yml");
const DASHBOARD: &str = include_str!("../../../dashboards/challenges-catalog.json");
/// What Prometheus adds, and the bound of a bucket.
const ADDED: [&str; 3] = ["job", "instance", "le"];

/// The expressions of the rules, as they stand behind `expr:`.
fn of_rules() -> Vec<String> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut expressions = Vec::new();
    let mut lines = RULES.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(text) = line.trim().strip_prefix("expr: ") else {
            continue;
        };
        let mut expression = text.trim_start_matches('|').to_owned();
        while text == "|"
            && let Some(more) = lines.next_if(|next| depth(next) > depth(line))
        {
            expression.push_str(more);
        }
        expressions.push(expression);
    }
    expressions
}

/// The queries of the dashboard, with what Grafana puts in for its variables.
fn of_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let rows = dashboard["panels"].as_array().unwrap().iter();
    // A row that is folded has its panels in it.
    let panels = rows.flat_map(|panel| {
        let within = panel["panels"].as_array().into_iter().flatten();
        iter::once(panel).chain(within)
    });
    let targets = panels.filter_map(|panel| panel["targets"].as_array());
    let queries = targets.flatten().map(|target| {
        let query = target["expr"].as_str().unwrap();
        let query = query.replace("$job", ".*").replace("$instance", ".*");
        query.replace("$__rate_interval", "1m")
    });
    queries.collect()
}

/// The names that rules record, with the labels that the names say.
fn recorded() -> BTreeMap<String, BTreeSet<String>> {
    let names = RULES
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "));
    let labels = |name: &str| {
        let labels = name.split(':').next().unwrap().split('_');
        labels.map(str::to_owned).collect()
    };
    names.map(|name| (name.to_owned(), labels(name))).collect()
}

/// What `expression` asks for and nobody has.
fn missing(expression: &str, page: &BTreeMap<String, Shown>) -> Vec<String> {
    let (asked, recorded) = (asked(expression), recorded());
    let mut missing = Vec::new();
    let mut labels: BTreeSet<_> = ADDED.map(str::to_owned).into();
    for metric in &asked.metrics {
        let suffixes = ["", "_bucket", "_sum", "_count"].into_iter();
        let mut bases = suffixes.filter_map(|suffix| metric.strip_suffix(suffix));
        if let Some(shown) = bases.find_map(|base| page.get(base)) {
            labels.extend(shown.labels.iter().cloned());
        } else if let Some(own) = recorded.get(metric) {
            labels.extend(own.iter().cloned());
        } else {
            missing.push(metric.clone());
        }
    }
    missing.extend(asked.labels.difference(&labels).cloned());
    missing
}

#[tokio::test]
async fn every_figure_and_label_that_is_asked_for_is_there() {
    let page = Everything::start().await.families().await;
    let (rules, dashboard) = (of_rules(), of_dashboard());
    assert!(rules.len() > 15 && dashboard.len() > 50);
    for expression in rules.iter().chain(&dashboard) {
        let missing = missing(expression, &page);
        assert!(missing.is_empty(), "{missing:?} in {expression}");
    }
    let wrong = "sum by (colour) (rate(catalog_rpc_request_total{code=\"OK\"}[5m]))";
    assert_eq!(
        missing(wrong, &page),
        ["catalog_rpc_request_total", "code", "colour"]
    );
}

#[test]
fn promtool_reads_every_query_of_the_dashboard() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.yml");
    let check = |queries: &[String]| {
        let rule = |(number, query): (usize, &String)| {
            let query = Value::from(query.as_str());
            format!("  - record: query:number{number}\n    expr: {query}\n")
        };
        let rules: String = queries.iter().enumerate().map(rule).collect();
        fs::write(
            &file,
            format!("groups:\n- name: queries\n  rules:\n{rules}"),
        )
        .unwrap();
        promtool(&["check", "rules", file.to_str().unwrap()], "")
    };
    let (content, said) = check(&of_dashboard());
    assert!(content, "{said}");
    let (content, _) = check(&["sum by (job) rate(x[5m]".to_owned()]);
    assert!(!content, "it would not read what is no query");
}

#[test]
fn the_dashboard_has_its_rows_and_a_description_for_each_panel() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let is_row = |panel: &&Value| panel["type"] == "row";
    let rows: Vec<_> = panels
        .iter()
        .filter(is_row)
        .map(|row| &row["title"])
        .collect();
    assert_eq!(rows, ["Calls", "Cache", "Truth", "Tips", "Resources"]);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "no two panels share an id");
    for panel in panels.iter().filter(|panel| !is_row(panel)) {
        let text = panel["description"].as_str().unwrap_or("");
        assert!(!text.is_empty(), "{}", panel["title"]);
    }
}
