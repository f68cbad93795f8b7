use std::{net::SocketAddr, path::PathBuf};

use super::{
    CLIENT_SETTINGS, CacheConfig, Config, ControlsConfig, DatabaseConfig, DatabaseUrl, Environment,
    LogConfig, RedisConfig, RedisUrl, ServerConfig, controls,
    entry::{Entry, Origin},
    file::{self, FileValues},
    given::{Flags, Sources},
    near::nearest,
    problem::{Problem, Problems},
    providers,
    reader::{Reader, optional},
    setting::{OWN, Setting},
    table, text, tips, unit,
};

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The values again, as people may see them and with who decided them, in the table's order.
    pub entries: Vec<Entry>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// True when nobody gave a value for `setting`.
    #[must_use]
    pub fn is_default(&self, setting: &Setting) -> bool {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.setting.flag == setting.flag);
        entry.is_none_or(|entry| entry.origin == Origin::Default)
    }
}

/// Finds every setting: flags over environment over file over default.
///
/// # Errors
///
/// Everything that is wrong, at once.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded, Problems> {
    let (file, file_problems) = settings_file(flags, environment);
    let sources = Sources {
        flags,
        environment,
        file,
    };
    let mut reader = Reader::new(&sources);
    let config = config(&mut reader);
    let mut problems = file_problems;
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

fn settings_file(flags: &Flags, environment: &Environment) -> (FileValues, Vec<Problem>) {
    let setting = &table::CONFIG_FILE;
    let flag = flags
        .get(setting.flag)
        .map(|path| (format!("--{}", setting.flag), path.as_str()));
    let path = flag.or_else(|| Some((setting.env.to_owned(), environment.get(setting.env)?)));
    path.map(|(name, path)| file::read(&name, path, table::SETTINGS))
        .unwrap_or_default()
}

fn config(reader: &mut Reader<'_>) -> Option<Config> {
    let database = database(reader);
    let redis = redis(reader);
    let cache = cache(reader);
    let providers = providers::providers(reader);
    let tips = tips::tips(reader);
    let server = server(reader);
    let log = log(reader);
    let environment = controls::environment(reader);
    let flags = controls::flags(reader);
    let (cache, providers, tips) = (cache?, providers?, tips?);
    let controls = ControlsConfig {
        environment: environment?,
        flags: flags?,
        settings: controls::settings(reader, &cache, &providers, &tips),
    };
    Some(Config {
        database: database?,
        redis: redis?,
        cache,
        providers,
        tips,
        controls,
        server: server?,
        log: log?,
    })
}

fn database(reader: &mut Reader<'_>) -> Option<DatabaseConfig> {
    let setting = &table::DATABASE_URL;
    let url = reader.read(
        setting,
        setting.default,
        DatabaseUrl::parse,
        ToString::to_string,
    );
    let pool_min = reader.number::<u32>(&table::DB_POOL_MIN);
    let pool_max = reader.number::<u32>(&table::DB_POOL_MAX);
    let acquire_timeout = reader.duration(&table::DB_ACQUIRE_TIMEOUT);
    let statement_timeout = reader.duration(&table::DB_STATEMENT_TIMEOUT);
    let sqlite = matches!(url, Some(DatabaseUrl::Sqlite(_)));
    let auto_migrate = reader.switch(&table::AUTO_MIGRATE, sqlite);
    let history_retention = reader.optional_duration(&table::HISTORY_RETENTION);
    if let (Some(min), Some(max)) = (pool_min, pool_max)
        && min > max
    {
        // Whoever set only the one is told about the one that was set.
        let min_is_set = reader.origin(&table::DB_POOL_MIN) != Origin::Default;
        let setting = if min_is_set {
            &table::DB_POOL_MIN
        } else {
            &table::DB_POOL_MAX
        };
        reader.refuse(
            setting,
            format!("db_pool_min ({min}) is more than db_pool_max ({max})"),
        );
    }
    Some(DatabaseConfig {
        url: url?,
        url_file: reader.secret_file(setting),
        pool_min: pool_min?,
        pool_max: pool_max?,
        acquire_timeout: acquire_timeout?,
        statement_timeout: statement_timeout?,
        auto_migrate: auto_migrate?,
        history_retention: history_retention?,
    })
}

fn redis(reader: &mut Reader<'_>) -> Option<RedisConfig> {
    let url = reader.read(&table::REDIS_URL, "", optional(RedisUrl::parse), |url| {
        url.as_ref().map(ToString::to_string).unwrap_or_default()
    });
    let file = |path: &str| text::certificates(path).map(|_| PathBuf::from(path));
    let tls_ca = reader.read(&table::REDIS_TLS_CA, "", optional(file), |path| {
        path.as_deref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    });
    if let (Some(Some(_)), Some(Some(url))) = (&tls_ca, &url)
        && !url.is_tls()
    {
        let problem = "is of no use: REDIS_URL is not one for TLS (rediss://…)";
        reader.refuse(&table::REDIS_TLS_CA, problem.to_owned());
    }
    let timeout = reader.duration(&table::REDIS_TIMEOUT);
    let pool = reader.number(&table::REDIS_POOL);
    Some(RedisConfig {
        url: url?,
        url_file: reader.secret_file(&table::REDIS_URL),
        tls_ca: tls_ca?,
        timeout: timeout?,
        pool: pool?,
    })
}

