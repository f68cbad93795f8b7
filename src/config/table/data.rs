//! Where the catalog is kept and remembered.
use std::time::Duration;

use crate::config::setting::{Form, Section, Setting};

const DAY: u64 = 86_400;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(in crate::config) const DATABASE_URL: Setting = Setting {
    flag: "database-url",
    env: "DATABASE_URL",
    section: Section::Database,
    form: Form::Text {
        value_name: "URL",
        expected: "postgres://USER:PASSWORD@HOST:PORT/NAME, or sqlite:PATH",
    },
    default: "sqlite:challenges.sqlite",
    secret: true,
    help: "Where the catalog is kept",
};

pub(in crate::config) const DB_POOL_MIN: Setting = Setting {
    flag: "db-pool-min",
    env: "CATALOG_DB_POOL_MIN",
    section: Section::Database,
    form: Form::Count { min: 0, max: 500 },
    // As many as `FILL_CONCURRENCY` reads at once.
    default: "8",
    secret: false,
    help: "How many connections for reads are kept open; at most db-pool-max",
};

pub(in crate::config) const DB_POOL_MAX: Setting = Setting {
    flag: "db-pool-max",
    env: "CATALOG_DB_POOL_MAX",
    section: Section::Database,
    form: Form::Count { min: 2, max: 500 },
    default: "20",
    secret: false,
    help: "How many connections for reads there are at most; a replica has 6 more, for polls, hints and edits",
};

pub(in crate::config) const DB_ACQUIRE_TIMEOUT: Setting = Setting {
    flag: "db-acquire-timeout",
    env: "CATALOG_DB_ACQUIRE_TIMEOUT",
    section: Section::Database,
    form: Form::Duration {
        min: ms(10),
        max: secs(30),
    },
    default: "500ms",
    secret: false,
    help: "How long a call waits for a free connection, and as long again for a new one",
};

pub(in crate::config) const DB_STATEMENT_TIMEOUT: Setting = Setting {
    flag: "db-statement-timeout",
    env: "CATALOG_DB_STATEMENT_TIMEOUT",
    section: Section::Database,
    form: Form::Duration {
        min: ms(10),
        max: secs(60),
    },
    default: "5s",
    secret: false,
    help: "How long one statement may run",
};

pub(in crate::config) const AUTO_MIGRATE: Setting = Setting {
    flag: "auto-migrate",
    env: "CATALOG_AUTO_MIGRATE",
    section: Section::Database,
    form: Form::Switch,
    default: "false",
    secret: false,
    help: "Lets `serve` migrate a Postgres database; a SQLite file is always migrated",
};

pub(in crate::config) const HISTORY_RETENTION: Setting = Setting {
    flag: "history-retention",
    env: "CATALOG_HISTORY_RETENTION",
    section: Section::Database,
    form: Form::Duration {
        min: secs(DAY),
        max: secs(36_500 * DAY),
    },
    default: "",
    secret: false,
    help: "How long the history of changes is kept, but for what each challenge is now; without it, for ever",
};

pub(in crate::config) const REDIS_URL: Setting = Setting {
    flag: "redis-url",
    env: "REDIS_URL",
    section: Section::Redis,
    form: Form::Text {
        value_name: "URL",
        expected: "redis:// or rediss://[USER:PASSWORD@]HOST[:PORT][/DB], \
                   redis-cluster:// or rediss-cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT],…, or \
                   redis-sentinel:// or rediss-sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT],…/SERVICE[/DB]",
    },
    default: "",
    secret: true,
    help: "The cache that all replicas share; without it each replica caches for itself",
};

pub(in crate::config) const REDIS_TLS_CA: Setting = Setting {
    flag: "redis-tls-ca",
    env: "REDIS_TLS_CA",
    section: Section::Redis,
    form: Form::Text {
        value_name: "FILE",
        expected: "a PEM file",
    },
    default: "",
    secret: false,
    help: "The authorities that may certify Redis, instead of those that the machine trusts",
};

pub(in crate::config) const REDIS_TIMEOUT: Setting = Setting {
    flag: "redis-timeout",
    env: "CATALOG_REDIS_TIMEOUT",
    section: Section::Redis,
    form: Form::Duration {
        min: ms(1),
        max: secs(5),
    },
    default: "50ms",
    secret: false,
    help: "How long one Redis command may take before the call goes on without it",
};

pub(in crate::config) const REDIS_POOL: Setting = Setting {
    flag: "redis-pool",
    env: "CATALOG_REDIS_POOL",
    section: Section::Redis,
    form: Form::Count { min: 1, max: 32 },
    default: "3",
    secret: false,
    help: "How many connections to Redis, though no more than cores; each carries many calls at once",
};

pub(in crate::config) const CACHE_TTL: Setting = Setting {
    flag: "cache-ttl",
    env: "CHALLENGES_CACHE_TTL",
    section: Section::Cache,
    form: Form::Duration {
        min: secs(1),
        max: secs(7 * DAY),
    },
    default: "10m",
    secret: false,
    help: "How long an unchanged answer stays cached; changes are seen at once, whatever this says",
};

pub(in crate::config) const NEAR_CACHE_BYTES: Setting = Setting {
    flag: "near-cache-bytes",
    env: "CATALOG_NEAR_CACHE_BYTES",
    section: Section::Cache,
    form: Form::Bytes {
        min: MIB,
        max: 64 * GIB,
    },
    default: "64MiB",
    secret: false,
    help: "How much memory each replica's own cache may take",
};

pub(in crate::config) const MAX_STALENESS: Setting = Setting {
    flag: "max-staleness",
    env: "CATALOG_MAX_STALENESS",
    section: Section::Cache,
    form: Form::Duration {
        min: ms(100),
        // A replica that was silent for so much longer is forgotten; see migrations, `report`.
        max: secs(20),
    },
    default: "2s",
    secret: false,
    help: "How old an answer may be that is not marked stale",
};

pub(in crate::config) const FEED_POLL_INTERVAL: Setting = Setting {
    flag: "feed-poll-interval",
    env: "CATALOG_FEED_POLL_INTERVAL",
    section: Section::Cache,
    form: Form::Duration {
        min: ms(10),
        max: secs(30),
    },
    default: "500ms",
    secret: false,
    help: "How often the database is asked for changes; less than half of max-staleness",
};

pub(in crate::config) const STALE_RETENTION: Setting = Setting {
    flag: "stale-retention",
    env: "CATALOG_STALE_RETENTION",
    section: Section::Cache,
    form: Form::Duration {
        min: secs(0),
        max: secs(30 * DAY),
    },
    default: "1d",
    secret: false,
    help: "How long an outdated answer is kept for the time when the database is gone",
};

pub(in crate::config) const AUDIT_INTERVAL: Setting = Setting {
    flag: "audit-interval",
    env: "CATALOG_AUDIT_INTERVAL",
    section: Section::Cache,
    form: Form::Duration {
        min: secs(0),
        max: secs(DAY),
    },
    default: "1s",
    secret: false,
    help: "How often one random cached answer is compared with the database, by the fleet; 0 for never",
};

pub(in crate::config) const FILL_CONCURRENCY: Setting = Setting {
    flag: "fill-concurrency",
    env: "CATALOG_FILL_CONCURRENCY",
    section: Section::Cache,
    form: Form::Count { min: 1, max: 256 },
    default: "8",
    secret: false,
    help: "How many answers are read from the database at once; other callers wait",
};
