use sqlx::PgConnection;

use crate::repository::{MigrationError, Report, postgres::event_trigger};

/// Every trigger that stamps and the history depend on: its table, its name.
const NEEDED: [(&str, &str); 16] = [
    ("approach_challenges", "challenges_catalog_delete"),
    ("approach_challenges", "challenges_catalog_insert"),
    ("approach_challenges", "challenges_catalog_keep"),
    ("approach_challenges", "challenges_catalog_touch"),
    ("approach_challenges", "challenges_catalog_truncate"),
    ("approach_challenges", "challenges_catalog_update"),
    ("commit_log", "number_edit"),
    ("commit_log", "seal"),
    ("feature_flags", "challenges_catalog_change"),
    ("feature_flags", "challenges_catalog_touch"),
    ("feature_flags", "challenges_catalog_truncate"),
    ("runtime_settings", "note_change"),
    ("runtime_settings", "note_truncate"),
    ("runtime_settings", "touch"),
    ("shown_tips", "note_change"),
    ("shown_tips", "note_truncate"),
];

/// Those that keep the history as it was written.
const GUARDS: [(&str, &str); 2] = [
    ("challenge_revisions", "refuse_change"),
    ("challenge_revisions", "refuse_truncate"),
];

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
struct Trigger {
    relation: String,
    name: String,
    enabled: String,
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
        for (relation, name) in needed {
            let is_it = |one: &&Trigger| one.relation == *relation && one.name == *name;
            let subject = format!("trigger {name}");
            match found.iter().find(is_it) {
                None => report.error(
                    subject,
                    format!("it is missing from {relation}: {}", harm.always),
                ),
                Some(trigger) => judge(report, &subject, trigger, harm),
            }
        }
    }
    match event_trigger::state(connection).await.map_err(doing())?.as_deref() {
        Some("A") => {}
        Some(_) => report.warn("event trigger", "it is not ENABLE ALWAYS: some DDL goes unnoticed"),
        None => report.note(
            "event trigger",
            "there is none, so DDL on the table is noticed only when cached copies expire; `migrate up` by a superuser makes it",
        ),
    }
    Ok(())
}

fn judge(report: &mut Report, subject: &str, trigger: &Trigger, harm: Harm) {
    match trigger.enabled.as_str() {
        "A" => {}
        "D" => report.error(subject, format!("it is disabled: {}", harm.always)),
        _ => report.error(
            subject,
            format!("it is not ENABLE ALWAYS: {}", harm.as_replica),
        ),
    }
    if !trigger.is_definer || !trigger.is_pinned {
        let text = "its function is not SECURITY DEFINER with a pinned search_path: other writers may fail";
        report.error(subject, text);
    }
    if !trigger.can_log {
        let text = "the owner of its function may not write the commit log: every writer fails";
        report.error(subject, text);
    }
}
