//! Deliberate faults that the run must find, or it proves nothing. The database, Redis or a setting commits them.
use std::{collections::HashMap, time::Duration};

use bb8_redis::redis::cmd;
use tokio::{task::block_in_place, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{fleet::Fleet, provider::OUTPUT_PRICE};

/// One deliberate fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// PostgreSQL leaves out one attempt in twenty.
    Unrecorded,
    /// It records one attempt in twenty twice.
    RecordedTwice,
    /// The replicas are configured with a lower price than the provider takes.
    TooCheap,
    /// Each replica has a Redis of its own, so none knows what the others spend.
    Apart,
    /// Redis holds more and more money for dead replicas.
    Hoarded,
}

impl Fault {
    pub const ALL: [Self; 5] = [
        Self::Unrecorded,
        Self::RecordedTwice,
        Self::TooCheap,
        Self::Apart,
        Self::Hoarded,
    ];

    /// The price that replicas are told.
    pub fn output_price(fault: Option<Self>) -> u64 {
        if fault == Some(Self::TooCheap) {
            OUTPUT_PRICE * 9 / 10
        } else {
            OUTPUT_PRICE
        }
    }

    /// What the database does, if it is the one.
    pub fn sql(self) -> Option<&'static str> {
        match self {
            Self::Unrecorded => Some(
                "CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF NEW.input_tokens % 20 = 0 THEN RETURN NULL; END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER leave_out BEFORE INSERT ON challenges_catalog.tip_attempts
                FOR EACH ROW EXECUTE FUNCTION leave_out()",
            ),
            Self::RecordedTwice => Some(
                "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    NEW.ended_at = NEW.ended_at + interval '1 second';
                    INSERT INTO challenges_catalog.tip_attempts SELECT (NEW).*;
                    RETURN NULL;
                END $$;
                CREATE TRIGGER again AFTER INSERT ON challenges_catalog.tip_attempts
                FOR EACH ROW WHEN (NEW.input_tokens % 20 = 0 AND pg_trigger_depth() = 0)
                EXECUTE FUNCTION again()",
            ),
            Self::TooCheap | Self::Apart | Self::Hoarded => None,
        }
    }

    /// Which of the databases of Redis a replica has, by its place.
    pub fn redis_database(fault: Option<Self>, slot: usize) -> usize {
        if fault == Some(Self::Apart) {
            1 + slot
        } else {
            0
        }
    }

    /// What somebody does to Redis all the time, until `stop`.
    pub async fn of_redis(self, fleet: &Fleet, stop: &CancellationToken) {
        let pause = Duration::from_millis(100);
        while self == Self::Hoarded && stop.run_until_cancelled(sleep(pause)).await.is_some() {
            block_in_place(|| hoard(fleet));
        }
    }
}

/// Lets every replica have a little more, be it there or not; Redis may be down.
fn hoard(fleet: &Fleet) {
    let keys = fleet.redis.try_ask(cmd("KEYS").arg("tip:*:money:*"));
    let keys: Vec<String> = keys.unwrap_or_default();
    for key in keys {
        let all = fleet.redis.try_ask(cmd("HGETALL").arg(&key));
        let all: HashMap<String, String> = all.unwrap_or_default();
        for (name, standing) in all {
            let words: Vec<&str> = standing.split(' ').collect();
            if let [version, settled, taken, granted] = words[..] {
                let granted = granted.parse::<i64>().unwrap() + 10;
                let standing = format!("{version} {settled} {taken} {granted}");
                let set = cmd("HSET").arg(&key).arg(name).arg(standing).clone();
                // Another time will do.
                fleet.redis.try_ask::<()>(&set).ok();
            }
        }
    }
}
