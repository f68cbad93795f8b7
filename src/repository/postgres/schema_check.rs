//! Checks whether the service can adopt a database: its encoding, and the tables that existed before.
use sqlx::PgConnection;

use crate::repository::{MigrationError, TableDifference};

/// A table of schema `public` that may have existed before, with the columns that it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdoptedTable {
    /// The name without the schema.
    pub(super) name: &'static str,
    columns: &'static [RequiredColumn],
    /// The primary key, if it must be this one.
    key: Option<&'static str>,
}

/// A column that the table needs.
#[derive(Clone, Copy, Debug)]
struct RequiredColumn {
    name: &'static str,
    kind: ColumnKind,
    /// Whether it must be NOT NULL; `None` for either.
    not_null: Option<bool>,
    /// Whether it must exist; otherwise a migration adds it.
    is_required: bool,
}

#[derive(Clone, Copy, Debug)]
enum ColumnKind {
    Exactly(&'static str),
    /// Any text type.
    AnyText,
}

const TIME: ColumnKind = ColumnKind::Exactly("timestamp with time zone");

/// The challenges table.
pub(super) const CHALLENGES: AdoptedTable = AdoptedTable {
    name: "approach_challenges",
    columns: &[
        wanted("id", ColumnKind::Exactly("uuid"), Some(true), true),
        wanted(
            "difficulty",
            ColumnKind::Exactly("character varying(50)"),
            Some(true),
            true,
        ),
        wanted(
            "title",
            ColumnKind::Exactly("character varying(200)"),
            Some(true),
            true,
        ),
        wanted(
            "description",
            ColumnKind::Exactly("text"),
            Some(false),
            true,
        ),
        wanted("points", ColumnKind::Exactly("integer"), Some(false), true),
        wanted("created_at", TIME, Some(false), true),
        wanted("tips", ColumnKind::Exactly("text"), Some(false), false),
        wanted("updated_at", TIME, Some(false), false),
    ],
    key: Some("id"),
};

/// The table of feature flags. The service writes its own rows there, and ignores other columns.
pub(super) const FLAGS: AdoptedTable = AdoptedTable {
    name: "feature_flags",
    columns: &[
        wanted("name", ColumnKind::AnyText, None, true),
        wanted("enabled", ColumnKind::Exactly("boolean"), None, true),
        wanted("description", ColumnKind::AnyText, Some(false), false),
        wanted("environment", ColumnKind::AnyText, None, false),
        wanted(
            "rollout_percentage",
            ColumnKind::Exactly("integer"),
            None,
            false,
        ),
        wanted("created_at", TIME, None, false),
        wanted("updated_at", TIME, None, false),
        wanted("created_by", ColumnKind::AnyText, Some(false), false),
        wanted("updated_by", ColumnKind::AnyText, Some(false), false),
    ],
    key: None,
};

const fn wanted(
    name: &'static str,
    kind: ColumnKind,
    not_null: Option<bool>,
    is_required: bool,
) -> RequiredColumn {
    RequiredColumn {
        name,
        kind,
        not_null,
        is_required,
    }
}

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
    for wanted in adopted.columns {
        let is = match columns.iter().find(|column| column.name == wanted.name) {
            None if wanted.is_required => "no such column".to_owned(),
            Some(column) if !wanted.matches(column) => column.describe(),
            None | Some(_) => continue,
        };
        found.push(difference(wanted.name, &wanted.describe(), &is));
    }
    let is_known = |name: &str| adopted.columns.iter().any(|wanted| wanted.name == name);
    let demanding = columns
        .iter()
        .filter(|column| !is_known(&column.name) && column.not_null && !column.fills_itself);
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

impl RequiredColumn {
    fn matches(&self, column: &Column) -> bool {
        let is_of_kind = match self.kind {
            ColumnKind::Exactly(kind) => column.kind == kind,
            ColumnKind::AnyText => {
                column.kind == "text" || column.kind.starts_with("character varying")
            }
        };
        let may_be_null = self
            .not_null
            .is_none_or(|refused| column.not_null == refused);
        is_of_kind && may_be_null && !column.is_generated
    }

    fn describe(&self) -> String {
        let kind = match self.kind {
            ColumnKind::Exactly(kind) => kind,
            ColumnKind::AnyText => "text",
        };
        match self.not_null {
            Some(not_null) => describe(kind, not_null, false),
            None => kind.to_owned(),
        }
    }
}

impl Column {
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
