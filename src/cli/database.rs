//! The commands `migrate` and `seed`: they change the database directly, without a server.
use std::{io, path::PathBuf};

use clap::ArgMatches;
use serde_json::json;

use super::{
    escape::clean,
    failure::Failure,
    output::{self, Color, Output},
    runtime, serve, settings,
};
use crate::{
    app::{self, Migrated, Migration},
    config::{DatabaseConfig, EnvVars, LOG_FILTER},
};

/// `migrate up` and `migrate status`.
pub(super) fn migrate(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(Failure::quiet(2));
    };
    let output = Output::new(matches, environment);
    let database = database(matches, environment)?;
    let runtime = runtime::command()?;
    if verb == "status" {
        let migrations = runtime
            .block_on(app::migration_status(&database))
            .map_err(|error| Failure::caused("cannot tell what is applied", error.as_ref()))?;
        show(output, &migrations)?;
        let is_pending = migrations.iter().any(|one| one.applied_at.is_none());
        return if is_pending {
            Err(Failure::quiet(1))
        } else {
            Ok(())
        };
    }
    let migrated = runtime
        .block_on(app::migrate_up(&database))
        .map_err(|error| Failure::caused("cannot migrate", error.as_ref()))?;
    if output.is_data() {
        return output.data(&migrated);
    }
    show_migrated(&migrated)
}

fn show_migrated(migrated: &Migrated) -> Result<(), Failure> {
    if migrated.adopted {
        output::line("adopted the table approach_challenges that was there")?;
    }
    for name in &migrated.applied {
        output::line(&format!("applied {}", clean(name)))?;
    }
    for note in &migrated.notes {
        output::line(&format!("note: {}", clean(note)))?;
    }
    if migrated.applied.is_empty() {
        output::line("nothing to do: the schema is that of this version")?;
    }
    Ok(())
}

/// `seed`.
pub(super) fn seed(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let database = database(matches, environment)?;
    let file = matches.get_one::<PathBuf>("file");
    let seeded = runtime::command()?
        .block_on(app::seed(&database, file.map(PathBuf::as_path)))
        .map_err(|error| Failure::caused("cannot seed; nothing was added", error.as_ref()))?;
    if output.is_data() {
        return output.data(&seeded);
    }
    let there = seeded.read.saturating_sub(seeded.added);
    output::line(&format!(
        "{} challenges added, {there} were there already",
        seeded.added
    ))
}

/// The database's settings, with a log that keeps still unless asked.
pub(super) fn database(
    matches: &ArgMatches,
    environment: &EnvVars,
) -> Result<DatabaseConfig, Failure> {
    let loaded = settings::loaded(matches, environment)?;
    let log = &loaded.config.log;
    let filter = if loaded.is_default(LOG_FILTER) {
        "warn"
    } else {
        &log.filter
    };
    serve::start_log(log, filter, environment, io::stderr)?;
    Ok(loaded.config.database)
}

fn show(output: Output, migrations: &[Migration]) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(&json!({ "migrations": migrations }));
    }
    let rows = migrations.iter().map(|migration| {
        let state = match &migration.applied_at {
            Some(at) => output.paint(Color::Green, &clean(at)),
            None => output.paint(Color::Yellow, "pending"),
        };
        [migration.version.to_string(), clean(&migration.name), state]
    });
    output.whole_rows(["VERSION", "NAME", "APPLIED"], rows)
}
