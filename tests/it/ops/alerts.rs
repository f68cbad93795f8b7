//! The alerts fire when they should, and tell what to do.
use std::fs;

use super::promtool::{promtool, top};

const RULES: &str = include_str!("../../../alerts/challenges-catalog.rules.yml");
const TESTS: &str = include_str!("../../../alerts/tests.yml");
const RUNBOOKS: &str = include_str!("../../../docs/runbooks.md");

fn alerts() -> Vec<&'static str> {
    let names = RULES
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.collect()
}

#[test]
fn promtool_finds_no_fault_with_the_rules_and_their_tests_pass() {
    let rules = top().join("alerts/challenges-catalog.rules.yml");
    let (content, said) = promtool(&["check", "rules", rules.to_str().unwrap()], "");
    assert!(content, "{said}");
    let tests = top().join("alerts/tests.yml");
    let (content, said) = promtool(&["test", "rules", tests.to_str().unwrap()], "");
    assert!(content, "{said}");
}

/// Of every alert: without it, or with its condition turned around, a test fails.
#[test]
fn the_tests_notice_an_alert_that_does_not_fire() {
    let folder = tempfile::tempdir().unwrap();
    let tests = folder.path().join("tests.yml");
    let (head, groups) = TESTS.split_once("tests:\n").unwrap();
    let groups: Vec<_> = groups.split_inclusive("\n\n").collect();
    for alert in alerts() {
        // Those about it alone: all of them take seconds.
        let name = format!("alertname: {alert}\n");
        let about = groups.iter().filter(|group| group.contains(&name));
        let about: String = about.copied().collect();
        fs::write(&tests, format!("{head}tests:\n{about}")).unwrap();
        let rules = RULES.replace(&format!("- alert: {alert}\n"), "- alert: Other\n");
        fs::write(folder.path().join("challenges-catalog.rules.yml"), rules).unwrap();
        let (content, said) = promtool(&["test", "rules", tests.to_str().unwrap()], "");
        assert!(!content, "nothing tests {alert}");
        assert!(said.contains(alert), "{alert}: {said}");
    }
}

#[test]
fn every_alert_has_a_runbook_with_all_of_its_parts() {
    let alerts = alerts();
    assert!(alerts.len() >= 10, "{alerts:?}");
    let sections: Vec<_> = RUNBOOKS.split("\n## ").skip(1).collect();
    assert_eq!(sections.len(), alerts.len(), "a section each, and no other");
    for alert in alerts {
        let link = format!(
            "\"docs/runbooks.md\" }}}}#{}'\n",
            alert.to_ascii_lowercase()
        );
        assert!(RULES.contains(&link), "{alert} names its section");
        let section = sections
            .iter()
            .find(|text| text.lines().next() == Some(alert));
        let section = section.unwrap_or_else(|| panic!("{alert} has no section"));
        for part in ["**Means.**", "**See.**", "**Do.**"] {
            assert!(section.contains(part), "{alert}: {part}");
        }
    }
}
