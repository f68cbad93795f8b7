//! Tells people what was found.
use std::time::Duration;

use crate::{
    run::{Findings, Plan},
    verdict::Property,
};

/// So many violations of one property are told in full.
const TOLD: usize = 5;

/// Prints everything; true when nothing was found.
pub fn print(plan: &Plan, findings: &Findings) -> bool {
    let verdict = &findings.verdict;
    let checked: usize = verdict.checked.values().sum();
    println!(
        "\nseed {}, {:.0} s, {} commits; {} changes of the server in use, by which {} of them are lost",
        plan.seed,
        findings.took.as_secs_f64(),
        findings.commits,
        findings.changes,
        findings.lost
    );
    println!(
        "{} calls, {checked} answers checked: {:?}; {} contents",
        findings.reads, verdict.checked, verdict.contents
    );
    if let Some(edge) = plan.edge {
        println!(
            "answers through the edge ({}) by their age in seconds: {:?}",
            edge.profile.name(),
            findings.edge_ages
        );
    }
    println!(
        "in flight across a stop or kill: {}, judged like all others (0 excluded)",
        verdict.across_pauses
    );
    println!(
        "failed and excused: {} at a stopped or killed replica; without a copy or for a ticket: {} refused while the \
         database was away, {} held up while it was slow or away; {} tickets of an ended history",
        verdict.excused_by_replica,
        verdict.excused_by_database,
        verdict.excused_by_slow_fills,
        verdict.excused_by_promotion
    );
    for (property, name) in Property::ALL {
        let of_it = verdict
            .violations
            .iter()
            .filter(|violation| violation.property == property);
        println!(
            "{name:26} {:4} violations  {}",
            of_it.count(),
            note(property, findings)
        );
    }
    for (property, _) in Property::ALL {
        let of_it = verdict.violations.iter();
        let of_it = of_it.filter(|violation| violation.property == property);
        for violation in of_it.take(TOLD) {
            println!("  {:?}: {}", violation.property, violation.detail);
        }
    }
    if verdict.violations.is_empty() {
        let checks = u32::try_from(verdict.contents.max(1)).unwrap_or(u32::MAX);
        let bound = 3.0 / f64::from(checks);
        println!(
            "0 violations in {} checks: less than {bound:.1e} of them, at 95 %",
            verdict.contents
        );
    }
    verdict.violations.is_empty()
}

fn note(property: Property, findings: &Findings) -> String {
    let verdict = &findings.verdict;
    match property {
        Property::BoundedStaleness | Property::NoPhantom | Property::Writers => String::new(),
        Property::Ticket => format!("{} answers to a ticket", verdict.with_ticket),
        Property::Convergence => {
            format!(
                "last old or refused answer {:?} after all was healed",
                findings.convergences
            )
        }
        Property::Herd => {
            let herd = &findings.herd;
            format!(
                "{} statements for {} changes of a key with {} callers",
                herd.statements, herd.changes, herd.callers
            )
        }
        Property::Availability => {
            let excused = [
                verdict.excused_by_replica,
                verdict.excused_by_database,
                verdict.excused_by_slow_fills,
            ];
            format!(
                "{} failures excused, see above",
                excused.iter().sum::<usize>()
            )
        }
        Property::Receipt => match &findings.receipts {
            None => "SKIPPED: the server answers InvalidateCache with UNIMPLEMENTED".to_owned(),
            Some(receipts) => {
                let mut took: Vec<_> = receipts
                    .iter()
                    .map(|receipt| Duration::from_micros(receipt.took))
                    .collect();
                took.sort_unstable();
                let fenced = receipts.iter().filter(|receipt| receipt.fenced > 0).count();
                format!(
                    "{} receipts, {fenced} with a fenced replica, took p50 {:?} max {:?}; {} answers after one",
                    receipts.len(),
                    took.get(took.len() / 2),
                    took.last(),
                    verdict.after_receipt
                )
            }
        },
    }
}
