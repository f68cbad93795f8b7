use sqlx::PgConnection;

use crate::repository::{
    MigrationError, Report,
    report::RowsDone,
    rows_check::{BrokenRows, CHECK_PAGE, count},
};

/// Counts rows and names broken ones, page by page, where this role may read them; `None` where it may not.
pub(super) async fn look<'a>(
    report: &mut Report,
    connection: &mut PgConnection,
    tell: &'a (dyn Fn(u64, u64) + Sync),
) -> Result<Option<RowsDone<'a>>, MigrationError> {
    let doing = || MigrationError::failed("looking at rows");
    let may_read: bool =
        sqlx::query_scalar("SELECT has_table_privilege('public.approach_challenges', 'SELECT')")
            .fetch_one(&mut *connection)
            .await
            .map_err(doing())?;
    if !may_read {
        return Ok(None);
    }
    let tallies = sqlx::query_as(include_str!("../sql/verify_counts.sql"))
        .fetch_all(&mut *connection)
        .await
        .map_err(doing())?;
    let mut done = RowsDone::new(tell, count(report, &tallies));
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
        done.add(page.len());
        after = broken.look(&page).map(|id| id.lossy());
        if after.is_none() {
            break;
        }
    }
    broken.tell(report);
    Ok(Some(done))
}
