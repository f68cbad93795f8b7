-- What operators decide while the service runs: feature flags and settings. Times are microseconds since 1970.
-- A table of flags that is there already is taken over as it is.
CREATE TABLE IF NOT EXISTS feature_flags (
    id TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(16)))),
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
    enabled INTEGER NOT NULL DEFAULT 0 CHECK (enabled IN (0, 1)),
    description TEXT,
    environment TEXT DEFAULT 'all' CHECK (length(environment) <= 20),
    rollout_percentage INTEGER DEFAULT 100 CHECK (rollout_percentage BETWEEN 0 AND 100),
    created_at INTEGER DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    updated_at INTEGER DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    created_by TEXT,
    updated_by TEXT
) STRICT;

-- Settings that may be changed while the service runs. A name has a row for each environment; `all` stands for the others.
CREATE TABLE runtime_settings (
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    environment TEXT NOT NULL DEFAULT 'all' CHECK (length(environment) BETWEEN 1 AND 20),
    value INTEGER NOT NULL,
    description TEXT,
    created_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    updated_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    created_by TEXT,
    updated_by TEXT,
    PRIMARY KEY (name, environment)
) STRICT;

-- All rows of both tables. `fingerprint` is the whole row as text: who changes a row names the one that it saw.
CREATE VIEW catalog_controls AS
SELECT
    'flag' AS kind, name, environment, enabled, rollout_percentage AS number, description,
    created_at, updated_at, created_by, updated_by,
    json_array(id, name, environment, enabled, rollout_percentage, description, created_at, updated_at, created_by, updated_by)
        AS fingerprint
FROM feature_flags
UNION ALL
SELECT
    'setting', name, environment, NULL, value, description,
    created_at, updated_at, created_by, updated_by,
    json_array(name, environment, value, description, created_at, updated_at, created_by, updated_by)
FROM runtime_settings;

-- Every change of either table is noted in the transaction that makes it, under a tag that touches no answer. A release that does
-- not know the tag takes it for everything: it loads again what it could have kept.
CREATE TRIGGER feature_flags_insert AFTER INSERT ON feature_flags
BEGIN
    INSERT INTO catalog_change (tag) VALUES ('flags');
END;

-- One trigger for both duties: setting updated_at is an update too, and would fire a second one again.
CREATE TRIGGER feature_flags_update AFTER UPDATE ON feature_flags
BEGIN
    UPDATE feature_flags
    SET updated_at = CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
    WHERE id = NEW.id AND NEW.updated_at IS OLD.updated_at;
    INSERT INTO catalog_change (tag) VALUES ('flags');
END;

CREATE TRIGGER feature_flags_delete AFTER DELETE ON feature_flags
BEGIN
    INSERT INTO catalog_change (tag) VALUES ('flags');
END;

CREATE TRIGGER runtime_settings_insert AFTER INSERT ON runtime_settings
BEGIN
    INSERT INTO catalog_change (tag) VALUES ('flags');
END;

CREATE TRIGGER runtime_settings_update AFTER UPDATE ON runtime_settings
BEGIN
    UPDATE runtime_settings
    SET updated_at = CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
    WHERE name = NEW.name AND environment = NEW.environment AND NEW.updated_at IS OLD.updated_at;
    INSERT INTO catalog_change (tag) VALUES ('flags');
END;

CREATE TRIGGER runtime_settings_delete AFTER DELETE ON runtime_settings
BEGIN
    INSERT INTO catalog_change (tag) VALUES ('flags');
END;
