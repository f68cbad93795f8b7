-- The replicas of the service, and the tasks that one of them does for all. Times are microseconds since 1970.

-- A replica calls no answer fresh before it stands here, so whoever waits for all of these waits for all that matter.
CREATE TABLE catalog_replica (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    timeline INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    status BLOB NOT NULL CHECK (length(status) <= 65536),
    heard_at INTEGER NOT NULL
) STRICT;

CREATE TABLE catalog_task (
    name TEXT PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT;
