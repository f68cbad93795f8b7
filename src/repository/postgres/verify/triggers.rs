use sqlx::PgConnection;

use crate::repository::{
    MigrationError, Report,
    postgres::event_trigger::{self, EventTrigger},
};

/// Every trigger that stamps and the history depend on: its table, its name, and for whose changes it must fire.
const NEEDED: [(&str, &str, Fires); 14] = [
    (
        "approach_challenges",
        "challenges_catalog_delete",
        Fires::Origin,
    ),
    (
        "approach_challenges",
        "challenges_catalog_insert",
        Fires::Origin,
    ),
    (
        "approach_challenges",
        "challenges_catalog_keep",
        Fires::Always,
    ),
    (
        "approach_challenges",
        "challenges_catalog_replicated",
        Fires::Replica,
    ),
    (
        "approach_challenges",
        "challenges_catalog_touch",
        Fires::Always,
    ),
    (
        "approach_challenges",
        "challenges_catalog_update",
        Fires::Origin,
    ),
    ("feature_flags", "challenges_catalog_change", Fires::Always),
    ("feature_flags", "challenges_catalog_touch", Fires::Always),
    (
        "feature_flags",
        "challenges_catalog_truncate",
        Fires::Always,
    ),
    ("runtime_settings", "note_change", Fires::Always),
    ("runtime_settings", "note_truncate", Fires::Always),
    ("runtime_settings", "touch", Fires::Always),
    ("shown_tips", "note_change", Fires::Always),
    ("shown_tips", "note_truncate", Fires::Always),
];

/// Those that keep the history as it was written.
const GUARDS: [(&str, &str, Fires); 2] = [
    ("challenge_revisions", "refuse_change", Fires::Always),
    ("challenge_revisions", "refuse_truncate", Fires::Always),
];

/// For whose changes a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fires {
    /// Those of ordinary sessions.
    Origin,
    /// Those that logical replication applies, and of sessions that play it.
    Replica,
    /// All.
    Always,
}

impl Fires {
    /// Whether `tgenabled` is at least this.
    fn is_met_by(self, enabled: &str) -> bool {
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

/// What comes of a trigger that does not do its work.
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

#[derive(sqlx::FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Trigger {
    relation: String,
    name: String,
    enabled: String,
    /// Needs no rights but those of whoever writes.
    is_own_right: bool,
    is_definer: bool,
    is_pinned: bool,
    can_log: bool,
}

/// Present, enabled whatever the session's role is, and able to do their work for any writer.
pub(super) async fn look(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let doing = || MigrationError::failed("looking at triggers");
    let found: Vec<Trigger> = sqlx::query_as(include_str!("../sql/verify_triggers.sql"))
        .fetch_all(&mut *connection)
        .await
        .map_err(doing())?;
    for (needed, harm) in [(&NEEDED[..], UNNOTICED), (&GUARDS[..], UNGUARDED)] {
        for (relation, name, fires) in needed {
            let is_it = |one: &&Trigger| one.relation == *relation && one.name == *name;
            let subject = format!("trigger {name}");
            match found.iter().find(is_it) {
                None => report.error(
                    subject,
                    format!("it is missing from {relation}: {}", harm.always),
                ),
                Some(trigger) => judge(report, &subject, trigger, *fires, harm),
            }
        }
    }
    let found = event_trigger::state(connection).await.map_err(doing())?;
    for trigger in &found {
        if let Some(problem) = trigger.problem() {
            let text = format!("{problem}: `migrate up` by a superuser makes it anew");
            report.warn(format!("event trigger {}", trigger.name), text);
        }
    }
    if found.iter().any(EventTrigger::is_missing) {
        let text = "there is none, or not both, so DDL on the table is noticed only when cached copies expire; \
            `migrate up` by a superuser makes it";
        report.note("event trigger", text);
    }
    Ok(())
}

fn judge(report: &mut Report, subject: &str, trigger: &Trigger, fires: Fires, harm: Harm) {
    let enabled = trigger.enabled.as_str();
    if enabled == "D" {
        let text = format!("it is disabled: {}; `migrate up` mends it", harm.always);
        report.error(subject, text);
    } else if !fires.is_met_by(enabled) {
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
    if trigger.is_own_right {
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