fn cache(reader: &mut Reader<'_>) -> Option<CacheConfig> {
    let ttl = reader.duration(&table::CACHE_TTL);
    let near_bytes = reader.number(&table::NEAR_CACHE_BYTES);
    let max_staleness = reader.duration(&table::MAX_STALENESS);
    let feed_poll_interval = reader.duration(&table::FEED_POLL_INTERVAL);
    let stale_retention = reader.duration(&table::STALE_RETENTION);
    let fill_concurrency = reader.number(&table::FILL_CONCURRENCY);
    let audit_interval = reader.duration(&table::AUDIT_INTERVAL);
    if let (Some(poll), Some(staleness)) = (feed_poll_interval, max_staleness)
        && poll * 2 >= staleness
    {
        let (poll, staleness) = (unit::show_duration(poll), unit::show_duration(staleness));
        reader.refuse(
            &table::FEED_POLL_INTERVAL,
            format!("must be less than half of max_staleness ({staleness}), not {poll}"),
        );
    }
    Some(CacheConfig {
        ttl: ttl?,
        near_bytes: near_bytes?,
        max_staleness: max_staleness?,
        feed_poll_interval: feed_poll_interval?,
        stale_retention: stale_retention?,
        fill_concurrency: fill_concurrency?,
        audit_interval: audit_interval?,
    })
}

fn server(reader: &mut Reader<'_>) -> Option<ServerConfig> {
    let setting = &table::GRPC_ADDR;
    let grpc_addr = reader.read(
        setting,
        setting.default,
        text::grpc_addr,
        ToString::to_string,
    );
    let insecure = reader.switch(&table::INSECURE, false);
    let ops_addr = reader.read(&table::OPS_ADDR, "", optional(text::grpc_addr), |addr| {
        addr.map(|addr| addr.to_string()).unwrap_or_default()
    });
    let port_file = reader.read(&table::PORT_FILE, "", optional(text::path), |path| {
        path.as_deref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    });
    let request_timeout = reader.duration(&table::REQUEST_TIMEOUT);
    let stream_timeout = reader.duration(&table::STREAM_TIMEOUT);
    let max_message_bytes = reader.number(&table::MAX_MESSAGE_BYTES);
    let max_calls = reader.number(&table::MAX_CALLS);
    let max_streams = reader.number(&table::MAX_STREAMS);
    let max_connections = reader.number(&table::MAX_CONNECTIONS);
    let local = grpc_addr.is_none_or(text::is_loopback);
    let shutdown_delay =
        reader.duration_or(&table::SHUTDOWN_DELAY, if local { "0s" } else { "5s" });
    let shutdown_grace = reader.duration(&table::SHUTDOWN_GRACE);
    let connection_age = reader.duration(&table::CONNECTION_AGE);
    let connection_age_grace = reader.duration(&table::CONNECTION_AGE_GRACE);
    for (setting, addr) in [
        (&table::GRPC_ADDR, grpc_addr),
        (&table::OPS_ADDR, ops_addr.flatten()),
    ] {
        if let (Some(addr), Some(false)) = (addr, insecure) {
            refuse_reachable(reader, setting, addr);
        }
    }
    if let (Some(grpc), Some(Some(ops))) = (grpc_addr, ops_addr) {
        refuse_shared(reader, grpc, ops);
    }
    Some(ServerConfig {
        grpc_addr: grpc_addr?,
        insecure: insecure?,
        ops_addr: ops_addr?,
        port_file: port_file?,
        request_timeout: request_timeout?,
        stream_timeout: stream_timeout?,
        max_message_bytes: max_message_bytes?,
        max_calls: max_calls?,
        max_streams: max_streams?,
        max_connections: max_connections?,
        shutdown_delay: shutdown_delay?,
        shutdown_grace: shutdown_grace?,
        connection_age: connection_age?,
        connection_age_grace: connection_age_grace?,
    })
}

/// What operators see is not for callers.
fn refuse_shared(reader: &mut Reader<'_>, grpc: SocketAddr, ops: SocketAddr) {
    let any_address = grpc.ip().is_unspecified() || ops.ip().is_unspecified();
    let same_address = any_address || grpc.ip() == ops.ip();
    if grpc.port() != 0 && grpc.port() == ops.port() && same_address {
        let problem = format!("{ops} is where gRPC is served ({grpc}); use another port");
        reader.refuse(&table::OPS_ADDR, problem);
    }
}

fn refuse_reachable(reader: &mut Reader<'_>, setting: &Setting, addr: SocketAddr) {
    if !text::is_loopback(addr) {
        let problem = format!(
            "{addr} can be reached from other machines, and calls need no credentials; \
             use a loopback address such as 127.0.0.1:{}, or allow it with --insecure",
            addr.port()
        );
        reader.refuse(setting, problem);
    }
}

fn log(reader: &mut Reader<'_>) -> Option<LogConfig> {
    let filter = reader.read(
        &table::LOG,
        table::LOG.default,
        text::log_filter,
        Clone::clone,
    );
    let format = reader.read(
        &table::LOG_FORMAT,
        table::LOG_FORMAT.default,
        text::log_format,
        |format| format.as_str().to_owned(),
    );
    Some(LogConfig {
        filter: filter?,
        format: format?,
    })
}

fn warnings(config: &Config, environment: &Environment) -> Vec<String> {
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
fn unknown_variables(environment: &Environment) -> impl Iterator<Item = String> {
    let settings = table::SETTINGS
        .iter()
        .chain([&table::CONFIG_FILE])
        .chain(CLIENT_SETTINGS);
    let variables = settings.flat_map(Setting::variables);
    let known: Vec<_> = variables.map(|(name, _)| name).collect();
    let unknown = environment
        .names()
        .filter(|name| name.starts_with(OWN) && !is_of_kubernetes(name));
    unknown.filter_map(move |name| {
        if known.iter().any(|known| known == name) {
            return None;
        }
        let near = nearest(name, known.iter().map(String::as_str));
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
