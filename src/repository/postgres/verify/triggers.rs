//! Checks of triggers: present, enabled for every session, and able to work for any writer.
use sqlx::FromRow;

use super::verifier::PostgresVerifier;
use crate::repository::{
    MigrationError, VerifyReport,
    postgres::event_triggers::{self, EventTrigger},
};

/// The triggers that notice changes: table, name, and the sessions that they must fire for.
const NOTICING: [(&str, &str, Fires); 14] = {
    use Fires::{Always, Origin, Replica};
    const CHALLENGES: &str = "approach_challenges";
    [
        (CHALLENGES, "challenges_catalog_delete", Origin),
        (CHALLENGES, "challenges_catalog_insert", Origin),
        (CHALLENGES, "challenges_catalog_keep", Always),
        (CHALLENGES, "challenges_catalog_replicated", Replica),
        (CHALLENGES, "challenges_catalog_touch", Always),
        (CHALLENGES, "challenges_catalog_update", Origin),
        ("feature_flags", "challenges_catalog_change", Always),
        ("feature_flags", "challenges_catalog_touch", Always),
        ("feature_flags", "challenges_catalog_truncate", Always),
        ("runtime_settings", "note_change", Always),
        ("runtime_settings", "note_truncate", Always),
        ("runtime_settings", "touch", Always),
        ("shown_tips", "note_change", Always),
        ("shown_tips", "note_truncate", Always),
    ]
};

/// The triggers that keep the history from being changed.
const GUARDS: [(&str, &str, Fires); 2] = [
    ("challenge_revisions", "refuse_change", Fires::Always),
    ("challenge_revisions", "refuse_truncate", Fires::Always),
];

/// The sessions whose changes a trigger fires for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fires {
    /// Ordinary sessions.
    Origin,
    /// Logical replication, and other sessions with `session_replication_role = replica`.
    Replica,
    Always,
}

impl Fires {
    /// Whether a trigger with this `tgenabled` fires for these sessions.
    fn includes(self, enabled: &str) -> bool {
        match self {
            Self::Origin => matches!(enabled, "O" | "A"),
            Self::Replica => matches!(enabled, "R" | "A"),
            Self::Always => enabled == "A",
        }
    }

    const fn setting(self) -> &'static str {
        match self {
            Self::Origin => "ENABLE",
            Self::Replica => "ENABLE REPLICA",
            Self::Always => "ENABLE ALWAYS",
        }
    }
}

/// The effect of a missing or disabled trigger.
#[derive(Clone, Copy)]
struct Harm {
    always: &'static str,
    as_replica: &'static str,
}

const UNNOTICED: Harm = Harm {
    always: "changes go unnoticed",
    as_replica: "changes with session_replication_role = replica go unnoticed",
};
const UNGUARDED: Harm = Harm {
    always: "the history can be changed and removed",
    as_replica: "with session_replication_role = replica the history can be changed and removed",
};

#[derive(FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Trigger {
    relation: String,
    name: String,
    enabled: String,
    /// Its function needs no other rights than the writer has.
    needs_no_rights: bool,
    is_definer: bool,
    is_pinned: bool,
    can_log: bool,
}

impl PostgresVerifier {
    pub(super) async fn check_triggers(&mut self) -> Result<(), MigrationError> {
        let doing = "reading triggers";
        let read = include_str!("../sql/verify_triggers.sql");
        let found: Vec<Trigger> = self.fetch(doing, read).await?;
        let event_triggers = event_triggers::state(&mut self.connection).await;
        let event_triggers = event_triggers.map_err(MigrationError::failed(doing))?;
        let report = &mut self.report;
        for (needed, harm) in [(&NOTICING[..], UNNOTICED), (&GUARDS[..], UNGUARDED)] {
            for (relation, name, fires) in needed {
                let is_it = |one: &&Trigger| one.relation == *relation && one.name == *name;
                let subject = format!("trigger {name}");
                match found.iter().find(is_it) {
                    None => {
                        let text = format!("it is missing from {relation}: {}", harm.always);
                        report.error(subject, text);
                    }
                    Some(trigger) => check(report, &subject, trigger, *fires, harm),
                }
            }
        }
        for trigger in &event_triggers {
            if let Some(problem) = trigger.problem() {
                let text = format!("{problem}: `migrate up` by a superuser makes it anew");
                report.warn(format!("event trigger {}", trigger.name), text);
            }
        }
        if event_triggers.iter().any(EventTrigger::is_missing) {
            let text = "there is none, or not both, so DDL on the table is noticed only when cached copies expire; \
                        `migrate up` by a superuser makes it";
            report.note("event trigger", text);
        }
        Ok(())
    }
}

fn check(report: &mut VerifyReport, subject: &str, trigger: &Trigger, fires: Fires, harm: Harm) {
    let enabled = trigger.enabled.as_str();
    if enabled == "D" {
        let text = format!("it is disabled: {}; `migrate up` mends it", harm.always);
        report.error(subject, text);
    } else if !fires.includes(enabled) {
        let harm = match fires {
            Fires::Origin => harm.always,
            Fires::Replica | Fires::Always => harm.as_replica,
        };
        let text = format!(
            "it is not {}: {harm}; `migrate up` mends it",
            fires.setting()
        );
        report.error(subject, text);
    }
    if trigger.needs_no_rights {
        return;
    }
    if !trigger.is_definer || !trigger.is_pinned {
        let text = "its function is not SECURITY DEFINER with a pinned search_path: other writers may fail";
        report.error(subject, text);
    }
    if !trigger.can_log {
        let text = "the owner of its function may not write the outbox: every writer fails";
        report.error(subject, text);
    }
}
