//! The rules of the cache, on a catalog of one list that the tests write to.
mod audit;
mod failover;
mod fixture;
mod reads;
mod staleness;
mod subjects;
