//! What an editor may rely on, whatever the engine: facts of the contract list.
use std::time::Duration;

use challenges_catalog::domain::{
    ChallengeChange, ChallengeId, EditRefusal, EditStep, EditTerms, Edited, Error, IdempotencyKey,
    ImportEnd, ImportMode, ImportRow, Imported, Operation, Revision, RevisionQuery, RowConflict,
    RowOutcome, UnixMicros,
};

use super::fixture::{Catalog, challenge, id, id_text, tag};

fn terms() -> EditTerms {
    EditTerms {
        editor: "name ann".to_owned(),
        idempotency_key: None,
        validate_only: false,
        patience: Duration::from_secs(5),
    }
}

fn once(name: &str, payload: u8) -> EditTerms {
    EditTerms {
        idempotency_key: Some(IdempotencyKey {
            id: name.parse().unwrap(),
            payload: [payload; 32],
        }),
        ..terms()
    }
}

fn inserting(number: u32) -> EditStep {
    EditStep::Insert {
        new: challenge(number, "beginner", 10, "one"),
        created_at: None,
    }
}

fn retitling(title: &str) -> EditStep {
    EditStep::Update(ChallengeChange {
        title: Some(title.to_owned()),
        ..ChallengeChange::default()
    })
}

async fn edit(catalog: &Catalog, number: u32, step: EditStep) -> Result<Edited, Error> {
    let decide = |_: Option<&_>| Ok(step.clone());
    catalog.store.edit(id(number), &terms(), &decide).await
}

async fn revisions(catalog: &Catalog, challenge: Option<ChallengeId>) -> Vec<Revision> {
    let query = RevisionQuery {
        challenge,
        before: None,
        limit: 100,
    };
    catalog.store.revisions(query).await.unwrap()
}

fn operations(revisions: &[Revision]) -> Vec<Operation> {
    revisions
        .iter()
        .map(|revision| revision.operation)
        .collect()
}

pub async fn an_edit_sees_what_it_changes_and_gives_what_it_made(catalog: Catalog) {
    let made = edit(&catalog, 1, inserting(1)).await.unwrap();
    assert_eq!(made.challenge.as_ref().unwrap().title, "one");
    let seen = std::sync::Mutex::new(None);
    let decide = |found: Option<&_>| {
        *seen.lock().unwrap() = found.cloned();
        Ok(retitling("two"))
    };
    let edited = catalog.store.edit(id(1), &terms(), &decide).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), made.challenge);
    assert_eq!(edited.challenge.unwrap().title, "two");
    let head = catalog.store.find_many(&[id(1)]).await.unwrap();
    assert_eq!(edited.version.unwrap().stamp, head.version.stamp);
    assert!(edited.version.unwrap().stamp > made.version.unwrap().stamp);
    let gone = edit(&catalog, 1, EditStep::Delete).await.unwrap();
    assert_eq!(gone.challenge, None);
}

pub async fn an_edit_is_a_change_that_the_feed_tells(catalog: Catalog) {
    let adding = async { _ = edit(&catalog, 1, inserting(1)).await.unwrap() };
    assert_eq!(
        catalog.tags_of(adding).await,
        [tag(1), "difficulty:beginner".to_owned()]
    );
    let keeping = async { _ = edit(&catalog, 1, EditStep::Keep).await.unwrap() };
    assert!(catalog.tags_of(keeping).await.is_empty());
}

pub async fn an_edit_that_is_refused_or_only_tried_leaves_nothing(catalog: Catalog) {
    let no = |_: Option<&_>| Err(Error::DeadlineExceeded);
    let refused = catalog.store.edit(id(1), &once("a", 1), &no).await;
    assert!(matches!(refused, Err(Error::DeadlineExceeded)));
    let trying = EditTerms {
        validate_only: true,
        ..once("a", 2)
    };
    let adding = |_: Option<&_>| Ok(inserting(1));
    let tried = catalog.store.edit(id(1), &trying, &adding).await.unwrap();
    assert_eq!(
        (tried.challenge.unwrap().title.as_str(), tried.version),
        ("one", None)
    );
    assert!(revisions(&catalog, None).await.is_empty());
    // Nor is the name taken that they had.
    catalog
        .store
        .edit(id(1), &once("a", 3), &adding)
        .await
        .unwrap();
}

