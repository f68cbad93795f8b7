//! Checks of the schema: adopted tables, migrations, constraints and the index.
use sqlx::FromRow;

use super::verifier::PostgresVerifier;
use crate::repository::{
    MigrationError,
    postgres::{
        migrate, order_index,
        schema_check::{self, AdoptedTable},
    },
};

#[derive(FromRow)]
struct Constraints {
    is_checked: bool,
    has_children: bool,
    is_partition: bool,
}

impl PostgresVerifier {
    /// Reports in what a table differs from the one that the service needs; returns whether it can be checked further.
    pub(super) async fn check_table(
        &mut self,
        adopted: AdoptedTable,
    ) -> Result<bool, MigrationError> {
        let subject = format!("public.{}", adopted.name);
        let compared = schema_check::compare(&mut self.connection, adopted).await?;
        let Some((_, differences)) = compared else {
            let text = "there is no such table: run `challenges-catalog migrate up`";
            self.report.error(subject, text);
            return Ok(false);
        };
        for difference in &differences {
            self.report.error(subject.as_str(), difference.to_string());
        }
        Ok(differences.is_empty())
    }

    /// Reports pending migrations; returns whether the tables of the migrations exist.
    pub(super) async fn check_migrations(&mut self) -> Result<bool, MigrationError> {
        let may_read =
            "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
            FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = 'challenges_catalog' AND c.relname = 'migration'";
        let may_read: Vec<(bool,)> = self.fetch("looking for migrations", may_read).await?;
        if may_read == [(false,)] {
            let text =
                "this role may not read challenges_catalog.migration: apply migrations/grants.sql";
            self.report.error("rights", text);
            return Ok(true);
        }
        let rows = migrate::status(&mut self.connection).await?;
        self.report.add_migrations(&rows);
        Ok(!may_read.is_empty())
    }

    pub(super) async fn check_constraints(&mut self) -> Result<(), MigrationError> {
        let doing = "reading constraints";
        let read = include_str!("../sql/verify_constraints.sql");
        let found: Vec<Constraints> = self.fetch(doing, read).await?;
        let index = order_index::is_valid(&mut self.connection).await;
        let index = index.map_err(MigrationError::failed(doing))?;
        let report = &mut self.report;
        for constraints in found {
            if !constraints.is_checked {
                let text = "no valid CHECK keeps it to beginner, intermediate and advanced";
                report.warn("difficulty", text);
            }
            if constraints.has_children {
                let text = "other tables inherit from it: their rows are listed, and changes made to them directly go unnoticed";
                report.error("public.approach_challenges", text);
            }
            if constraints.is_partition {
                let text = "it is a partition: changes made by way of the table that it is a part of go unnoticed, and show only \
                     when copies expire; detach it, or write to it by its own name";
                report.error("public.approach_challenges", text);
            }
        }
        if index != Some(true) {
            let what = index.map_or("missing", |_| "invalid");
            let text = format!(
                "it is {what}, so long lists are slow: run `challenges-catalog migrate up`"
            );
            report.warn("index approach_challenges_catalog_order", text);
        }
        Ok(())
    }
}
