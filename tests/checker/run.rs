//! One run: servers, workload, nemesis, judgement.
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::RwLock, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    change::Change,
    cluster::Branch,
    edge::{EdgePlan, edge_reader},
    history::{History, Receipt},
    judge::Judge,
    nemesis::{Harm, nemesis},
    phases::{Herd, convergence, herd, receipts},
    publisher::Publisher,
    readers::reader,
    servers::Servers,
    verdict::{Property, Verdict, Violation},
    writers::{Habits, write, writer},
};

const READERS: u64 = 48;
/// Callers through the edge, where there is one.
const EDGE_READERS: u64 = 24;
const READ_PACE: Duration = Duration::from_millis(12);
const SMALL_WRITERS: u64 = 5;
const SMALL_WRITE_PACE: Duration = Duration::from_millis(200);
const LARGE_WRITE_PACE: Duration = Duration::from_millis(2_500);
const PUBLISHER_PACE: Duration = Duration::from_millis(400);
const RECEIPT_PACE: Duration = Duration::from_millis(500);

/// What to do.
#[derive(Clone)]
pub struct Plan {
    pub seed: u64,
    pub length: Duration,
    /// Two lanes: what is in one runs beside what is in the other.
    pub harms: [&'static [Harm]; 2],
    /// A deliberate fault of the replicas.
    pub fault: Option<&'static str>,
    /// A deliberate fault of the database: statements that make it.
    pub sql_fault: Option<&'static str>,
    pub edge: Option<EdgePlan>,
    /// Judge every few seconds and end with the first violation.
    pub until_caught: bool,
}

pub struct World {
    pub servers: Servers,
    publisher: Publisher,
    pub history: History,
    /// Writers and nemesis hold it while they work, so that who takes it alone has peace.
    held: RwLock<()>,
    stop: CancellationToken,
}

/// What came of a run.
pub struct Findings {
    pub verdict: Verdict,
    pub herd: Herd,
    pub convergences: Vec<Duration>,
    /// None when the server gives no receipts yet.
    pub receipts: Option<Vec<Receipt>>,
    pub commits: usize,
    /// Commits that the last server does not have.
    pub lost: usize,
    /// How often another server was in use than before.
    pub changes: usize,
    pub reads: usize,
    /// How many answers through the edge had which age, in seconds.
    pub edge_ages: BTreeMap<u64, usize>,
    pub took: Duration,
}

pub async fn run(plan: &Plan) -> Findings {
    let world = start(plan).await;
    let herd = herd(&world.servers, &world.history).await;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    spawn_workload(&mut tasks, &world, plan);
    let receipts = {
        let world = Arc::clone(&world);
        let mut set = JoinSet::new();
        set.spawn(async move {
            receipts(&world.servers, &world.history, RECEIPT_PACE, &world.stop).await
        });
        set
    };
    let mut peace = Vec::new();
    if plan.until_caught {
        until_caught(&world, &herd, began, plan.length).await;
    } else {
        let halves = (plan.length.as_secs() / 60).max(1) * 2;
        for _ in 0..halves {
            sleep(plan.length / u32::try_from(halves).unwrap()).await;
            let _peace = world.held.write().await;
            world.publisher.catch_up(&world.servers.cluster).await;
            peace.push(convergence(&world.servers, &world.history).await);
        }
    }
    world.stop.cancel();
    let gives_receipts = receipts.join_all().await.into_iter().all(|gives| gives);
    tasks.join_all().await;
    let took = began.elapsed();
    let mut findings = judge(&world, herd).await;
    findings.took = took;
    if let Some(EdgePlan { profile, .. }) = plan.edge {
        let ages = findings.edge_ages.iter();
        let too_old = ages.filter(|(age, _)| **age > profile.max_age());
        let violations = too_old.map(|(age, count)| Violation {
            property: Property::BoundedStaleness,
            detail: format!("{count} answers through the edge were {age} s old"),
        });
        findings.verdict.violations.extend(violations);
    }
    findings.receipts = findings.receipts.filter(|_| gives_receipts);
    for peace in peace {
        match peace {
            Ok(took) => findings.convergences.push(took),
            Err(violation) => findings.verdict.violations.push(violation),
        }
    }
    findings
}

async fn start(plan: &Plan) -> Arc<World> {
    let servers = Servers::start(plan.fault, plan.seed.is_multiple_of(2), plan.edge).await;
    let history = History::new();
    if let Some(fault) = plan.sql_fault {
        servers.cluster.database().execute(fault).await;
    }
    write(&servers, &history, Change::Replace).await.unwrap();
    let publisher = Publisher::start(&servers).await;
    servers.add_standby().await;
    servers.start_replicas().await;
    Arc::new(World {
        servers,
        publisher,
        history,
        held: RwLock::default(),
        stop: CancellationToken::new(),
    })
}

fn spawn_workload(tasks: &mut JoinSet<()>, world: &Arc<World>, plan: &Plan) {
    let long = plan.length >= Duration::from_mins(2);
    for number in 0..READERS {
        let (world, seed) = (Arc::clone(world), plan.seed * 1_000 + number);
        tasks.spawn(async move {
            reader(&world.servers, &world.history, seed, READ_PACE, &world.stop).await;
        });
    }
    spawn_edge_readers(tasks, world, plan);
    for number in 0..=SMALL_WRITERS {
        let (world, seed) = (Arc::clone(world), plan.seed * 1_000 + 500 + number);
        let is_large = number == SMALL_WRITERS;
        let pace = if is_large {
            LARGE_WRITE_PACE
        } else {
            SMALL_WRITE_PACE
        };
        tasks.spawn(async move {
            let World {
                servers,
                history,
                held,
                stop,
                ..
            } = &*world;
            let habits = Habits {
                seed,
                is_large,
                pace,
            };
            writer(servers, history, habits, held, stop).await;
        });
    }
    {
        let (world, seed) = (Arc::clone(world), plan.seed * 1_000 + 600);
        tasks.spawn(async move {
            let World {
                servers,
                publisher,
                history,
                held,
                stop,
            } = &*world;
            let habits = (seed, PUBLISHER_PACE);
            publisher.write(servers, history, habits, held, stop).await;
        });
    }
    for (lane, harms) in (900..).zip(plan.harms) {
        let (world, seed) = (Arc::clone(world), plan.seed * 1_000 + lane);
        tasks.spawn(async move {
            let World {
                servers,
                history,
                held,
                stop,
                ..
            } = &*world;
            nemesis(servers, history, (harms, seed, long), held, stop).await;
        });
    }
}

fn spawn_edge_readers(tasks: &mut JoinSet<()>, world: &Arc<World>, plan: &Plan) {
    for number in 0..EDGE_READERS {
        let (world, seed) = (Arc::clone(world), plan.seed * 1_000 + 300 + number);
        tasks.spawn(async move {
            edge_reader(&world.servers, &world.history, seed, READ_PACE, &world.stop).await;
        });
    }
}

async fn until_caught(world: &Arc<World>, herd: &Herd, began: Instant, length: Duration) {
    if herd.violation().is_some() {
        return;
    }
    while began.elapsed() < length {
        sleep(Duration::from_secs(3)).await;
        let _peace = world.held.write().await;
        if !verdict(world).await.violations.is_empty() {
            return;
        }
    }
}

async fn judge(world: &World, herd: Herd) -> Findings {
    let log = world.history.so_far();
    let branches = world.servers.cluster.branches().await;
    let tokens: HashSet<i64> = branches.iter().flat_map(Branch::tokens).collect();
    let current = &branches[world.servers.cluster.primary().branch];
    let mut verdict = Judge::new(&world.history, &log, &branches).judge();
    let herd_violation: Option<Violation> = herd.violation();
    verdict.violations.extend(herd_violation);
    Findings {
        verdict,
        herd,
        convergences: Vec::new(),
        receipts: Some(log.receipts),
        commits: tokens.len(),
        lost: tokens.len() - current.commits.len(),
        changes: log.terms.len() - 1,
        reads: world.history.read_count(),
        edge_ages: world.history.edge_ages(),
        took: Duration::ZERO,
    }
}

async fn verdict(world: &World) -> Verdict {
    let log = world.history.so_far();
    let branches = world.servers.cluster.branches().await;
    Judge::new(&world.history, &log, &branches).judge()
}
