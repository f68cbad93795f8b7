//! Callers of the contract, who note what they were told.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{
    self as pb, AnswerSource, Freshness, challenges_catalog_client::ChallengesCatalogClient,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, transport::Channel};
use tonic_types::StatusExt;

use crate::{
    catalog::{ALL_ROWS, Digest, HOT_ROWS, LASTING_ROWS, LISTS, Row, id_of, page_digest},
    history::{Asked, History, Outcome, Read, Version},
    servers::{Servers, Slot},
};

/// Without a ticket: longer than any wait that the server allows itself.
const DEADLINE: Duration = Duration::from_secs(12);
/// With a ticket, which a replica without the database cannot honour.
const TICKET_DEADLINE: Duration = Duration::from_secs(2);
/// When a call is given up that has run past its deadline.
const GRACE: Duration = Duration::from_secs(15);

type Client = ChallengesCatalogClient<Channel>;

/// What a caller is about to ask.
pub struct Question {
    pub asked: Asked,
    /// The `min_version`; empty for none.
    pub ticket: String,
}

impl Question {
    /// Mostly small lists and single rows, some batches; a fifth with the newest version of the fleet.
    pub fn random(rng: &mut StdRng, history: &History) -> Self {
        let asked = match rng.random_range(0..100) {
            0..50 => Asked::List(rng.random_range(0..LISTS.len())),
            50..85 => Asked::Rows(vec![rng.random_range(1..=HOT_ROWS)]),
            _ => {
                let first = rng.random_range(1..LASTING_ROWS - 3);
                let cold = rng.random_range(HOT_ROWS + 1..=ALL_ROWS);
                Asked::Rows(vec![first, first + 1, first + 2, cold])
            }
        };
        let ticket = if rng.random_ratio(1, 5) {
            history.newest_version()
        } else {
            String::new()
        };
        Self { asked, ticket }
    }
}

/// Reads every `pace` until `stop`. One reader in four is a session: it passes its own last version on.
pub async fn reader(
    servers: &Servers,
    history: &History,
    seed: u64,
    pace: Duration,
    stop: &CancellationToken,
) {
    let mut rng = StdRng::seed_from_u64(seed);
    let is_session = seed.is_multiple_of(4);
    let mut version = String::new();
    let mut next = Instant::now() + pace.mul_f64(rng.random_range(0.0..1.0));
    while !stop.is_cancelled() {
        sleep_until(next).await;
        // One that was held up does not try to catch up.
        next = Instant::now().max(next + pace);
        let slot = &servers.slots[rng.random_range(0..servers.slots.len())];
        let mut question = Question::random(&mut rng, history);
        if is_session {
            question.ticket.clone_from(&version);
        }
        match ask(slot, history, question).await {
            // Its history has ended; it begins anew.
            Some((
                Outcome::Failed {
                    code: Code::InvalidArgument,
                    ..
                },
                _,
            )) => {
                version.clear();
            }
            Some((_, told)) if !told.is_empty() => version = told,
            Some(_) | None => {}
        }
    }
}

/// Asks one replica and notes what came back: that, and the version it told, if any. `None` while it is down.
pub async fn ask(slot: &Slot, history: &History, question: Question) -> Option<(Outcome, String)> {
    let (run, mut client) = slot.catalog()?;
    let Question { asked, ticket } = question;
    let called = history.now();
    let told = timeout(GRACE, call(&mut client, &asked, &ticket)).await;
    let returned = history.now();
    let told = told.unwrap_or_else(|_| Err(Status::unknown("the checker gave up")));
    let (outcome, version) = match told {
        Ok(told) => (outcome(&told, history), told.freshness.version),
        Err(status) => (failure(&status, &asked), String::new()),
    };
    history.saw_version(&version);
    history.read(Read {
        replica: slot.index,
        run,
        called,
        returned,
        asked,
        ticket: (!ticket.is_empty()).then(|| Version::of(&ticket)),
        outcome: outcome.clone(),
    });
    Some((outcome, version))
}

struct Told {
    shown: Vec<(Digest, String)>,
    freshness: Freshness,
}

async fn call(client: &mut Client, asked: &Asked, ticket: &str) -> Result<Told, Status> {
    let min_version = ticket.to_owned();
    let rows = match asked {
        Asked::List(index) => {
            let (difficulty, page_size) = LISTS[*index];
            let list = request(
                pb::ListChallengesRequest {
                    difficulty: difficulty.into(),
                    page_size,
                    min_version,
                    ..Default::default()
                },
                ticket,
            );
            let list = client
                .list_challenges(list)
                .await
                .map(Response::into_inner)?;
            return Ok(listed(list));
        }
        Asked::Rows(rows) => rows,
    };
    let shown = |challenge: &pb::Challenge| {
        let row = Row::of_answer(challenge);
        (row.digest(), format!("{row:?}"))
    };
    if let [row] = rows.as_slice() {
        let get = pb::GetChallengeRequest {
            id: id_of(*row),
            min_version,
            ..Default::default()
        };
        let answer = client
            .get_challenge(request(get, ticket))
            .await?
            .into_inner();
        return Ok(Told {
            shown: answer.challenge.iter().map(shown).collect(),
            freshness: answer.freshness.unwrap_or_default(),
        });
    }
    let batch = pb::BatchGetChallengesRequest {
        ids: rows.iter().copied().map(id_of).collect(),
        min_version,
        ..Default::default()
    };
    let answer = client
        .batch_get_challenges(request(batch, ticket))
        .await?
        .into_inner();
    Ok(Told {
        shown: answer.challenges.iter().map(shown).collect(),
        freshness: answer.freshness.unwrap_or_default(),
    })
}

fn listed(list: pb::ListChallengesResponse) -> Told {
    let rows: Vec<_> = list.challenges.iter().map(Row::of_answer).collect();
    let total = usize::try_from(list.total_count).unwrap_or(0);
    let first: Vec<_> = rows.iter().take(12).map(|row| row.title.as_str()).collect();
    Told {
        shown: vec![(
            page_digest(total, rows.iter()),
            format!("{total} in all, {first:?}…"),
        )],
        freshness: list.freshness.unwrap_or_default(),
    }
}

fn request<T>(message: T, ticket: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(if ticket.is_empty() {
        DEADLINE
    } else {
        TICKET_DEADLINE
    });
    request
}

fn outcome(told: &Told, history: &History) -> Outcome {
    for (digest, text) in &told.shown {
        history.describe(*digest, || text.clone());
    }
    let freshness = &told.freshness;
    let bound = freshness.staleness_bound.unwrap_or_default();
    let micros = bound.seconds * 1_000_000 + i64::from(bound.nanos.unsigned_abs().div_ceil(1_000));
    Outcome::Answer {
        shown: told.shown.iter().map(|(digest, _)| *digest).collect(),
        version: Version::of(&freshness.version),
        stale: freshness.stale,
        bound: micros.unsigned_abs(),
        near: freshness.source() == AnswerSource::NearCache,
    }
}

fn failure(status: &Status, asked: &Asked) -> Outcome {
    let is_one = matches!(asked, Asked::Rows(rows) if rows.len() == 1);
    if status.code() == Code::NotFound && is_one {
        return Outcome::NotFound;
    }
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    Outcome::Failed {
        code: status.code(),
        reason: format!("{}: {}", reason.unwrap_or_default(), status.message()),
    }
}
