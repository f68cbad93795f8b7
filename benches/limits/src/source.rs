//! Where a bare server has its answers from.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use prost::Message;
use redis::aio::MultiplexedConnection;
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use crate::{
    Result,
    messages::{Challenge, Reply, Row},
};

/// As many connections as the product has by default.
const POOL: u32 = 20;
const PAGE_SIZE: i64 = 50;

/// Where the answers come from.
#[derive(Clone)]
pub enum Source {
    /// From memory.
    Ready(Bytes),
    /// One GET, the request's bytes being the key.
    Redis(MultiplexedConnection),
    /// The product's statement, for one page after the other.
    Sql(Arc<Pages>),
}

/// The table, and the places in it where a page begins.
pub struct Pages {
    pool: PgPool,
    starts: Vec<(i32, i32, String, Uuid)>,
    next: AtomicUsize,
}

impl Source {
    /// Connects to Redis, once for all calls.
    pub async fn redis(url: &str) -> Result<Self> {
        let client = redis::Client::open(url)?;
        Ok(Self::Redis(
            client.get_multiplexed_async_connection().await?,
        ))
    }

    /// Connects to `PostgreSQL` and finds where pages begin.
    pub async fn sql(url: &str) -> Result<Self> {
        let options = PgPoolOptions::new()
            .min_connections(POOL)
            .max_connections(POOL);
        let pool = options.connect(url).await?;
        let all = "SELECT CASE difficulty WHEN 'beginner' THEN 1 WHEN 'intermediate' THEN 2 \
                   WHEN 'advanced' THEN 3 END AS rank, coalesce(points, 10), title, id \
                   FROM public.approach_challenges ORDER BY 1, 2, title COLLATE \"C\", id";
        let places: Vec<(i32, i32, String, Uuid)> = sqlx::query_as(all).fetch_all(&pool).await?;
        let page = usize::try_from(PAGE_SIZE)?;
        let full_pages = places.len() / page;
        let starts: Vec<_> = places
            .into_iter()
            .step_by(page)
            .take(full_pages - 1)
            .collect();
        let next = AtomicUsize::new(0);
        Ok(Self::Sql(Arc::new(Pages { pool, starts, next })))
    }

    /// The encoded message that answers `request`.
    pub async fn answer(&self, request: &[u8]) -> Result<Bytes> {
        match self {
            Self::Ready(message) => Ok(message.clone()),
            Self::Redis(connection) => {
                let get = redis::cmd("GET").arg(request).take();
                let answer: Option<Bytes> = get.query_async(&mut connection.clone()).await?;
                answer.ok_or_else(|| "no such key".into())
            }
            Self::Sql(pages) => pages.read().await,
        }
    }
}

impl Pages {
    async fn read(&self) -> Result<Bytes> {
        let turn = self.next.fetch_add(1, Relaxed) % self.starts.len();
        let (rank, points, title, id) = self.starts[turn].clone();
        let list = include_str!("../../../src/repository/postgres/sql/list.sql");
        let rows: Vec<Row> = sqlx::query_as(list)
            .bind(vec!["beginner", "intermediate", "advanced"])
            .bind(1)
            .bind(3)
            .bind(rank)
            .bind(points)
            .bind(title)
            .bind(id)
            .bind(PAGE_SIZE + 1)
            .bind(None::<i64>)
            .fetch_all(&self.pool)
            .await?;
        let total_count = rows.first().map_or(0, |row| row.total_count);
        let challenges = rows.into_iter().take(usize::try_from(PAGE_SIZE)?);
        let reply = Reply {
            challenges: challenges.map(Challenge::from).collect(),
            total_count: i32::try_from(total_count)?,
        };
        Ok(reply.encode_to_vec().into())
    }
}
