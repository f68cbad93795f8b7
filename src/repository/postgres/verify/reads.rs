use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::ListQuery,
    repository::{
        MigrationError, Report,
        challenge_row::{self, PageRow, StampedRow},
        fault::{code_of, is_away},
        odd_rows::{OddRow, Oddity},
        postgres::challenges::{find_many, list},
        range::Range,
        report::RowsDone,
        rows_check::{CHECK_PAGE, RowsLeftOut},
    },
};

/// Reads every challenge as the service does, by its own statements, and names those that it leaves out.
pub(super) async fn look(
    report: &mut Report,
    connection: &mut PgConnection,
    done: &mut RowsDone<'_>,
) -> Result<(), MigrationError> {
    let mut left_out = RowsLeftOut::default();
    let mut after: Option<Uuid> = None;
    loop {
        let ids: Vec<Uuid> = sqlx::query_scalar(include_str!("../sql/verify_ids.sql"))
            .persistent(false)
            .bind(after)
            .bind(CHECK_PAGE)
            .fetch_all(&mut *connection)
            .await
            .map_err(MigrationError::failed("looking at ids"))?;
        done.add(ids.len());
        after = ids.last().copied();
        if after.is_none() {
            break;
        }
        match read(connection, ids.clone()).await? {
            Ok(odd) => left_out.note(odd),
            Err(problem) if problem.is_of_a_row => {
                for id in ids {
                    left_out.note(read_one(connection, id).await?);
                }
            }
            Err(problem) => {
                let text = format!("reading them by id fails: {}", problem.text);
                report.error("rows", text);
                return Ok(());
            }
        }
    }
    left_out.tell(report);
    lists(report, connection).await
}

/// Why a statement of the service failed.
struct Problem {
    text: String,
    /// Whether the values of one row may be the cause.
    is_of_a_row: bool,
}

impl Problem {
    fn of(error: sqlx::Error) -> Result<Self, MigrationError> {
        if is_away(&error) {
            return Err(MigrationError::Unreachable(error.into()));
        }
        // Class 22: data that an expression cannot take. Without a code it is the driver that cannot.
        let is_of_a_row = code_of(&error).is_none_or(|code| code.starts_with("22"));
        Ok(Self {
            text: error.to_string(),
            is_of_a_row,
        })
    }
}

async fn read(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
) -> Result<Result<Vec<OddRow>, Problem>, MigrationError> {
    let rows: Vec<StampedRow> = match find_many(ids).fetch_all(connection).await {
        Ok(rows) => rows,
        Err(error) => return Problem::of(error).map(Err),
    };
    let found = challenge_row::read(rows);
    Ok(found.map(|found| found.value.odd).map_err(|error| Problem {
        text: error.to_string(),
        is_of_a_row: false,
    }))
}

async fn read_one(connection: &mut PgConnection, id: Uuid) -> Result<Vec<OddRow>, MigrationError> {
    Ok(match read(connection, vec![id]).await? {
        Ok(odd) => odd,
        Err(problem) => vec![OddRow {
            id: id.to_string(),
            oddity: Oddity::Unreadable(problem.text),
        }],
    })
}

/// The lists that nearly all callers ask for; what is in them was looked at by id.
async fn lists(report: &mut Report, connection: &mut PgConnection) -> Result<(), MigrationError> {
    for query in ListQuery::common() {
        if let Err(error) = list::<PageRow>(&Range::from(&query), None)
            .fetch_all(&mut *connection)
            .await
        {
            let Problem { text, .. } = Problem::of(error)?;
            let which = query.difficulty.map_or("all", |only| only.as_str());
            report.error(
                "rows",
                format!("the list of {which} challenges fails: {text}"),
            );
        }
    }
    Ok(())
}
