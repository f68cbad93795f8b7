//! Checks whether the service can adopt a database: its encoding, and the tables that existed before.
use sqlx::PgConnection;

use crate::repository::{MigrationError, TableDifference};

/// A table of schema `public` that may have existed before, with the columns that it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdoptedTable {
    /// The name without the schema.
    pub(super) name: &'static str,
    /// Columns that must exist.
    required: &'static [WantedColumn],
    /// Columns that a migration adds where they are missing.
    added: &'static [WantedColumn],
    /// The primary key, if it must be this one.
    key: Option<&'static str>,
}

/// The name of a column, and its type as [`describe`] has it. One that says nothing of nulls takes either, and
/// [`ANY_TEXT`] takes every text type.
type WantedColumn = (&'static str, &'static str);

const ANY_TEXT: &str = "any text";

/// The challenges table.
pub(super) const CHALLENGES: AdoptedTable = AdoptedTable {
    name: "approach_challenges",
    required: &[
        ("id", "uuid not null"),
        ("difficulty", "character varying(50) not null"),
        ("title", "character varying(200) not null"),
        ("description", "text null"),
        ("points", "integer null"),
        ("created_at", "timestamp with time zone null"),
    ],
    added: &[
        ("tips", "text null"),
        ("updated_at", "timestamp with time zone null"),
    ],
    key: Some("id"),
};

/// The table of feature flags. The service writes its own rows there, and ignores other columns.
pub(super) const FLAGS: AdoptedTable = AdoptedTable {
    name: "feature_flags",
    required: &[("name", ANY_TEXT), ("enabled", "boolean")],
    added: &[
        ("description", "any text null"),
        ("environment", ANY_TEXT),
        ("rollout_percentage", "integer"),
        ("created_at", "timestamp with time zone"),
        ("updated_at", "timestamp with time zone"),
        ("created_by", "any text null"),
        ("updated_by", "any text null"),
    ],
    key: None,
};

/// A table that exists.
#[derive(sqlx::FromRow)]
pub(super) struct Table {
    kind: String,
    owner: String,
    role: String,
    is_owner: bool,
    key: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Column {
    name: String,
    kind: String,
    not_null: bool,
    fills_itself: bool,
    is_generated: bool,
}

/// Refuses a database that is not in UTF-8: it may contain text that no answer can have, and cannot store everything
/// that callers may write.
pub(super) async fn check_encoding(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .persistent(false)
        .fetch_one(connection)
        .await
        .map_err(MigrationError::failed("reading the encoding"))?;
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(MigrationError::Encoding(encoding))
    }
}

/// Returns whether the table exists; fails if it exists and cannot be adopted. Changes nothing.
///
/// # Errors
///
/// [`MigrationError::TableMismatch`] and [`MigrationError::NotOwner`].
pub(super) async fn is_adoptable(
    connection: &mut PgConnection,
    adopted: AdoptedTable,
) -> Result<bool, MigrationError> {
    let Some((table, differences)) = compare(connection, adopted).await? else {
        return Ok(false);
    };
    if !differences.is_empty() {
        return Err(MigrationError::TableMismatch {
            table: adopted.name,
            differences,
        });
    }
    if !table.is_owner {
        return Err(MigrationError::NotOwner {
            table: adopted.name,
            owner: table.owner,
            role: table.role,
        });
    }
    Ok(true)
}

/// The table, and its differences from the one that the service needs; `None` when it is missing.
pub(super) async fn compare(
    connection: &mut PgConnection,
    adopted: AdoptedTable,
) -> Result<Option<(Table, Vec<TableDifference>)>, MigrationError> {
    let doing = || MigrationError::failed("reading an adopted table");
    let table: Option<Table> = sqlx::query_as(include_str!("sql/adopted_table.sql"))
        .bind(adopted.name)
        .fetch_optional(&mut *connection)
        .await
        .map_err(doing())?;
    let Some(table) = table else {
        return Ok(None);
    };
    let columns: Vec<Column> = sqlx::query_as(include_str!("sql/adopted_columns.sql"))
        .bind(adopted.name)
        .fetch_all(connection)
        .await
        .map_err(doing())?;
    let differences = differences(adopted, &table, &columns);
    Ok(Some((table, differences)))
}

fn differences(adopted: AdoptedTable, table: &Table, columns: &[Column]) -> Vec<TableDifference> {
    if table.kind != "ordinary table" {
        return vec![difference("table", "ordinary table", &table.kind)];
    }
    let mut found = Vec::new();
    let required = adopted.required.iter().map(|wanted| (wanted, true));
    let added = adopted.added.iter().map(|wanted| (wanted, false));
    for ((name, kind), is_required) in required.chain(added) {
        let is = match columns.iter().find(|column| column.name == *name) {
            None if is_required => "no such column".to_owned(),
            Some(column) if !column.is(kind) => column.describe(),
            None | Some(_) => continue,
        };
        found.push(difference(name, &kind.replace(ANY_TEXT, "text"), &is));
    }
    let is_known = |column: &Column| {
        let mut known = adopted.required.iter().chain(adopted.added);
        known.any(|(name, _)| *name == column.name)
    };
    let demanding = columns
        .iter()
        .filter(|column| !is_known(column) && column.not_null && !column.fills_itself);
    found.extend(demanding.map(|column| {
        let is = format!("{} without a default", describe(&column.kind, true, false));
        difference(&column.name, "no column, or one that may be left out", &is)
    }));
    if let Some(wanted) = adopted.key
        && table.key.as_deref() != Some(wanted)
    {
        let key = table.key.as_deref().unwrap_or("none");
        found.push(difference("primary key", wanted, key));
    }
    found
}

impl Column {
    /// Whether it is of the type that a [`WantedColumn`] names.
    fn is(&self, wanted: &str) -> bool {
        let is_text = self.kind == "text" || self.kind.starts_with("character varying");
        let any_text = wanted.strip_prefix(ANY_TEXT).filter(|_| is_text);
        let nulls = any_text.or_else(|| wanted.strip_prefix(&self.kind));
        let own = if self.not_null { " not null" } else { " null" };
        !self.is_generated && nulls.is_some_and(|nulls| nulls.is_empty() || nulls == own)
    }

    fn describe(&self) -> String {
        describe(&self.kind, self.not_null, self.is_generated)
    }
}

fn describe(kind: &str, not_null: bool, is_generated: bool) -> String {
    let null = if not_null { "not null" } else { "null" };
    let generated = if is_generated { " generated" } else { "" };
    format!("{kind} {null}{generated}")
}

fn difference(subject: &str, expected: &str, found: &str) -> TableDifference {
    TableDifference {
        subject: subject.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}
