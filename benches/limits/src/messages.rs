//! The part of the contract that is needed here, and a row of the list statement.

/// A moment.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `challenges.catalog.v1.Challenge`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Challenge {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(int32, tag = "2")]
    pub difficulty: i32,
    #[prost(string, tag = "3")]
    pub title: String,
    #[prost(string, tag = "4")]
    pub description: String,
    #[prost(int32, tag = "5")]
    pub points: i32,
    #[prost(string, optional, tag = "6")]
    pub tips: Option<String>,
    #[prost(message, optional, tag = "7")]
    pub create_time: Option<Timestamp>,
    #[prost(message, optional, tag = "8")]
    pub update_time: Option<Timestamp>,
}

/// `ListChallengesRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    #[prost(int32, tag = "1")]
    pub difficulty: i32,
    #[prost(int32, tag = "2")]
    pub page_size: i32,
    #[prost(string, tag = "3")]
    pub page_token: String,
}

/// `ListChallengesResponse`, made.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reply {
    #[prost(message, repeated, tag = "1")]
    pub challenges: Vec<Challenge>,
    #[prost(int32, tag = "2")]
    pub total_count: i32,
}

/// `ListChallengesResponse`, as far as it is read: the rest is skipped, which costs next to nothing.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Tail {
    #[prost(string, tag = "4")]
    pub next_page_token: String,
    #[prost(message, optional, tag = "9")]
    pub freshness: Option<Freshness>,
}

/// `Freshness`, as far as it is read.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Freshness {
    #[prost(int32, tag = "2")]
    pub source: i32,
}

/// `Source.SOURCE_NEAR_CACHE`.
pub const NEAR_CACHE: i32 = 1;

/// What the list statement gives.
#[derive(sqlx::FromRow)]
pub struct Row {
    pub total_count: i64,
    pub id: String,
    pub difficulty: String,
    pub title: String,
    pub description: String,
    pub points: i64,
    pub tips: Option<String>,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
}

impl From<Row> for Challenge {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            difficulty: match row.difficulty.as_str() {
                "beginner" => 1,
                "intermediate" => 2,
                _ => 3,
            },
            title: row.title,
            description: row.description,
            points: i32::try_from(row.points).unwrap_or(0),
            tips: row.tips,
            create_time: row.created_at.map(timestamp),
            update_time: row.updated_at.map(timestamp),
        }
    }
}

fn timestamp(micros: i64) -> Timestamp {
    Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0),
    }
}
