use std::time::Duration;

/// How the service holds its connections to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// How many connections are kept open for reads.
    pub min_connections: u32,
    /// How many there are at most; reads beyond them wait. SQLite never takes more than 8.
    pub max_connections: u32,
    /// How long a read waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a poll for changes may take: one that is lost on the way must be made up for while answers
    /// are fresh by the one before.
    pub poll_timeout: Duration,
    /// A connection older than this is replaced.
    pub max_lifetime: Duration,
    /// A connection unused for this long is closed, down to `min_connections`.
    pub idle_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            min_connections: 2,
            max_connections: 16,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            poll_timeout: Duration::from_secs(1),
            max_lifetime: Duration::from_mins(30),
            idle_timeout: Duration::from_mins(10),
        }
    }
}

/// How patient a migration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateSettings {
    /// How long to wait for another process that migrates the same database.
    pub wait: Duration,
    /// How long a statement waits for a lock at most, and never for more than half of the server's `deadlock_timeout`; the table's
    /// writers queue behind it for no longer.
    pub lock_timeout: Duration,
    /// How often to try when the table is locked.
    pub attempts: u32,
    /// How long the index of a table with rows may take; nobody waits for it.
    pub index_timeout: Duration,
}

impl Default for MigrateSettings {
    fn default() -> Self {
        Self {
            wait: Duration::from_mins(1),
            lock_timeout: Duration::from_millis(500),
            attempts: 30,
            index_timeout: Duration::from_mins(15),
        }
    }
}
