//! Another server, whose rows an apply worker of logical replication writes into the table.
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::PgConnection;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{ALL_ROWS, HOT_ROWS},
    change::{Change, insert_all},
    cluster::Cluster,
    history::{Effect, History},
    servers::Servers,
    support::postgres::{self, Database, Postgres},
    writers::{mark, run},
};

/// The publisher lets go of a subscriber that is silent for so long, such as a primary that is frozen.
const SETTINGS: [&str; 2] = ["wal_level=logical", "wal_sender_timeout=2s"];
const NAME: &str = "published";
/// For so long nobody else commits, so that the place of the apply worker's commit among others is known.
const TURN: Duration = Duration::from_millis(300);
/// A subscription that is not well by then never will be.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// So much of a log is told.
const LAST: usize = 4_000;

pub struct Publisher {
    database: Database,
    // Behind the database, which is dropped first.
    _server: Postgres,
}

impl Publisher {
    /// Has the primary subscribe; it keeps what it has.
    pub async fn start(servers: &Servers) -> Self {
        let server = postgres::own_server_with(&SETTINGS);
        let database = server.fresh().await;
        let table = "CREATE TABLE public.approach_challenges (
            id uuid PRIMARY KEY, difficulty varchar(50), points integer, title varchar(200)
        )";
        let publication =
            format!("CREATE PUBLICATION {NAME} FOR TABLE public.approach_challenges, checker.mark");
        for statement in [
            table,
            &insert_all(HOT_ROWS, 0),
            "CREATE SCHEMA checker",
            "CREATE TABLE checker.mark (token bigint PRIMARY KEY)",
            &publication,
        ] {
            database.execute(statement).await;
        }
        let subscription = format!(
            "CREATE SUBSCRIPTION {NAME} CONNECTION 'host=127.0.0.1 port={} user=postgres dbname={}'
            PUBLICATION {NAME} WITH (copy_data = false, synchronous_commit = 'on')",
            database.port(),
            database.name(),
        );
        servers.cluster.database().execute(&subscription).await;
        Self {
            database,
            _server: server,
        }
    }

    /// Waits until the primary has all that was committed here.
    pub async fn catch_up(&self, cluster: &Cluster) {
        // Not where the next record begins, which may be behind the header of a page that nobody has begun.
        let written = "SELECT pg_current_wal_flush_lsn()";
        let written = self.database.query_text(written).await;
        let there = format!(
            "SELECT count(*) FROM pg_stat_replication
            WHERE application_name = '{NAME}' AND replay_lsn >= '{written}'"
        );
        let caught_up = async {
            while self.database.query_i64(&there).await != 1 {
                sleep(LOOK_AGAIN).await;
            }
        };
        if timeout(PATIENCE, caught_up).await.is_err() {
            let state = self.state(cluster).await;
            panic!("the subscription has not {written} after {PATIENCE:?}\n{state}");
        }
    }

    /// What both sides have to say about a subscription that does not catch up.
    async fn state(&self, cluster: &Cluster) -> String {
        let all = |view: &str| format!("SELECT coalesce(json_agg(v), '[]') FROM {view} AS v");
        let (slots, senders) = (all("pg_replication_slots"), all("pg_stat_replication"));
        let subscription = all("pg_stat_subscription");
        let subscriber = cluster.database();
        // Beside its data, where the harness has it.
        let log = format!("SELECT right(pg_read_file('../log'), {LAST})");
        format!(
            "slots: {}\nsenders: {}\nsubscription: {}\nlog of the subscriber:\n{}",
            self.database.query_text(&slots).await,
            self.database.query_text(&senders).await,
            subscriber.query_text(&subscription).await,
            subscriber.query_text(&log).await
        )
    }

    /// Writes every `pace`, more or less, until `stop`; `held` holds it back.
    pub async fn write(
        &self,
        servers: &Servers,
        history: &History,
        (seed, pace): (u64, Duration),
        held: &tokio::sync::RwLock<()>,
        stop: &CancellationToken,
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut db = self.database.connect().await;
        let mut subscriber = None;
        while !stop.is_cancelled() {
            sleep(pace.mul_f64(rng.random_range(0.5..1.5))).await;
            let _turn = held.read().await;
            if subscriber.is_none() {
                subscriber = servers.cluster.try_connect().await.ok();
            }
            let Some(there) = &mut subscriber else {
                continue;
            };
            let sent = transact(&mut db, there, servers, history, &mut rng).await;
            if !sent.unwrap() {
                subscriber = None;
            }
        }
    }
}

/// One transaction; tells whether it was seen at the subscriber.
async fn transact(
    db: &mut PgConnection,
    subscriber: &mut PgConnection,
    servers: &Servers,
    history: &History,
    rng: &mut StdRng,
) -> Result<bool, sqlx::Error> {
    run(db, "BEGIN").await?;
    let mut effects = Vec::new();
    for _ in 0..rng.random_range(1..=3) {
        effects.extend(change(rng, db).await?);
    }
    let token = mark(db).await?;
    // Somebody may hang in a COMMIT.
    let _turn = timeout(TURN, servers.committing.write()).await;
    let write = history.commits(token, effects);
    run(db, "COMMIT").await?;
    let applied = timeout(TURN, until_applied(subscriber, token)).await;
    let is_applied = matches!(applied, Ok(Ok(())));
    if is_applied {
        history.wrote(write);
    }
    Ok(is_applied)
}

async fn until_applied(subscriber: &mut PgConnection, token: i64) -> Result<(), sqlx::Error> {
    let look = "SELECT EXISTS (SELECT FROM checker.mark WHERE token = $1)";
    loop {
        let is_there = sqlx::query_scalar(look).bind(token);
        if is_there.fetch_one(&mut *subscriber).await? {
            return Ok(());
        }
        sleep(Duration::from_millis(3)).await;
    }
}

/// One change of a row that others write too, or of one that comes and goes by the apply worker alone.
async fn change(rng: &mut StdRng, db: &mut PgConnection) -> Result<Vec<Effect>, sqlx::Error> {
    let hot = rng.random_range(1..=HOT_ROWS);
    let own = ALL_ROWS + hot;
    let change = match rng.random_range(0..10) {
        0..3 => Change::Retitle(hot),
        3 => Change::Reprice(hot, rng.random_range(1..=5)),
        4 => Change::Move(hot, rng.random_range(1..=3)),
        5 => Change::RetitleAll,
        6..9 => Change::Renew(own),
        _ => Change::Delete(own),
    };
    change.apply(db).await
}
