use sqlx::PgConnection;

use crate::repository::{
    MigrationError, Report,
    rows_check::{broken, count},
};

/// Counts rows and names broken ones, where this role may read them.
pub(super) async fn look(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<(), MigrationError> {
    let doing = || MigrationError::failed("looking at rows");
    let may_read: bool =
        sqlx::query_scalar("SELECT has_table_privilege('public.approach_challenges', 'SELECT')")
            .fetch_one(&mut *connection)
            .await
            .map_err(doing())?;
    if !may_read {
        return Ok(());
    }
    let tallies = sqlx::query_as(include_str!("../sql/verify_counts.sql"))
        .fetch_all(&mut *connection)
        .await
        .map_err(doing())?;
    count(report, &tallies);
    let rows = sqlx::query_as(include_str!("../sql/verify_broken.sql"))
        .fetch_all(connection)
        .await
        .map_err(doing())?;
    broken(report, &rows);
    Ok(())
}
