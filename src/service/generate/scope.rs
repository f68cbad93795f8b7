//! Finds the challenges of a run.
use std::collections::HashMap;

use super::Scope;
use crate::domain::{
    ChallengeId, ChallengeRepository, Difficulty, Error, FieldViolation, ListQuery, PageSize,
    TipSubject,
};

/// The most challenges that one run takes on.
const MOST: u64 = 10_000;

/// What the tips of the challenges are about, as the database has it now.
pub(super) async fn subjects(
    repository: &dyn ChallengeRepository,
    scope: &Scope,
) -> Result<Vec<TipSubject>, Error> {
    match scope {
        Scope::Challenges(ids) => named(repository, ids).await,
        Scope::Difficulty(difficulty) => listed(repository, Some(*difficulty)).await,
        Scope::All => listed(repository, None).await,
    }
}

async fn named(
    repository: &dyn ChallengeRepository,
    ids: &[ChallengeId],
) -> Result<Vec<TipSubject>, Error> {
    let found = repository.find_many(ids).await?.value;
    let subjects = found.iter().map(TipSubject::from);
    let mut by_id: HashMap<_, _> = subjects
        .map(|subject| (subject.challenge, subject))
        .collect();
    let absent: Vec<_> = ids.iter().filter(|id| !by_id.contains_key(id)).collect();
    if !absent.is_empty() {
        return Err(Error::NotFound {
            kind: "challenge",
            ids: absent.into_iter().map(ToString::to_string).collect(),
        });
    }
    Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
}

async fn listed(
    repository: &dyn ChallengeRepository,
    difficulty: Option<Difficulty>,
) -> Result<Vec<TipSubject>, Error> {
    let mut query = ListQuery::first(difficulty, PageSize::MAX);
    let mut subjects = Vec::new();
    loop {
        let page = repository.list(&query).await?.value;
        if page.total_count > MOST {
            let problem = format!(
                "has {} challenges, and {MOST} are the most",
                page.total_count
            );
            let field = difficulty.map_or("all", |_| "difficulty");
            return Err(Error::Invalid(vec![FieldViolation::new(field, problem)]));
        }
        subjects.extend(page.challenges.iter().map(TipSubject::from));
        query.after = page.next();
        if query.after.is_none() {
            return Ok(subjects);
        }
    }
}
