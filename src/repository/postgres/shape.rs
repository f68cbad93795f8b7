//! Is a table that was there before one that the service can adopt?
use sqlx::PgConnection;

use crate::repository::{MigrationError, ShapeDifference};

/// A table of schema `public` that others may have made, and what it must have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adopted {
    /// Without its schema.
    pub(super) name: &'static str,
    columns: &'static [Wanted],
    /// The primary key, where another one would not do.
    key: Option<&'static str>,
}

/// A column that is needed.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    name: &'static str,
    kind: Kind,
    /// Whether null is refused; `None` where either will do.
    not_null: Option<bool>,
    /// Whether it must be there; one that need not is added.
    is_required: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// This type.
    Exactly(&'static str),
    /// Text of any type.
    AnyText,
}

const TIME: Kind = Kind::Exactly("timestamp with time zone");

/// The challenges.
pub(super) const CHALLENGES: Adopted = Adopted {
    name: "approach_challenges",
    columns: &[
        wanted("id", Kind::Exactly("uuid"), Some(true), true),
        wanted(
            "difficulty",
            Kind::Exactly("character varying(50)"),
            Some(true),
            true,
        ),
        wanted(
            "title",
            Kind::Exactly("character varying(200)"),
            Some(true),
            true,
        ),
        wanted("description", Kind::Exactly("text"), Some(false), true),
        wanted("points", Kind::Exactly("integer"), Some(false), true),
        wanted("created_at", TIME, Some(false), true),
        wanted("tips", Kind::Exactly("text"), Some(false), false),
        wanted("updated_at", TIME, Some(false), false),
    ],
    key: Some("id"),
};

/// The feature flags. The service writes rows of its own there, and leaves out what it does not know.
pub(super) const FLAGS: Adopted = Adopted {
    name: "feature_flags",
    columns: &[
        wanted("name", Kind::AnyText, None, true),
        wanted("enabled", Kind::Exactly("boolean"), None, true),
        wanted("description", Kind::AnyText, Some(false), false),
        wanted("environment", Kind::AnyText, None, false),
        wanted("rollout_percentage", Kind::Exactly("integer"), None, false),
        wanted("created_at", TIME, None, false),
        wanted("updated_at", TIME, None, false),
        wanted("created_by", Kind::AnyText, Some(false), false),
        wanted("updated_by", Kind::AnyText, Some(false), false),
    ],
    key: None,
};

const fn wanted(
    name: &'static str,
    kind: Kind,
    not_null: Option<bool>,
    is_required: bool,
) -> Wanted {
    Wanted {
        name,
        kind,
        not_null,
        is_required,
    }
}

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
pub(super) async fn is_adoptable(
    connection: &mut PgConnection,
    adopted: Adopted,
) -> Result<bool, MigrationError> {
    let Some(table) = table(&mut *connection, adopted).await? else {
        return Ok(false);
    };
    let differences = differences(adopted, &table, &columns(connection, adopted).await?);
    if !differences.is_empty() {
        return Err(MigrationError::Shape {
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

/// How the table differs from the one that is needed; `None` when it is missing.
pub(super) async fn inspect(
    connection: &mut PgConnection,
    adopted: Adopted,
) -> Result<Option<Vec<ShapeDifference>>, MigrationError> {
    let Some(table) = table(&mut *connection, adopted).await? else {
        return Ok(None);
    };
    let columns = columns(connection, adopted).await?;
    Ok(Some(differences(adopted, &table, &columns)))
}

async fn table(
    connection: &mut PgConnection,
    adopted: Adopted,
) -> Result<Option<Table>, MigrationError> {
    sqlx::query_as(include_str!("sql/shape_table.sql"))
        .bind(adopted.name)
        .fetch_optional(connection)
        .await
        .map_err(MigrationError::failed("looking at an adopted table"))
}

async fn columns(
    connection: &mut PgConnection,
    adopted: Adopted,
) -> Result<Vec<Column>, MigrationError> {
    sqlx::query_as(include_str!("sql/shape_columns.sql"))
        .bind(adopted.name)
        .fetch_all(connection)
        .await
        .map_err(MigrationError::failed("looking at an adopted table"))
}

fn differences(adopted: Adopted, table: &Table, columns: &[Column]) -> Vec<ShapeDifference> {
    if table.kind != "ordinary table" {
        return vec![difference("table", "ordinary table", &table.kind)];
    }
    let mut found = Vec::new();
    for wanted in adopted.columns {
        let column = columns.iter().find(|column| column.name == wanted.name);
        match column {
            None if wanted.is_required => {
                found.push(difference(
                    wanted.name,
                    &wanted.describe(),
                    "no such column",
                ));
            }
            None => {}
            Some(column) if wanted.is_met_by(column) => {}
            Some(column) => {
                found.push(difference(
                    wanted.name,
                    &wanted.describe(),
                    &column.describe(),
                ));
            }
        }
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

impl Wanted {
    fn is_met_by(&self, column: &Column) -> bool {
        let is_of_kind = match self.kind {
            Kind::Exactly(kind) => column.kind == kind,
            Kind::AnyText => column.kind == "text" || column.kind.starts_with("character varying"),
        };
        let may_be_null = self
            .not_null
            .is_none_or(|refused| column.not_null == refused);
        is_of_kind && may_be_null && !column.is_generated
    }

    fn describe(&self) -> String {
        let kind = match self.kind {
            Kind::Exactly(kind) => kind,
            Kind::AnyText => "text",
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

fn difference(subject: &str, expected: &str, found: &str) -> ShapeDifference {
    ShapeDifference {
        subject: subject.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}
