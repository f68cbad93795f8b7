//! Negative controls: deliberate faults that the checker must find, or it proves nothing.
use std::time::Duration;

use crate::{
    edge::{EdgePlan, EdgeProfile},
    nemesis::Harm,
    run::{self, Plan},
    verdict::Property,
};

/// Who commits a fault.
#[derive(Clone, Copy)]
enum By {
    /// The replicas, by its name (`CATALOG_FAULT`).
    Replicas,
    /// The database, by these statements.
    Database(&'static str),
    /// The cache at the edge, by this VCL.
    Edge(&'static str),
}

/// One deliberate fault.
struct Control {
    name: &'static str,
    by: By,
    /// What brings it to light.
    harms: [&'static [Harm]; 2],
}

const QUIET: [&[Harm]; 2] = [&[], &[]];

const CONTROLS: [Control; 15] = [
    Control {
        name: "stamp-after-read",
        by: By::Replicas,
        harms: [&[Harm::SlowFills], &[]],
    },
    Control {
        name: "trust-shared",
        by: By::Replicas,
        harms: QUIET,
    },
    Control {
        name: "ignore-lost",
        by: By::Replicas,
        harms: [&[], &[Harm::StopAndPrune]],
    },
    Control {
        name: "notify-only",
        by: By::Replicas,
        harms: [&[], &[Harm::Blackhole]],
    },
    Control {
        name: "near-unchecked",
        by: By::Replicas,
        harms: QUIET,
    },
    Control {
        name: "flag-freshness",
        by: By::Replicas,
        harms: [&[], &[Harm::StopCutOff]],
    },
    Control {
        name: "ignore-ticket",
        by: By::Replicas,
        harms: QUIET,
    },
    Control {
        name: "ignore-lease",
        by: By::Replicas,
        harms: QUIET,
    },
    Control {
        name: "forget-news",
        by: By::Replicas,
        harms: QUIET,
    },
    Control {
        name: "new-tag-only",
        by: By::Database(include_str!("faults/new_tag_only.sql")),
        harms: QUIET,
    },
    Control {
        name: "unnumbered-poll",
        by: By::Database(include_str!("faults/unnumbered_poll.sql")),
        harms: QUIET,
    },
    Control {
        name: "early-number",
        by: By::Database(include_str!("faults/early_number.sql")),
        harms: QUIET,
    },
    Control {
        name: "ignore-history",
        by: By::Replicas,
        harms: [&[], &[Harm::Promotion]],
    },
    Control {
        name: "believe-standby",
        by: By::Database(include_str!("faults/believe_standby.sql")),
        harms: [&[], &[Harm::StandbyInstead]],
    },
    Control {
        name: "edge-hides-age",
        by: By::Edge(include_str!("faults/edge_hides_age.vcl")),
        harms: QUIET,
    },
];

impl Control {
    fn plan(&self) -> Plan {
        let (mut fault, mut sql_fault, mut edge) = (None, None, None);
        match self.by {
            By::Replicas => fault = Some(self.name),
            By::Database(statements) => sql_fault = Some(statements),
            By::Edge(fault) => {
                let profile = EdgeProfile::Edge;
                edge = Some(EdgePlan { profile, fault });
            }
        }
        Plan {
            seed: 1,
            length: PATIENCE,
            harms: self.harms,
            fault,
            sql_fault,
            edge,
            until_caught: true,
        }
    }
}

/// A fault that is not found by then is not found.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the named controls, or all; true when each was caught.
pub async fn all_caught(names: &[&str]) -> bool {
    let mut missed = Vec::new();
    for control in CONTROLS {
        if !names.is_empty() && !names.contains(&control.name) {
            continue;
        }
        let findings = run::run(&control.plan()).await;
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
