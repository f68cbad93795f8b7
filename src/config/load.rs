//! All settings in force, or all that is wrong with them: flags over environment over file over default.
use std::time::Duration;

use super::{
    DatabaseUrl, EnvVars, ProvidersConfig, RedisUrl, SETTINGS, controls, file, listeners,
    problem::Problems,
    providers,
    reader::{EffectiveSetting, Flags, Origin, Reader, ValueSources},
    secret_file::open_to_others,
    setting::{OWN, Setting, suggest},
    settings::{
        AUTO_MIGRATE, AccessConfig, CONFIG_FILE, CacheConfig, DB_POOL_MAX, DB_POOL_MIN,
        DatabaseConfig, FEED_POLL_INTERVAL, GRPC_ADDR, HttpConfig, LogConfig, MAX_STALENESS,
        REDIS_TLS_CA, REDIS_TLS_CERT, REDIS_TLS_KEY, REDIS_URL, RedisConfig, RowsConfig,
        SHUTDOWN_DELAY, ServerConfig, TipsConfig, all,
    },
    text::is_loopback,
    value::Value,
};
use crate::domain::ConfiguredControls;

/// Every value in force, checked. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// The system of record.
    pub database: DatabaseConfig,
    /// The cache that replicas share.
    pub redis: RedisConfig,
    /// What is remembered, and for how long.
    pub cache: CacheConfig,
    /// Who writes tips.
    pub providers: ProvidersConfig,
    /// How tips are made, kept and limited.
    pub tips: TipsConfig,
    /// What holds where operators decided nothing anew.
    pub controls: ConfiguredControls,
    /// The listeners and their limits.
    pub server: ServerConfig,
    /// Who may come in.
    pub access: AccessConfig,
    /// HTTP and JSON beside gRPC.
    pub http: HttpConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The values again, as people may see them and with who decided them, in the table's order.
    pub entries: Vec<EffectiveSetting>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// True when nobody gave a value for `setting`.
    #[must_use]
    pub fn is_default(&self, setting: &Setting) -> bool {
        let entry = self.entries.iter().find(|entry| entry.setting.is(setting));
        entry.is_none_or(|entry| entry.origin == Origin::Default)
    }
}

/// Finds every setting.
///
/// # Errors
///
/// Everything that is wrong, at once.
pub fn load(flags: &Flags, environment: &EnvVars) -> Result<Loaded, Problems> {
    let named = settings_file(flags, environment);
    let read = named.as_ref();
    let read = read.map(|(name, path)| file::read(name, path, &SETTINGS));
    let (file, mut problems) = read.unwrap_or_default();
    let sources = ValueSources {
        flags,
        environment,
        file,
        path: named.map(|(_, path)| path),
    };
    let mut reader = Reader::new(&sources);
    let config = config(&mut reader);
    problems.append(&mut reader.problems);
    match config {
        Some(config) if problems.is_empty() => {
            let mut warnings = warnings(&config, environment);
            warnings.append(&mut reader.warnings);
            Ok(Loaded {
                config,
                entries: reader.entries,
                warnings,
            })
        }
        Some(_) | None => Err(Problems(problems)),
    }
}

/// Who names the settings file, and its path.
fn settings_file(flags: &Flags, environment: &EnvVars) -> Option<(String, String)> {
    let flag = CONFIG_FILE.flag();
    let typed = flags
        .get(&flag)
        .map(|path| (format!("--{flag}"), path.clone()));
    let variable = || {
        let path = environment.get(CONFIG_FILE.env)?;
        Some((CONFIG_FILE.env.to_owned(), path.to_owned()))
    };
    typed.or_else(variable)
}

fn config(reader: &mut Reader<'_>) -> Option<Config> {
    let local = reader.value(&GRPC_ADDR).is_none_or(is_loopback);
    reader.special_default = Some((&SHUTDOWN_DELAY, if local { "0s" } else { "5s" }));
    let database = DatabaseConfig::read(reader);
    let redis = RedisConfig::read(reader);
    let cache = CacheConfig::read(reader);
    let providers = providers::providers(reader);
    let tips = TipsConfig::read(reader);
    let server = ServerConfig::read(reader);
    let http = HttpConfig::read(reader);
    let access = AccessConfig::read(reader);
    let log = LogConfig::read(reader);
    let rows = RowsConfig::read(reader);
    let flags = controls::flags(reader);
    check_together(reader);
    let (mut database, cache, providers, tips) = (database?, cache?, providers?, tips?);
    if matches!(database.url, DatabaseUrl::Sqlite(_)) {
        database.auto_migrate = true;
        let mut entries = reader.entries.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.setting.is(&AUTO_MIGRATE)) {
            entry.shown = true.to_string();
        }
    }
    let controls = ConfiguredControls {
        environment: rows?.environment,
        flags: flags?,
        settings: controls::settings(reader),
    };
    Some(Config {
        database,
        redis: redis?,
        cache,
        providers,
        tips,
        controls,
        server: server?,
        access: access?,
        http: http?,
        log: log?,
    })
}

