//! What is checked by an experiment of its own rather than from the history.
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use challenges_catalog::pb::admin::v1::{
    ChallengeIds, InvalidateCacheRequest, invalidate_cache_request::Target,
};
use futures_util::future::join_all;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    catalog::{ABSENT, Digest, HOT_ROWS, LISTS, id_of},
    change::Change,
    history::{Asked, History, Outcome, Receipt, Version},
    readers::{Question, ask},
    servers::{Servers, Slot},
    timeline::{Key, digests_of},
    verdict::{MAX_STALENESS, Property, Violation},
    writers::write,
};

/// How long a replica whose answer was not the newest yet is left alone.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// P4: everything is healed and nobody writes. Gives when the last answer came that was not the
/// newest; nothing when each was.
pub async fn convergence(servers: &Servers, history: &History) -> Result<Duration, Violation> {
    let limit = Duration::from_micros(MAX_STALENESS) + Duration::from_secs(1);
    let healed = Instant::now();
    let wanted = digests_of(servers.cluster.rows().await);
    let replicas = servers.slots.iter();
    let replicas = replicas.map(|slot| converged(slot, history, &wanted, healed + limit));
    let (mut last, mut late) = (None, Vec::new());
    for converged in join_all(replicas).await {
        match converged {
            Ok(of_replica) => last = last.max(of_replica),
            Err(detail) => late.push(detail),
        }
    }
    if late.is_empty() {
        return Ok(last.map_or(Duration::ZERO, |last| last - healed));
    }
    Err(Violation {
        property: Property::Convergence,
        detail: format!("{limit:?} after all was healed: {}", late.join("; ")),
    })
}

/// Asks for one key after the other, each until the answer is the newest, and gives when the last
/// came that was not. It fails with the first such answer that was asked for after `limit`: how
/// long all the askings take is not the replica's doing.
async fn converged(
    slot: &Slot,
    history: &History,
    wanted: &HashMap<Key, Digest>,
    limit: Instant,
) -> Result<Option<Instant>, String> {
    let mut last = None;
    let keys = (0..LISTS.len()).map(Key::List);
    for key in keys.chain((1..=HOT_ROWS).map(Key::Row)) {
        let wanted = wanted.get(&key).copied().unwrap_or(ABSENT);
        loop {
            let is_due = Instant::now() > limit;
            let asked = match key {
                Key::List(index) => Asked::List(index),
                Key::Row(number) => Asked::Rows(vec![number]),
            };
            let ticket = String::new();
            let told = ask(slot, history, Question { asked, ticket }).await;
            let is_newest = match told.as_ref().map(|(outcome, _)| outcome) {
                Some(Outcome::Answer { shown, stale, .. }) => !stale && *shown == [wanted],
                Some(Outcome::NotFound) => wanted == ABSENT,
                Some(Outcome::Failed { .. }) | None => false,
            };
            if is_newest {
                break;
            }
            if is_due {
                return Err(format!("replica {} {key:?}: {told:?}", slot.index));
            }
            last = Some(Instant::now());
            sleep(ASK_AGAIN).await;
        }
    }
    Ok(last)
}

/// What the herd cost.
pub struct Herd {
    pub callers: usize,
    pub changes: i64,
    pub statements: i64,
}

/// P5: many callers of one list on all replicas, beside changes of it. Counts the list
/// statements that PostgreSQL ran for it.
pub async fn herd(servers: &Servers, history: &History) -> Herd {
    const CALLERS: usize = 40;
    const CHANGES: i64 = 20;
    // The ten first of the beginners, of whom row 3 is one.
    let question = || Question {
        asked: Asked::List(5),
        ticket: String::new(),
    };
    let reads = "%approach_challenges%LIMIT%";
    for slot in &servers.slots {
        ask(slot, history, question()).await;
    }
    let database = servers.cluster.database();
    let before = database.calls_of(reads).await;
    let over = CancellationToken::new();
    let caller = async |number: usize| {
        let slot = &servers.slots[number % servers.slots.len()];
        while !over.is_cancelled() {
            ask(slot, history, question()).await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    let change = async {
        for _ in 0..CHANGES {
            write(servers, history, Change::Retitle(3)).await.unwrap();
            sleep(Duration::from_millis(120)).await;
        }
        over.cancel();
    };
    tokio::join!(join_all((0..CALLERS).map(caller)), change);
    Herd {
        callers: CALLERS,
        changes: CHANGES,
        statements: database.calls_of(reads).await - before,
    }
}

impl Herd {
    /// One statement for each change, and a little for what was outrun on the way.
    pub fn violation(&self) -> Option<Violation> {
        let most = self.changes + self.changes / 5;
        (self.statements > most).then(|| Violation {
            property: Property::Herd,
            detail: format!(
                "{} statements for {} changes of one key, asked by {} callers",
                self.statements, self.changes, self.callers
            ),
        })
    }
}

/// P2: asks for receipts every `pace` until `stop`. False as soon as the server says that it gives none.
pub async fn receipts(
    servers: &Servers,
    history: &History,
    pace: Duration,
    stop: &CancellationToken,
) -> bool {
    let mut number: u32 = 0;
    while !stop.is_cancelled() {
        sleep(pace).await;
        number += 1;
        let slot = &servers.slots[number as usize % servers.slots.len()];
        let Some(mut admin) = slot.admin() else {
            continue;
        };
        let target = match number % 3 {
            0 => Target::All(true),
            1 => Target::Tag("difficulty:beginner".to_owned()),
            _ => Target::Challenges(ChallengeIds {
                ids: vec![id_of(number % HOT_ROWS + 1)],
            }),
        };
        let request = InvalidateCacheRequest {
            target: Some(target),
            ..Default::default()
        };
        let called = history.now();
        let answer = tokio::time::timeout(Duration::from_secs(10), admin.invalidate_cache(request));
        match answer.await {
            Ok(Ok(receipt)) => {
                let receipt = receipt.into_inner();
                let returned = history.now();
                history.receipt(Receipt {
                    version: Version::of(&receipt.version),
                    returned,
                    took: returned - called,
                    fenced: receipt.fenced.len(),
                    unproven: receipt.unproven.len(),
                });
            }
            Ok(Err(status)) if status.code() == Code::Unimplemented => return false,
            // Its replica or the database is away; without a receipt nothing is promised.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    true
}
