//! Is `public.approach_challenges` the table that the service can adopt?
use sqlx::PgConnection;

use crate::repository::{MigrationError, ShapeDifference};

/// What the table must have: column, type, whether null is refused, whether it must be there.
const COLUMNS: [(&str, &str, bool, bool); 8] = [
    ("id", "uuid", true, true),
    ("difficulty", "character varying(50)", true, true),
    ("title", "character varying(200)", true, true),
    ("description", "text", false, true),
    ("points", "integer", false, true),
    ("created_at", "timestamp with time zone", false, true),
    ("tips", "text", false, false),
    ("updated_at", "timestamp with time zone", false, false),
];

#[derive(sqlx::FromRow)]
struct Table {
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

/// True when the table is there and can be adopted, false when it is missing.
///
/// # Errors
///
/// [`MigrationError::Shape`] and [`MigrationError::NotOwner`]. Nothing is changed either way.
pub(super) async fn is_adoptable(connection: &mut PgConnection) -> Result<bool, MigrationError> {
    let Some(table) = table(&mut *connection).await? else {
        return Ok(false);
    };
    let found = differences(&table, &columns(connection).await?);
    if !found.is_empty() {
        return Err(MigrationError::Shape(found));
    }
    if !table.is_owner {
        return Err(MigrationError::NotOwner {
            owner: table.owner,
            role: table.role,
        });
    }
    Ok(true)
}

/// How the table differs from the one that is needed; `None` when it is missing.
pub(super) async fn inspect(
    connection: &mut PgConnection,
) -> Result<Option<Vec<ShapeDifference>>, MigrationError> {
    let Some(table) = table(&mut *connection).await? else {
        return Ok(None);
    };
    Ok(Some(differences(&table, &columns(connection).await?)))
}

async fn table(connection: &mut PgConnection) -> Result<Option<Table>, MigrationError> {
    sqlx::query_as(include_str!("sql/shape_table.sql"))
        .fetch_optional(connection)
        .await
        .map_err(MigrationError::failed(
            "looking at public.approach_challenges",
        ))
}

async fn columns(connection: &mut PgConnection) -> Result<Vec<Column>, MigrationError> {
    sqlx::query_as(include_str!("sql/shape_columns.sql"))
        .fetch_all(connection)
        .await
        .map_err(MigrationError::failed(
            "looking at public.approach_challenges",
        ))
}

fn differences(table: &Table, columns: &[Column]) -> Vec<ShapeDifference> {
    if table.kind != "ordinary table" {
        return vec![difference("table", "ordinary table", &table.kind)];
    }
    let mut found = Vec::new();
    for (name, kind, not_null, is_required) in COLUMNS {
        let column = columns.iter().find(|column| column.name == name);
        let expected = describe(kind, not_null, false);
        match column {
            None if is_required => found.push(difference(name, &expected, "no such column")),
            None => {}
            Some(column) => {
                let is = describe(&column.kind, column.not_null, column.is_generated);
                if is != expected {
                    found.push(difference(name, &expected, &is));
                }
            }
        }
    }
    let is_known = |name: &str| COLUMNS.iter().any(|(known, ..)| *known == name);
    let demanding = columns
        .iter()
        .filter(|column| !is_known(&column.name) && column.not_null && !column.fills_itself);
    found.extend(demanding.map(|column| {
        let is = format!("{} without a default", describe(&column.kind, true, false));
        difference(&column.name, "no column, or one that may be left out", &is)
    }));
    if table.key.as_deref() != Some("id") {
        let key = table.key.as_deref().unwrap_or("none");
        found.push(difference("primary key", "id", key));
    }
    found
}

fn describe(kind: &str, not_null: bool, is_generated: bool) -> String {
    let null = if not_null { "not null" } else { "null" };
    let generated = if is_generated { " generated" } else { "" };
    format!("{kind} {null}{generated}")
}

fn difference(subject: &str, expected: &str, found: &str) -> ShapeDifference {
    ShapeDifference {
        subject: subject.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}
