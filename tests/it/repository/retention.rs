//! What pruning takes out of the history, and what it leaves: facts of the contract list.
use std::time::Duration;

use challenges_catalog::domain::{Operation, PruneStep, PrunedStep, RevisionQuery};

use super::fixture::{Catalog, challenge, id_text};

/// Everything that is older than a day, all at once.
const OLD: PruneStep = PruneStep {
    older_than: Duration::from_hours(24),
    after: 0,
    most: 100,
    is_trial: false,
};

/// Old: three challenges, of which the first was changed and the third deleted. Young: the second was changed.
async fn edited(catalog: &Catalog) {
    let rows = [1, 2, 3].map(|number| challenge(number, "beginner", 10, "one"));
    catalog.store.insert_missing(&rows).await.unwrap();
    retitle(catalog, 1, "two").await;
    let delete = format!(
        "DELETE FROM approach_challenges WHERE id = '{}'",
        id_text(3)
    );
    catalog.execute(&delete).await;
    catalog.age_history().await;
    retitle(catalog, 2, "young").await;
    catalog.keep_revisions().await;
}

async fn retitle(catalog: &Catalog, number: u32, title: &str) {
    let update = format!(
        "UPDATE approach_challenges SET title = '{title}' WHERE id = '{}'",
        id_text(number)
    );
    catalog.execute(&update).await;
}

/// The history, the oldest first: what was done, and the title after it.
async fn history(catalog: &Catalog) -> Vec<(Operation, String)> {
    let all = RevisionQuery {
        challenge: None,
        before: None,
        limit: 100,
    };
    let mut found = catalog.store.revisions(all).await.unwrap();
    found.reverse();
    let states = found.into_iter();
    states.map(|one| (one.operation, one.title)).collect()
}

fn updated(title: &str) -> (Operation, String) {
    (Operation::Updated, title.to_owned())
}

pub async fn old_revisions_go_but_the_newest_of_a_challenge_that_is_there(catalog: Catalog) {
    edited(&catalog).await;
    assert_eq!(history(&catalog).await.len(), 6);
    let done = catalog.store.prune_history(OLD).await.unwrap();
    let all = PrunedStep {
        removed: 4,
        next: None,
    };
    assert_eq!(done, all);
    assert_eq!(history(&catalog).await, [updated("two"), updated("young")]);
    let again = catalog.store.prune_history(OLD).await.unwrap();
    assert_eq!(again.removed, 0);
}

pub async fn a_trial_counts_and_removes_nothing(catalog: Catalog) {
    edited(&catalog).await;
    let trial = PruneStep {
        is_trial: true,
        ..OLD
    };
    for _ in 0..2 {
        let done = catalog.store.prune_history(trial).await.unwrap();
        assert_eq!(done.removed, 4);
    }
    assert_eq!(history(&catalog).await.len(), 6);
}

pub async fn a_step_looks_at_so_many_and_tells_where_the_next_one_goes_on(catalog: Catalog) {
    edited(&catalog).await;
    let (mut after, mut removed) = (Some(0), Vec::new());
    while let Some(number) = after {
        let step = PruneStep {
            after: number,
            most: 2,
            ..OLD
        };
        let done = catalog.store.prune_history(step).await.unwrap();
        removed.push(done.removed);
        after = done.next;
    }
    // Two that were added; the third and the change of the first; its deletion and the young change; the end.
    assert_eq!(removed, [2, 1, 1, 0]);
    assert_eq!(history(&catalog).await, [updated("two"), updated("young")]);
}

pub async fn what_was_pruned_leaves_the_rest_guarded_and_the_history_goes_on(catalog: Catalog) {
    edited(&catalog).await;
    catalog.store.prune_history(OLD).await.unwrap();
    let delete = format!("DELETE FROM {}", catalog.table("challenge_revisions"));
    let refused = catalog.try_execute(&delete).await.unwrap_err();
    assert!(refused.contains("append-only"), "{refused}");
    retitle(&catalog, 1, "three").await;
    assert_eq!(
        history(&catalog).await,
        [updated("two"), updated("young"), updated("three")]
    );
}