pub async fn a_repeated_edit_is_carried_out_once(catalog: Catalog) {
    let adding = |_: Option<&_>| Ok(inserting(1));
    let first = catalog
        .store
        .edit(id(1), &once("a", 1), &adding)
        .await
        .unwrap();
    // As a create without an id: the second call made up another one.
    let again = catalog
        .store
        .edit(id(2), &once("a", 1), &adding)
        .await
        .unwrap();
    assert_eq!(again, first);
    let other = catalog.store.edit(id(1), &once("a", 2), &adding).await;
    let reused = matches!(other, Err(Error::Refused(EditRefusal::RequestIdReused)));
    assert!(reused, "{other:?}");
    assert_eq!(revisions(&catalog, None).await.len(), 1);
}

pub async fn a_request_is_forgotten_after_a_day(catalog: Catalog) {
    let adding = |_: Option<&_>| Ok(inserting(1));
    catalog
        .store
        .edit(id(1), &once("a", 1), &adding)
        .await
        .unwrap();
    catalog.store.prune().await.unwrap();
    assert_eq!(catalog.count_of("edit_requests").await, 1);
    catalog.age_requests().await;
    catalog.store.prune().await.unwrap();
    assert_eq!(catalog.count_of("edit_requests").await, 0);
    assert_eq!(
        revisions(&catalog, None).await.len(),
        1,
        "the history stays"
    );
}

pub async fn a_revision_shows_the_state_and_who_made_it(catalog: Catalog) {
    let made = edit(&catalog, 1, inserting(1)).await.unwrap();
    let sql = format!(
        "UPDATE approach_challenges SET points = 11 WHERE id = '{}'",
        id_text(1)
    );
    catalog.execute(&sql).await;
    edit(&catalog, 1, EditStep::Delete).await.unwrap();
    let found = revisions(&catalog, Some(id(1))).await;
    let expected = [Operation::Deleted, Operation::Updated, Operation::Created];
    assert_eq!(operations(&found), expected);
    let [deleted, updated, created] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(created.editor.as_deref(), Some("name ann"));
    assert_eq!(Some(created.version), made.version);
    assert_eq!(created.created_at, made.challenge.unwrap().created_at);
    assert_eq!((created.title.as_str(), created.points), ("one", 10));
    assert_eq!(created.tips.as_deref(), Some("a tip"));
    assert_eq!((updated.editor.as_deref(), updated.points), (None, 11));
    assert_eq!(
        (deleted.points, deleted.difficulty.as_str()),
        (11, "beginner")
    );
    let number = updated.number;
    assert_eq!(
        catalog
            .store
            .revision(id(1), number)
            .await
            .unwrap()
            .as_ref(),
        Some(updated)
    );
    for (of, number) in [(2, number), (1, number + 1_000), (1, i64::MAX)] {
        assert_eq!(catalog.store.revision(id(of), number).await.unwrap(), None);
    }
}

pub async fn a_row_that_is_written_as_it_was_is_no_revision(catalog: Catalog) {
    edit(&catalog, 1, inserting(1)).await.unwrap();
    catalog
        .execute("UPDATE approach_challenges SET points = points")
        .await;
    assert_eq!(revisions(&catalog, None).await.len(), 1);
}

pub async fn what_comes_back_has_the_time_that_it_was_first_added(catalog: Catalog) {
    let long_ago = UnixMicros(1_000_000);
    let back = EditStep::Insert {
        new: challenge(1, "beginner", 10, "one"),
        created_at: Some(long_ago),
    };
    let back = edit(&catalog, 1, back).await.unwrap();
    assert_eq!(back.challenge.unwrap().created_at, Some(long_ago));
}

async fn import(
    catalog: &Catalog,
    rows: Vec<ImportRow>,
    terms: &EditTerms,
    mode: ImportMode,
) -> Result<ImportEnd, Error> {
    let mut importing = catalog.store.import(Duration::from_secs(5)).await.unwrap();
    for row in rows {
        importing.add(vec![row]).await.unwrap();
    }
    importing.finish(terms, mode, 10).await
}

fn row(line: i64, number: u32, points: i64) -> ImportRow {
    ImportRow {
        line,
        challenge: challenge(number, "beginner", points, "imported"),
    }
}

