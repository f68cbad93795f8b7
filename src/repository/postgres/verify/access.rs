//! Checks of rights: what this role may read, who else may write, who owns the objects, and what logical replication
//! writes.
use sqlx::FromRow;

use super::verifier::PostgresVerifier;
use crate::repository::{MigrationError, postgres::ownership};

/// Where logical replication of the catalog's rows is explained.
const REPLICATION_GUIDE: &str = "see migrations/README.md, Logical replication";

#[derive(FromRow)]
struct ReadingRights {
    may_select: bool,
    policies: String,
}

#[derive(FromRow)]
struct Writer {
    role: String,
    rights: String,
}

#[derive(FromRow)]
struct FlagWriter {
    role: String,
    rights: String,
    is_trusted: bool,
}

/// A publication or a subscription.
#[derive(FromRow)]
struct Replication {
    kind: String,
    name: String,
    is_bookkeeping: bool,
    tables: String,
}

impl PostgresVerifier {
    /// Whether this role sees the rows.
    pub(super) async fn check_reading(&mut self) -> Result<(), MigrationError> {
        let read = include_str!("../sql/verify_reading.sql");
        let found: Vec<ReadingRights> = self.fetch("reading rights", read).await?;
        for reading in found {
            if !reading.may_select {
                let text = "this role may not read public.approach_challenges: apply migrations/grants.sql";
                self.report.error("rights", text);
            } else if reading.policies == "none" {
                let text =
                    "it is enabled and no policy lets this role read: the catalog looks empty";
                self.report.error("row level security", text);
            } else if reading.policies == "some rows" {
                let text =
                    "policies let this role read some of the rows only: the catalog shows those";
                self.report.warn("row level security", text);
            }
        }
        Ok(())
    }

    /// Notes which other roles may change challenges.
    pub(super) async fn note_writers(&mut self) -> Result<(), MigrationError> {
        let read = include_str!("../sql/verify_writers.sql");
        let writers: Vec<Writer> = self.fetch("reading other roles' rights", read).await?;
        for Writer { role, rights } in writers {
            self.report
                .note(format!("role {role}"), format!("may {rights}"));
        }
        Ok(())
    }

    /// Which other roles may change the rows of flags, one of which switches the catalog off.
    pub(super) async fn check_flag_writers(&mut self) -> Result<(), MigrationError> {
        let read = include_str!("../sql/verify_flag_writers.sql");
        let writers: Vec<FlagWriter> = self.fetch("reading other roles' rights", read).await?;
        let subject = "public.feature_flags";
        for writer in writers {
            let FlagWriter { role, rights, .. } = &writer;
            if writer.is_trusted {
                let text =
                    format!("role {role} may {rights}, because it passes over row level security");
                self.report.note(subject, text);
            } else {
                let text = format!(
                    "role {role} may {rights}: it can switch the catalog off; REVOKE that, or enable row level security \
                     without a policy for it (which does not stop TRUNCATE)"
                );
                self.report.error(subject, text);
            }
        }
        Ok(())
    }

    /// Whether the objects of migrations belong to the owner of the challenges table.
    pub(super) async fn check_owners(&mut self) -> Result<(), MigrationError> {
        let objects = ownership::foreign_objects(&mut self.connection).await;
        for object in objects.map_err(MigrationError::failed("reading owners"))? {
            let more = match object.count {
                ..=1 => String::new(),
                count => format!(", as {} more", count - 1),
            };
            let text = format!(
                "it belongs to {}{more}, and public.approach_challenges to {}, whose rights our functions run with: \
                 `migrate up` by a superuser hands over what migrations made",
                object.owner, object.wanted
            );
            self.report.error(object.example, text);
        }
        Ok(())
    }

    /// Whether this role may follow the change log and register, as `serve` has to.
    pub(super) async fn check_grants(&mut self) -> Result<(), MigrationError> {
        let read = include_str!("../sql/verify_log.sql");
        let missing: Vec<(String,)> = self.fetch("reading rights", read).await?;
        for (what,) in missing {
            let text = format!("this role has no {what}: apply migrations/grants.sql");
            self.report.error("rights", text);
        }
        Ok(())
    }

    /// What logical replication brings into this database, and publishes from it.
    pub(super) async fn check_replication(&mut self) -> Result<(), MigrationError> {
        let read = include_str!("../sql/verify_replication.sql");
        let found: Vec<Replication> = self.fetch("reading logical replication", read).await?;
        for one in found {
            let (subject, tables) = (format!("{} {}", one.kind, one.name), one.tables);
            if one.kind == "publication" {
                let text = format!(
                    "it publishes tables of challenges_catalog ({tables}): with those of a subscriber that has the catalog's \
                     schema too they collide, and its catalog is lost; publish the tables of schema public by name: \
                     {REPLICATION_GUIDE}"
                );
                self.report.warn(subject, text);
            } else if one.is_bookkeeping {
                let text = format!(
                    "it writes another database's bookkeeping into tables of challenges_catalog ({tables}): numbers collide, \
                     and the catalog is lost; drop the subscription, and repair what it wrote: {REPLICATION_GUIDE}"
                );
                self.report.error(subject, text);
            } else {
                let text = "logical replication writes into public.approach_challenges: its rows are noticed as those of other \
                            programs are";
                self.report.note(subject, text);
            }
        }
        Ok(())
    }
}
