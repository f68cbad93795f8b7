use sqlx::PgConnection;

use crate::repository::{MigrationError, Report, control_row, fault::is_away};

/// Names the rows of flags and settings that do not do what their writer may think, where this role
/// may read them.
pub(super) async fn look(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let doing = || MigrationError::failed("looking at flags");
    let may_read: Option<bool> = sqlx::query_scalar(
        "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
        FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'challenges_catalog' AND p.proname = 'controls' AND p.pronargs = 1",
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(doing())?;
    if may_read != Some(true) {
        return Ok(());
    }
    let rows = sqlx::query_as(include_str!("../sql/controls.sql"))
        .bind(control_row::names())
        .fetch_all(connection)
        .await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) if is_away(&error) => return Err(doing()(error)),
        Err(error) => {
            report.error("flags", format!("reading them fails: {error}"));
            return Ok(());
        }
    };
    match control_row::controls(rows) {
        Ok(found) => control_row::judge(report, found),
        Err(error) => report.error("flags", error.to_string()),
    }
    Ok(())
}
