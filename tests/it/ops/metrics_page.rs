//! The metrics are those that docs/metrics.md tells of, and promtool finds no fault with them.
use std::collections::BTreeMap;

use super::{
    promtool::promtool,
    scene::{Everything, Shown},
};

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

/// The rows of the table: `name{labels}`, type, what.
fn documented() -> BTreeMap<String, Shown> {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| row.split_once("` | "));
    let of_row = |(name, rest): (&str, &str)| {
        let kind = rest.split(" | ").next()?;
        ["counter", "gauge", "histogram"].contains(&kind).then(|| {
            let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
            let labels = labels.trim_end_matches('}').split(',');
            let labels = labels.filter(|label| !label.is_empty());
            let shown = Shown {
                kind: kind.to_owned(),
                labels: labels.map(str::to_owned).collect(),
            };
            (name.to_owned(), shown)
        })
    };
    rows.filter_map(of_row).collect()
}

#[tokio::test]
async fn every_metric_is_documented_with_its_type_and_labels_and_every_row_exists() {
    let (shown, documented) = (Everything::start().await.families().await, documented());
    assert!(shown.len() > 50, "{}", shown.len());
    for (name, metric) in &shown {
        let row = documented.get(name);
        let row = row.unwrap_or_else(|| panic!("{name} has no row in docs/metrics.md"));
        assert_eq!(metric, row, "{name}");
    }
    for name in documented.keys() {
        assert!(
            shown.contains_key(name),
            "{name} is documented and not there"
        );
    }
}

#[tokio::test]
async fn promtool_finds_no_fault_with_the_page() {
    let page = Everything::start().await.metrics().await;
    assert_eq!(
        promtool(&["check", "metrics"], &page),
        (true, String::new())
    );
    let bad = format!("{page}# HELP calls Calls.\n# TYPE calls counter\ncalls 1\n");
    let (content, said) = promtool(&["check", "metrics"], &bad);
    assert!(
        !content && said.contains("_total"),
        "it would say so: {said}"
    );
}
