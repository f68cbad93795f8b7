//! The service's own ledger: every attempt in PostgreSQL, and the day's money in Redis.
use std::collections::HashMap;

use bb8_redis::redis::cmd;

use super::fleet::Fleet;

/// An attempt, as PostgreSQL has it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub input: u64,
    pub cost: u64,
    pub outcome: String,
}

/// What Redis has of the day, of all replicas together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// What ended requests cost.
    pub settled: u64,
    /// How far replicas may go, those that are gone with them.
    pub granted: u64,
}

pub async fn entries(fleet: &Fleet) -> Vec<Entry> {
    let all = "SELECT input_tokens, cost_micro_usd, outcome FROM challenges_catalog.tip_attempts ORDER BY ended_at";
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(all)
        .fetch_all(&mut fleet.database.connect().await)
        .await
        .unwrap();
    let entry = |(input, cost, outcome): (i64, i64, String)| Entry {
        input: input.unsigned_abs(),
        cost: cost.unsigned_abs(),
        outcome,
    };
    rows.into_iter().map(entry).collect()
}

pub fn money(fleet: &Fleet) -> Money {
    let keys: Vec<String> = fleet.redis.ask(cmd("KEYS").arg("tip:*:money:*"));
    let mut money = Money::default();
    for key in keys {
        let replicas: HashMap<String, String> = fleet.redis.ask(cmd("HGETALL").arg(key));
        for standing in replicas.values() {
            let words = standing.split(' ').map(|word| word.parse::<i64>().unwrap());
            let words: Vec<_> = words.collect();
            // What is not a replica's has another form.
            let [_, settled, taken, granted] = words[..] else {
                continue;
            };
            money.settled += settled.unsigned_abs();
            money.granted += granted.max(taken).unsigned_abs();
        }
    }
    money
}
