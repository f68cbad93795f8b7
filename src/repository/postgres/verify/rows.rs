use sqlx::PgConnection;

use crate::repository::{
    MigrationError, Report,
    rows_check::{BrokenRows, CHECK_PAGE, count},
};

/// Counts rows and names broken ones, page by page, where this role may read them; tells whether it may.
pub(super) async fn look(
    report: &mut Report,
    connection: &mut PgConnection,
) -> Result<bool, MigrationError> {
    let doing = || MigrationError::failed("looking at rows");
    let may_read: bool =
        sqlx::query_scalar("SELECT has_table_privilege('public.approach_challenges', 'SELECT')")
            .fetch_one(&mut *connection)
            .await
            .map_err(doing())?;
    if !may_read {
        return Ok(false);
    }
    let tallies = sqlx::query_as(include_str!("../sql/verify_counts.sql"))
        .fetch_all(&mut *connection)
        .await
        .map_err(doing())?;
    count(report, &tallies);
    let mut broken = BrokenRows::default();
    let mut after: Option<String> = None;
    loop {
        // Not kept by the server: each is planned for where its page begins.
        let page: Vec<_> = sqlx::query_as(include_str!("../sql/verify_rows.sql"))
            .persistent(false)
            .bind(after)
            .bind(CHECK_PAGE)
            .fetch_all(&mut *connection)
            .await
            .map_err(doing())?;
        after = broken.look(&page).map(|id| id.lossy());
        if after.is_none() {
            break;
        }
    }
    broken.tell(report);
    Ok(true)
}