/// Refuses values that are good, but not beside each other.
fn check_together(reader: &mut Reader<'_>) {
    if let Some((min, max)) = pair::<u32, u32>(reader, [&DB_POOL_MIN, &DB_POOL_MAX])
        && min > max
    {
        // Whoever set only the one is told about the one that was set.
        let min_is_set = reader.origin(&DB_POOL_MIN) != Origin::Default;
        let setting = if min_is_set {
            &DB_POOL_MIN
        } else {
            &DB_POOL_MAX
        };
        let problem = format!("db_pool_min ({min}) is more than db_pool_max ({max})");
        reader.refuse(setting, problem);
    }
    let times = pair::<Duration, Duration>(reader, [&FEED_POLL_INTERVAL, &MAX_STALENESS]);
    if let Some((poll, staleness)) = times
        && poll * 2 >= staleness
    {
        let (poll, staleness) = (
            poll.show(&FEED_POLL_INTERVAL),
            staleness.show(&MAX_STALENESS),
        );
        let problem = format!("must be less than half of max_staleness ({staleness}), not {poll}");
        reader.refuse(&FEED_POLL_INTERVAL, problem);
    }
    check_redis_tls(reader);
    listeners::check(reader);
}

/// Refuses what TLS to Redis would need without TLS, and half of a certificate and its key.
fn check_redis_tls(reader: &mut Reader<'_>) {
    let url = reader.value::<Option<RedisUrl>>(&REDIS_URL).flatten();
    let is_plain = url.is_some_and(|url| !url.is_tls());
    for setting in [&REDIS_TLS_CA, &REDIS_TLS_CERT, &REDIS_TLS_KEY] {
        if is_plain && listeners::is_set(reader, setting) {
            let problem = "is of no use: REDIS_URL is not one for TLS (rediss://…)";
            reader.refuse(setting, problem);
        }
    }
    let pair = [&REDIS_TLS_CERT, &REDIS_TLS_KEY];
    listeners::refuse_halves(reader, &[pair, [pair[1], pair[0]]]);
}

fn pair<A: Value, B: Value>(reader: &Reader<'_>, [one, other]: [&Setting; 2]) -> Option<(A, B)> {
    reader.value(one).zip(reader.value(other))
}

fn warnings(config: &Config, environment: &EnvVars) -> Vec<String> {
    let mut warnings = Vec::new();
    if let (DatabaseUrl::Sqlite(_), Some(_)) = (&config.database.url, &config.redis.url) {
        warnings.push(
            "REDIS_URL is set but the database is SQLite, which no other replica can share: \
             the shared cache is not used"
                .to_owned(),
        );
    }
    let has_providers = config.providers.anthropic.is_some() || config.providers.openai.is_some();
    let has_budget = config.tips.daily_budget_micro_usd.is_some();
    let is_plain = config.access.tls_cert.is_none();
    if config.access.access_file.is_some()
        && is_plain
        && !config.server.grpc_addr.ip().is_loopback()
    {
        warnings.push(
            "CATALOG_ACCESS_FILE is set without TLS: tokens travel in plain text on a network that others reach"
                .to_owned(),
        );
    }
    let server = &config.server;
    if let Some(addr) = server
        .ops_addr
        .filter(|addr| !is_loopback(*addr) && !server.insecure)
    {
        warnings.push(format!(
            "CATALOG_OPS_ADDR {addr} can be reached from other machines: metrics and settings, without \
             passwords, are shown to whoever reaches it, in plain text"
        ));
    }
    let guarded = [&config.access.access_file, &config.access.tls_key];
    let guarded = guarded.into_iter().flatten();
    warnings.extend(guarded.filter_map(|path| open_to_others(path)));
    if has_providers && !has_budget && !config.server.grpc_addr.ip().is_loopback() {
        warnings.push(
            "CATALOG_TIP_DAILY_BUDGET is not set: whoever reaches this server can have tips written for any amount"
                .to_owned(),
        );
    }
    warnings.extend(config.database.url.warning());
    warnings.extend(providers::warnings(&config.providers));
    warnings.extend(unknown_variables(environment));
    warnings
}

/// Variables that would be settings by the beginning of their names, with the known name that each was
/// probably meant to be.
fn unknown_variables(environment: &EnvVars) -> impl Iterator<Item = String> {
    let variables = all().flat_map(Setting::variables);
    let known: Vec<_> = variables.map(|(name, _)| name).collect();
    let unknown = environment
        .names()
        .filter(|name| name.starts_with(OWN) && !is_of_kubernetes(name));
    unknown.filter_map(move |name| {
        if known.iter().any(|known| known == name) {
            return None;
        }
        let near = suggest(name, known.iter().map(String::as_str));
        let hint = near.map_or("`serve --help` has them all".to_owned(), |near| {
            format!("did you mean {near}?")
        });
        Some(format!("{name} is no setting; {hint}"))
    })
}

/// What Kubernetes tells pods of a service whose name begins with `catalog`.
fn is_of_kubernetes(name: &str) -> bool {
    let is_port = |rest: &str| {
        let number = rest.split('_').next().unwrap_or_default();
        rest.is_empty() || number.parse::<u16>().is_ok()
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| is_port(rest))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
