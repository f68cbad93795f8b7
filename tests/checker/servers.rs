//! The servers under test: one PostgreSQL, one Redis, and replicas that reach the database by proxies.
use std::{
    collections::HashMap,
    sync::{Mutex, RwLock},
};

use challenges_catalog::pb::{
    admin::v1::cache_admin_client::CacheAdminClient,
    catalog::v1::challenges_catalog_client::ChallengesCatalogClient,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tonic::transport::Channel;

use crate::{
    catalog::{Row, difficulty_of, number_of},
    history::Seq,
    support::{
        postgres::{self, Database, Postgres},
        program,
        proxy::Proxy,
        redis::{self, Redis},
        replica::Replica,
    },
};

/// How many replicas serve.
pub const REPLICAS: usize = 4;

pub struct Servers {
    pub slots: Vec<Slot>,
    pub database: Database,
    pub redis: Redis,
    pub postgres: Postgres,
    role: String,
    fault: Option<&'static str>,
}

/// The place of one replica; the process in it can be another from time to time.
pub struct Slot {
    pub index: usize,
    pub proxy: tokio::sync::Mutex<Proxy>,
    proxy_port: u16,
    replica: Mutex<Option<Replica>>,
    client: RwLock<(u32, Option<Channel>)>,
}

impl Servers {
    /// Starts everything; `fault` is a deliberate one, for builds that have them.
    pub async fn start(fault: Option<&'static str>) -> Self {
        let server = postgres::own_server();
        let database = server.fresh().await;
        let role = database.create_role("serve").await;
        let migrate = [("DATABASE_URL", database.url())];
        program::run_well(&["migrate", "up"], &migrate).await;
        let grants = include_str!("../../migrations/grants.sql").replace(":\"role\"", &role);
        let statements = grants.lines().filter(|line| !line.starts_with('\\'));
        database
            .execute(&statements.collect::<Vec<_>>().join("\n"))
            .await;
        database.execute(include_str!("prepare.sql")).await;
        let mut slots = Vec::new();
        for index in 0..REPLICAS {
            let proxy = Proxy::to(server.port()).await;
            slots.push(Slot {
                index,
                proxy_port: proxy.port(),
                proxy: tokio::sync::Mutex::new(proxy),
                replica: Mutex::default(),
                client: RwLock::new((0, None)),
            });
        }
        Self {
            slots,
            database,
            redis: redis::start(),
            postgres: server,
            role,
            fault,
        }
    }

    /// Starts a replica in each slot.
    pub async fn start_replicas(&self) {
        let starts = self.slots.iter().map(|slot| self.start_replica(slot));
        futures_util::future::join_all(starts).await;
    }

    /// Starts a new process in an empty slot.
    pub async fn start_replica(&self, slot: &Slot) {
        let direct = format!(":{}/", self.database.port());
        let proxied = format!(":{}/", slot.proxy_port);
        let mut environment = vec![
            (
                "DATABASE_URL",
                self.database.url_as(&self.role).replace(&direct, &proxied),
            ),
            ("REDIS_URL", self.redis.url()),
            ("CATALOG_LOG", "warn".to_owned()),
            // It would mend what the checker is to see.
            ("CATALOG_AUDIT_INTERVAL", "0s".to_owned()),
            // A client that learns too late that its connection is to end cancels its own call.
            ("CATALOG_CONNECTION_AGE", "1d".to_owned()),
        ];
        environment.extend(self.fault.map(|fault| ("CATALOG_FAULT", fault.to_owned())));
        let replica = Replica::start(&environment).await;
        let url = format!("http://{}", replica.addr());
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        *slot.replica.lock().unwrap() = Some(replica);
        let mut client = slot.client.write().unwrap();
        *client = (client.0 + 1, Some(channel));
    }

    /// The places of the checker's commits in the order in which they committed, and their numbers, those
    /// that were pruned too, by their tokens. Numbers are given a moment later, to several commits at once.
    pub async fn seqs(&self) -> HashMap<i64, (Seq, Seq)> {
        let sql = "SELECT
                mark.token,
                row_number() OVER (ORDER BY pg_xact_commit_timestamp(mark.xid::xid)),
                max(known.seq)
            FROM checker.mark
            JOIN (
                SELECT xid, seq FROM challenges_catalog.commit_log
                UNION ALL
                SELECT xid, seq FROM checker.pruned
            ) AS known ON known.xid = mark.xid
            WHERE known.seq IS NOT NULL
            GROUP BY mark.token, mark.xid";
        let mut db = self.database.connect().await;
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(sql).fetch_all(&mut db).await.unwrap();
        let seqs = rows.into_iter();
        seqs.map(|(token, place, seq)| (token, (place.unsigned_abs(), seq.unsigned_abs())))
            .collect()
    }

    /// What the table holds.
    pub async fn rows(&self) -> Vec<Row> {
        let sql = "SELECT id::text, difficulty, points, title FROM approach_challenges";
        let rows: Vec<SqlRow> = sqlx::query_as(sql)
            .fetch_all(&mut self.database.connect().await)
            .await
            .unwrap();
        rows.into_iter().map(row).collect()
    }

    /// A session that can be refused.
    pub async fn try_connect(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(&self.database.url()).await
    }
}

/// A row as SQL gives it.
pub type SqlRow = (String, String, i32, String);

pub fn row((id, difficulty, points, title): SqlRow) -> Row {
    Row {
        difficulty: difficulty_of(&difficulty),
        points,
        title,
        number: number_of(&id),
    }
}

/// A query made of text that only the checker wrote.
pub fn sql(text: impl Into<String>) -> AssertSqlSafe<String> {
    AssertSqlSafe(text.into())
}

impl Slot {
    /// Which process this is, and a way to call it, unless it is down.
    pub fn channel(&self) -> Option<(u32, Channel)> {
        let client = self.client.read().unwrap();
        Some((client.0, client.1.clone()?))
    }

    pub fn catalog(&self) -> Option<(u32, ChallengesCatalogClient<Channel>)> {
        self.channel()
            .map(|(run, channel)| (run, ChallengesCatalogClient::new(channel)))
    }

    pub fn admin(&self) -> Option<CacheAdminClient<Channel>> {
        self.channel()
            .map(|(_, channel)| CacheAdminClient::new(channel))
    }

    /// Ends the process as a crash does; the slot is empty then.
    pub async fn kill(&self) {
        self.client.write().unwrap().1 = None;
        let replica = self.replica.lock().unwrap().take();
        if let Some(replica) = replica {
            replica.kill().await;
        }
    }

    pub fn pause(&self) {
        self.replica
            .lock()
            .unwrap()
            .as_ref()
            .inspect(|replica| replica.pause());
    }

    pub fn resume(&self) {
        self.replica
            .lock()
            .unwrap()
            .as_ref()
            .inspect(|replica| replica.resume());
    }
}
