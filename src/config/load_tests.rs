use std::{fs, time::Duration};

use super::*;

fn flags(pairs: &[(&str, &str)]) -> Flags {
    pairs
        .iter()
        .map(|(flag, value)| ((*flag).to_owned(), (*value).to_owned()))
        .collect()
}

fn environment(pairs: &[(&str, &str)]) -> EnvVars {
    pairs.iter().copied().collect()
}

fn from_env(pairs: &[(&str, &str)]) -> Result<Loaded, Problems> {
    load(&Flags::new(), &environment(pairs))
}

fn problems(pairs: &[(&str, &str)]) -> Vec<String> {
    let problems = from_env(pairs).map(|_| ()).unwrap_err();
    problems.0.iter().map(ToString::to_string).collect()
}

fn origin(loaded: &Loaded, flag: &str) -> String {
    loaded
        .entries
        .iter()
        .find(|e| e.setting.flag() == flag)
        .unwrap()
        .origin
        .to_string()
}

#[test]
fn without_any_setting_the_defaults_of_the_table_are_in_force() {
    let loaded = from_env(&[]).unwrap();
    for (entry, setting) in loaded.entries.iter().zip(SETTINGS.iter()) {
        assert_eq!(entry.setting.flag(), setting.flag(), "the table's order");
        if !["shutdown-delay", "auto-migrate"].contains(&setting.flag().as_str()) {
            assert_eq!(entry.shown, setting.default, "{}", setting.flag());
        }
    }
    assert_eq!(loaded.entries.len(), SETTINGS.len());
    let config = loaded.config;
    assert!(config.database.auto_migrate && config.redis.url.is_none());
    assert_eq!(config.server.shutdown_delay, Duration::ZERO);
    assert_eq!(config.cache.ttl, Duration::from_mins(10));
    assert!(loaded.warnings.is_empty());
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_which_beats_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f.toml");
    fs::write(&file, "cache_ttl = 1\nredis_pool = 1\nfill_concurrency = 1").unwrap();
    let env = environment(&[
        ("CATALOG_CONFIG", file.to_str().unwrap()),
        ("CHALLENGES_CACHE_TTL", "2"),
        ("CATALOG_REDIS_POOL", "2"),
    ]);
    let loaded = load(&flags(&[("cache-ttl", "3")]), &env).unwrap();
    let config = &loaded.config;
    assert_eq!(config.cache.ttl.as_secs(), 3);
    assert_eq!((config.redis.pool, config.cache.fill_concurrency), (2, 1));
    let origins =
        ["cache-ttl", "redis-pool", "fill-concurrency", "log"].map(|f| origin(&loaded, f));
    assert_eq!(
        origins,
        ["flag", "environment CATALOG_REDIS_POOL", "file", "default"]
    );
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let loaded = from_env(&[
        ("DATABASE_URL", ""),
        ("DATABASE_URL_FILE", ""),
        ("CATALOG_LOG", ""),
    ]);
    assert_eq!(origin(&loaded.unwrap(), "database-url"), "default");
}

#[test]
fn all_problems_are_listed_at_once_each_by_the_name_its_writer_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f.toml");
    fs::write(&file, "redis_pool = 33\ncache_tll = 1").unwrap();
    let flags = flags(&[("config", file.to_str().unwrap()), ("max-calls", "0")]);
    let env = environment(&[("CHALLENGES_CACHE_TTL", "0"), ("REDIS_URL", "nowhere")]);
    let problems = load(&flags, &env).map(|_| ()).unwrap_err();
    let names: Vec<_> = problems
        .0
        .iter()
        .map(|problem| problem.name.as_str())
        .collect();
    let unknown = format!("cache_tll in {}", file.display());
    assert_eq!(
        names,
        [
            unknown.as_str(),
            "REDIS_URL",
            "redis_pool (settings file)",
            "CHALLENGES_CACHE_TTL",
            "--max-calls"
        ]
    );
    assert!(
        problems
            .to_string()
            .starts_with("5 settings cannot be used:\n  cache_tll")
    );
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let min = problems(&[("CATALOG_DB_POOL_MAX", "3")]);
    assert_eq!(
        min,
        ["CATALOG_DB_POOL_MAX: db_pool_min (8) is more than db_pool_max (3)"]
    );
    let poll = problems(&[("CATALOG_MAX_STALENESS", "1s")]);
    assert!(
        poll[0].contains("less than half of max_staleness (1s), not 500ms"),
        "{poll:?}"
    );
}

#[test]
fn an_address_that_others_can_reach_needs_to_be_allowed() {
    let open = ("CATALOG_GRPC_ADDR", "0.0.0.0:50051");
    assert!(problems(&[open])[0].contains("--insecure"));
    let config = from_env(&[open, ("CATALOG_INSECURE", "true")])
        .unwrap()
        .config;
    assert_eq!(config.server.shutdown_delay, Duration::from_secs(5));
}

