//! The command `verify`: checks the database, and prints the findings.

use clap::ArgMatches;
use parking_lot::Mutex;
use serde_json::json;

use super::{
    database,
    escape::clean,
    failure::Failure,
    output::{self, Color, Output},
    progress::Progress,
    runtime,
};
use crate::{
    app::{self, Report, Severity},
    config::EnvVars,
};

/// Exit code 0: nothing found; 1: findings; 2: could not check.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let database = database::database(matches, environment)?;
    let progress = Mutex::new(Progress::new("checking", environment));
    let tell = |done, total| {
        let mut progress = progress.lock();
        progress.at(done, Some(total), "");
    };
    let report = runtime::command()?.block_on(app::verify(&database, &tell));
    drop(progress);
    let report = report.map_err(|error| {
        Failure::caused("cannot check the database", error.as_ref()).with_code(2)
    })?;
    show(output, &report)?;
    if is_clean(&report) {
        Ok(())
    } else {
        Err(Failure::quiet(1))
    }
}

/// Notes are for information; everything else is a finding.
fn is_clean(report: &Report) -> bool {
    report
        .findings
        .iter()
        .all(|finding| finding.severity == Severity::Note)
}

fn show(output: Output, report: &Report) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(&json!({
            "clean": is_clean(report),
            "facts": report.facts,
            "findings": report.findings,
        }));
    }
    let facts = report
        .facts
        .iter()
        .map(|fact| [clean(fact.name), clean(&fact.value)]);
    output.whole_rows(["FACT", "VALUE"], facts)?;
    if report.findings.is_empty() {
        return verdict(output, report);
    }
    output::line("")?;
    let findings = report.findings.iter().map(|finding| {
        [
            finding.severity.to_string(),
            clean(&finding.subject),
            clean(&finding.text),
        ]
    });
    output.whole_rows(["SEVERITY", "SUBJECT", "FINDING"], findings)?;
    verdict(output, report)
}

fn verdict(output: Output, report: &Report) -> Result<(), Failure> {
    let notes = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Note);
    match report.findings.len() - notes.count() {
        _ if !output.is_table() => Ok(()),
        0 => output::line(&output.paint(Color::Green, "\nnothing wrong")),
        count => output::line(&output.paint(Color::Red, &format!("\nfindings: {count}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Finding;

    fn report(severities: &[Severity]) -> Report {
        let finding = |severity| Finding {
            severity,
            subject: String::new(),
            text: String::new(),
        };
        let findings = severities.iter().copied().map(finding).collect();
        Report {
            facts: Vec::new(),
            findings,
        }
    }

    #[test]
    fn notes_do_not_make_a_database_unclean() {
        assert!(is_clean(&report(&[])) && is_clean(&report(&[Severity::Note])));
        assert!(!is_clean(&report(&[Severity::Note, Severity::Warning])));
        assert!(!is_clean(&report(&[Severity::Error])));
    }
}
