//! What several replicas promise together, on a real PostgreSQL and a real Redis.
mod changes;
mod herd;
pub mod postgres_gone;
mod reads_fail;
mod receipts;
mod redis_bounds;
pub mod redis_credentials;
mod redis_gone;
mod redis_kinds;
mod redis_strangers;
mod upkeep;
mod warming;
mod written_tips;
