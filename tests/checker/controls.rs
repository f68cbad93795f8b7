//! Negative controls: deliberate faults that the checker must find, or it proves nothing.
use std::time::Duration;

use crate::{
    nemesis::Harm,
    run::{self, Plan},
    verdict::Property,
};

/// One deliberate fault.
struct Control {
    name: &'static str,
    /// Whether the replicas commit it (`CATALOG_FAULT`), or else these statements.
    sql: Option<&'static str>,
    /// What brings it to light.
    harms: [&'static [Harm]; 2],
}

const QUIET: [&[Harm]; 2] = [&[], &[]];

const CONTROLS: [Control; 14] = [
    Control {
        name: "stamp-after-read",
        sql: None,
        harms: [&[Harm::SlowFills], &[]],
    },
    Control {
        name: "trust-shared",
        sql: None,
        harms: QUIET,
    },
    Control {
        name: "ignore-lost",
        sql: None,
        harms: [&[], &[Harm::StopAndPrune]],
    },
    Control {
        name: "notify-only",
        sql: None,
        harms: [&[], &[Harm::Blackhole]],
    },
    Control {
        name: "near-unchecked",
        sql: None,
        harms: QUIET,
    },
    Control {
        name: "flag-freshness",
        sql: None,
        harms: [&[], &[Harm::StopCutOff]],
    },
    Control {
        name: "ignore-ticket",
        sql: None,
        harms: QUIET,
    },
    Control {
        name: "ignore-lease",
        sql: None,
        harms: QUIET,
    },
    Control {
        name: "forget-news",
        sql: None,
        harms: QUIET,
    },
    Control {
        name: "new-tag-only",
        sql: Some(include_str!("faults/new_tag_only.sql")),
        harms: QUIET,
    },
    Control {
        name: "unnumbered-poll",
        sql: Some(include_str!("faults/unnumbered_poll.sql")),
        harms: QUIET,
    },
    Control {
        name: "early-number",
        sql: Some(include_str!("faults/early_number.sql")),
        harms: QUIET,
    },
    Control {
        name: "ignore-history",
        sql: None,
        harms: [&[], &[Harm::Promotion]],
    },
    Control {
        name: "believe-standby",
        sql: Some(include_str!("faults/believe_standby.sql")),
        harms: [&[], &[Harm::StandbyInstead]],
    },
];

/// A fault that is not found by then is not found.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the named controls, or all; true when each was caught.
pub async fn all_caught(names: &[&str]) -> bool {
    let mut missed = Vec::new();
    for control in CONTROLS {
        if !names.is_empty() && !names.contains(&control.name) {
            continue;
        }
        let plan = Plan {
            seed: 1,
            length: PATIENCE,
            harms: control.harms,
            fault: control.sql.is_none().then_some(control.name),
            sql_fault: control.sql,
            edge: None,
            until_caught: true,
        };
        let findings = run::run(&plan).await;
        let violations = &findings.verdict.violations;
        let by = Property::ALL.map(|(property, name)| {
            let count = violations
                .iter()
                .filter(|violation| violation.property == property)
                .count();
            (count, name)
        });
        let by: Vec<_> = by
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{name}: {count}"))
            .collect();
        let caught = if violations.is_empty() {
            "MISSED"
        } else {
            "caught"
        };
        println!(
            "{caught}  {:17} in {:4.1} s and {} calls by {}",
            control.name,
            findings.took.as_secs_f64(),
            findings.reads,
            by.join(", ")
        );
        if let Some(first) = violations.first() {
            println!("        {}", first.detail);
        } else {
            missed.push(control.name);
        }
    }
    println!("missed: {missed:?}");
    missed.is_empty()
}