fn done(end: Result<ImportEnd, Error>) -> Imported {
    match end {
        Ok(ImportEnd::Done(imported)) => imported,
        other => panic!("{other:?}"),
    }
}

pub async fn an_import_is_one_commit_with_an_outcome_for_each_row(catalog: Catalog) {
    let rows = vec![row(1, 1, 10), row(2, 2, 10)];
    let first = done(import(&catalog, rows, &terms(), ImportMode::Create).await);
    assert_eq!(first.outcomes, [RowOutcome::Created; 2]);
    let rows = vec![row(1, 2, 10), row(2, 1, 20), row(3, 3, 10)];
    let second = done(import(&catalog, rows, &terms(), ImportMode::Upsert).await);
    let expected = [
        RowOutcome::Unchanged,
        RowOutcome::Updated,
        RowOutcome::Created,
    ];
    assert_eq!(second.outcomes, expected);
    let found = revisions(&catalog, None).await;
    assert_eq!(found.len(), 4);
    let before = first.version.unwrap().stamp;
    let of_second = found.iter().filter(|it| it.version.stamp > before);
    assert_eq!(of_second.count(), 2, "the row that is as it was is none");
    assert!(
        found
            .iter()
            .all(|it| it.editor.as_deref() == Some("name ann"))
    );
}

pub async fn an_import_with_conflicts_writes_nothing_and_names_them(catalog: Catalog) {
    edit(&catalog, 1, inserting(1)).await.unwrap();
    let rows = || vec![row(5, 2, 10), row(6, 1, 10), row(7, 2, 11)];
    let refused = import(&catalog, rows(), &terms(), ImportMode::Create)
        .await
        .unwrap();
    let repeats = RowConflict::Repeats { line: 7, first: 5 };
    let conflicts = vec![RowConflict::Exists { line: 6 }, repeats];
    assert_eq!(refused, ImportEnd::Conflicts(conflicts));
    let refused = import(&catalog, rows(), &terms(), ImportMode::Upsert)
        .await
        .unwrap();
    assert_eq!(refused, ImportEnd::Conflicts(vec![repeats]));
    assert_eq!(revisions(&catalog, None).await.len(), 1);
}

pub async fn an_import_that_is_dropped_or_only_tried_leaves_nothing(catalog: Catalog) {
    let mut dropped = catalog.store.import(Duration::from_secs(5)).await.unwrap();
    dropped.add(vec![row(1, 1, 10)]).await.unwrap();
    drop(dropped);
    let trying = EditTerms {
        validate_only: true,
        ..terms()
    };
    let tried = done(import(&catalog, vec![row(1, 1, 10)], &trying, ImportMode::Create).await);
    assert_eq!((tried.tally.created, tried.version), (1, None));
    assert!(revisions(&catalog, None).await.is_empty());
}

pub async fn a_repeated_import_is_told_what_came_of_the_first(catalog: Catalog) {
    let rows = || vec![row(1, 1, 10), row(2, 2, 10)];
    let first = done(import(&catalog, rows(), &once("a", 1), ImportMode::Create).await);
    let again = done(import(&catalog, rows(), &once("a", 1), ImportMode::Create).await);
    assert_eq!((again.tally, again.version), (first.tally, first.version));
    assert!(again.outcomes.is_empty());
}

pub async fn an_export_is_all_of_one_moment_in_the_order_of_ids(catalog: Catalog) {
    let rows = (1..=1_001).map(|number| row(0, number, 10)).collect();
    let imported = done(import(&catalog, rows, &terms(), ImportMode::Create).await);
    let mut export = catalog.store.export(Duration::from_secs(5)).await.unwrap();
    assert_eq!(Some(export.version()), imported.version);
    let mut ids: Vec<_> = export
        .next()
        .await
        .unwrap()
        .iter()
        .map(|it| it.id)
        .collect();
    edit(&catalog, 1_001, EditStep::Delete).await.unwrap();
    loop {
        let page = export.next().await.unwrap();
        if page.is_empty() {
            break;
        }
        ids.extend(page.iter().map(|it| it.id));
    }
    assert_eq!(ids, (1..=1_001).map(id).collect::<Vec<_>>());
    assert!(export.next().await.unwrap().is_empty());
}