#[test]
fn the_pages_for_operators_have_an_address_of_their_own() {
    let ops = |addr| ("CATALOG_OPS_ADDR", addr);
    let own = from_env(&[ops("127.0.0.1:9090")]).unwrap().config;
    assert_eq!(own.server.ops_addr, "127.0.0.1:9090".parse().ok());
    let open = ops("0.0.0.0:9090");
    assert!(problems(&[open])[0].contains("--insecure"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("certificates.pem");
    fs::write(&file, "-----BEGIN CERTIFICATE-----").unwrap();
    let path = file.to_str().unwrap();
    let protected = [
        ("CATALOG_TLS_CERT", path),
        ("CATALOG_TLS_KEY", path),
        ("CATALOG_ACCESS_FILE", path),
    ];
    let refused = problems(&[open, protected[0], protected[1]]);
    assert!(refused[0].contains("--access-file"), "{refused:?}");
    let loaded = from_env(&[&protected[..], &[open]].concat()).unwrap();
    let warning = loaded.warnings.iter();
    assert_eq!(
        warning.filter(|it| it.contains("CATALOG_OPS_ADDR")).count(),
        1
    );
    for addr in ["127.0.0.1:50051", "0.0.0.0:50051"] {
        let shared = problems(&[ops(addr), ("CATALOG_INSECURE", "true")]);
        assert!(shared[0].contains("use another port"), "{shared:?}");
    }
    let any_two = [ops("127.0.0.1:0"), ("CATALOG_GRPC_ADDR", "127.0.0.1:0")];
    assert!(from_env(&any_two).is_ok());
}

#[test]
fn a_secret_is_read_from_a_file_or_from_the_variable_but_not_both() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    let path = file.to_str().unwrap();
    fs::write(&file, "postgres://u:S3CR3T@db/x\n").unwrap();
    let loaded = from_env(&[("DATABASE_URL_FILE", path)]).unwrap();
    assert_eq!(
        loaded.config.database.url.to_string(),
        "postgres://u:***@db/x"
    );
    assert_eq!(
        origin(&loaded, "database-url"),
        "environment DATABASE_URL_FILE"
    );
    let both = problems(&[("DATABASE_URL_FILE", path), ("DATABASE_URL", "sqlite:x")]);
    assert!(both[0].contains("unset one of them"), "{both:?}");
    fs::write(&file, "\n").unwrap();
    assert!(problems(&[("DATABASE_URL_FILE", path)])[0].contains("is empty"));
    assert!(problems(&[("REDIS_URL_FILE", "/no/such")])[0].contains("cannot read"));
}

#[test]
fn no_secret_is_shown_by_debug_or_by_the_entries() {
    let loaded = from_env(&[
        ("DATABASE_URL", "postgres://u:S3CR3T@db/x?password=S3CR3T"),
        ("REDIS_URL", "redis-cluster://:S3CR3T@a,b"),
    ])
    .unwrap();
    assert!(!format!("{loaded:?}").contains("S3CR3T"));
    assert!(format!("{:?}", loaded.config).contains("postgres://u:***@db/x"));
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let loaded = from_env(&[
        ("REDIS_URL", "redis://cache"),
        ("CATALOG_DB_POOLMAX", "3"),
        ("CATALOG_SERVICE_HOST", "10.0.0.1"),
        ("CATALOG_PORT", "tcp://10.0.0.1:50051"),
        ("CATALOG_REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
        ("CATALOG_COLOUR", "red"),
        ("CATALOG_TIP_DAILY_BUDGET", "50"),
    ])
    .unwrap();
    assert_eq!(loaded.warnings.len(), 4, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains("shared cache is not used"));
    let has = |text: &str| loaded.warnings.iter().any(|warning| warning.contains(text));
    assert!(has("did you mean CATALOG_DB_POOL_MAX?"));
    assert!(has(
        "CATALOG_COLOUR is no setting; `serve --help` has them all"
    ));
    assert!(has(
        "CATALOG_TIP_DAILY_BUDGET is 50 without a unit, which is 0.00005usd; 50usd"
    ));
}

#[test]
fn a_sqlite_file_is_migrated_whatever_the_switch_says() {
    let loaded = from_env(&[("CATALOG_AUTO_MIGRATE", "no")]).unwrap();
    assert!(loaded.config.database.auto_migrate);
    let postgres = from_env(&[("DATABASE_URL", "postgres://db/x")]).unwrap();
    assert!(!postgres.config.database.auto_migrate);
}

#[test]
fn every_setting_has_a_variable_of_this_program_too() {
    let ttl = |variables: &[(&str, &str)]| from_env(variables).unwrap().config.cache.ttl;
    let minute = std::time::Duration::from_mins(1);
    assert_eq!(ttl(&[("CATALOG_CACHE_TTL", "1m")]), minute);
    assert_eq!(ttl(&[("CHALLENGES_CACHE_TTL", "1m")]), minute);
    let both = problems(&[("CHALLENGES_CACHE_TTL", "1m"), ("CATALOG_CACHE_TTL", "2m")]);
    assert_eq!(
        both,
        ["CHALLENGES_CACHE_TTL: is set, and CATALOG_CACHE_TTL is set as well; unset one of them"]
    );
    let url = from_env(&[("CATALOG_DATABASE_URL", "postgres://db/x")]).unwrap();
    assert_eq!(url.config.database.url.to_string(), "postgres://db/x");
}

#[test]
fn an_amount_is_shown_in_dollars() {
    let loaded = from_env(&[("CATALOG_TIP_DAILY_BUDGET", "50")]).unwrap();
    let mut entries = loaded.entries.iter();
    let budget = entries.find(|entry| entry.setting.flag() == "tip-daily-budget");
    assert_eq!(budget.unwrap().shown, "0.00005usd");
}
