//! Every setting, once: name, type, what is accepted, default, and a sentence. Flag, environment variable, key in the
//! settings file, help text, row in docs/settings.md, field and reader follow from that.
#![expect(
    clippy::doc_markdown,
    reason = "the sentences are help texts too, which terminals show as they are"
)]
use std::{net::SocketAddr, path::PathBuf, sync::LazyLock, time::Duration};

use secrecy::SecretString;

use super::{
    AbandonedTips, ClientAuth, DatabaseUrl, EdgeKind, EdgePurgeOn, HttpCaching, HttpCompat,
    HttpOrigin, LogFormat, ProviderUrl, RedisUrl, ReflectionAccess, TipRefresh, TokenLimitField,
    provider::{ends_before_completions, ends_before_messages, is_model},
    reader::Reader,
    setting::{
        DAY, GIB, MIB, SECOND, Section, Setting, bytes, count, duration, money, switch, text,
    },
    text::{is_certificates, is_log_filter, is_service_id},
    value::Thousandths,
};
use crate::domain::{Environment, Flag, Locale};

/// A section: a constant for each setting, a structure with their values, and its reader. The optional last
/// field is not a setting: the named method of the reader computes it.
macro_rules! settings {
    (
        #[doc = $about:literal]
        $vis:vis $config:ident: $section:ident { $(
            $(#[doc = $help:literal])+
            $setting:ident $field:ident: $type:ty = $definition:expr;
        )+ }
        $( #[doc = $more_about:literal] $more:ident: $more_type:ty = $find:ident($arg:expr); )?
    ) => {
        $(
            pub(super) const $setting: Setting = $definition.named(
                stringify!($setting),
                concat!("CATALOG_", stringify!($setting)),
                Section::$section,
                concat!($($help),+),
            );
        )+

        #[doc = $about]
        #[derive(Clone, Debug)]
        $vis struct $config {
            $( $(#[doc = $help])+ $vis $field: $type, )+
            $( #[doc = $more_about] $vis $more: $more_type, )?
        }

        impl $config {
            const SETTINGS: &[Setting] = &[$($setting),+];

            /// Reads all before it misses one, so that all that is wrong is told at once.
            pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
                $( let $field = reader.read(&$setting); )+
                Some(Self { $( $field: $field?, )+ $( $more: reader.$find($arg), )? })
            }
        }
    };
}

/// Names the settings file; the one setting that cannot stand in it.
pub const CONFIG_FILE: Setting = text("FILE", "a TOML file of `key = value` lines").named(
    "CONFIG",
    "CATALOG_CONFIG",
    Section::File,
    "Reads settings from FILE: one `key = value` a line, the key being the flag with _ for -",
);

/// Every setting of the server, in the order in which they are shown; those of flags follow the others.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let sections = [
        DatabaseConfig::SETTINGS,
        RedisConfig::SETTINGS,
        CacheConfig::SETTINGS,
        EdgesConfig::SETTINGS,
        AnthropicConfig::SETTINGS,
        OpenaiConfig::SETTINGS,
        ModelConfig::SETTINGS,
        ProviderTimeouts::SETTINGS,
        TipsConfig::SETTINGS,
        ServerConfig::SETTINGS,
        HttpConfig::SETTINGS,
        AccessConfig::SETTINGS,
        LogConfig::SETTINGS,
        RowsConfig::SETTINGS,
    ];
    let flags = Flag::ALL.map(|flag| {
        let definition = flag.definition();
        let setting = switch().or(definition.default).env(definition.env);
        setting.named(
            definition.option,
            definition.env,
            Section::Flags,
            definition.description,
        )
    });
    sections
        .into_iter()
        .flatten()
        .copied()
        .chain(flags)
        .collect()
});

/// Every setting of the commands that call a server.
pub static CLIENT_SETTINGS: &[Setting] = CallConfig::SETTINGS;

/// What is logged, which a running server takes anew.
pub const LOG_FILTER: &Setting = &LOG;

/// Every setting there is.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    std::iter::once(&CONFIG_FILE)
        .chain(SETTINGS.iter())
        .chain(CLIENT_SETTINGS)
}

/// A replica that was silent for so much longer is forgotten; see migrations, `report`.
const SILENT_MAX: u64 = 20 * SECOND;
const REDIS_URLS: &str = "redis:// or rediss://[USER:PASSWORD@]HOST[:PORT][/DB], \
    redis-cluster:// or rediss-cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT],…, or \
    redis-sentinel:// or rediss-sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT],…/SERVICE[/DB]";

settings! {
    /// Where the catalog is kept.
    pub DatabaseConfig: Database {
        /// Where the catalog is kept
        DATABASE_URL url: DatabaseUrl =
            text("URL", "postgres://USER:PASSWORD@HOST:PORT/NAME, or sqlite:PATH")
            .or("sqlite:challenges.sqlite").env("DATABASE_URL").secret();
        /// How many connections for reads are kept open; at most db-pool-max
        DB_POOL_MIN pool_min: u32 = count(0, 500).or("8");
        /// How many connections for reads there are at most; a replica has 6 more, for polls,
        /// LISTEN and edits
        DB_POOL_MAX pool_max: u32 = count(2, 500).or("20");
        /// How long a call waits for a free connection, and as long again for a new one
        DB_ACQUIRE_TIMEOUT acquire_timeout: Duration = duration(10, 30 * SECOND).or("500ms");
        /// How long one statement may run
        DB_STATEMENT_TIMEOUT statement_timeout: Duration = duration(10, 60 * SECOND).or("5s");
        /// Lets `serve` migrate a Postgres database; a SQLite file is always migrated
        AUTO_MIGRATE auto_migrate: bool = switch().or("false");
        /// How long the history of changes is kept, but for what each challenge is now; without it,
        /// for ever
        HISTORY_RETENTION history_retention: Option<Duration> = duration(DAY, 36_500 * DAY);
    }
    /// The file that holds the URL, when it was given as one.
    url_file: Option<PathBuf> = secret_file(&DATABASE_URL);
}

settings! {
    /// The cache that replicas share.
    pub RedisConfig: Redis {
        /// The cache that all replicas share; without it each replica caches for itself
        REDIS_URL url: Option<RedisUrl> = text("URL", REDIS_URLS).env("REDIS_URL").secret();
        /// The authorities that may certify Redis, instead of those that the machine trusts
        REDIS_TLS_CA tls_ca: Option<PathBuf> = text("FILE", "a PEM file").env("REDIS_TLS_CA")
            .checked(is_certificates);
        /// The certificate to show to Redis, and those that lead to its authority
        REDIS_TLS_CERT tls_cert: Option<PathBuf> = text("FILE", "a PEM file")
            .env("REDIS_TLS_CERT").checked(is_certificates);
        /// The key of that certificate
        REDIS_TLS_KEY tls_key: Option<PathBuf> = text("FILE", "a PEM file").env("REDIS_TLS_KEY");
        /// How long one Redis command may take before the call goes on without it
        REDIS_TIMEOUT timeout: Duration = duration(1, 5 * SECOND).or("50ms");
        /// How many connections to Redis, though no more than cores; each carries many calls at
        /// once
        REDIS_POOL pool: u32 = count(1, 32).or("3");
    }
    /// The file that holds the URL, when it was given as one.
    url_file: Option<PathBuf> = secret_file(&REDIS_URL);
}

settings! {
    /// What is remembered, and for how long.
    pub CacheConfig: Cache {
        /// How long an unchanged answer stays cached; changes are seen at once, whatever this says
        CACHE_TTL ttl: Duration = duration(SECOND, 7 * DAY).or("10m").env("CHALLENGES_CACHE_TTL");
        /// How much memory each replica's own cache may take
        NEAR_CACHE_BYTES near_bytes: u64 = bytes(MIB, 64 * GIB).or("64MiB");
        /// How old an answer may be that is not marked stale
        MAX_STALENESS max_staleness: Duration = duration(100, SILENT_MAX).or("2s");
        /// How often the database is asked for changes; less than half of max-staleness
        FEED_POLL_INTERVAL feed_poll_interval: Duration = duration(10, 30 * SECOND).or("500ms");
        /// How long an outdated answer is kept for the time when the database is gone
        STALE_RETENTION stale_retention: Duration = duration(0, 30 * DAY).or("1d");
        /// How many answers are read from the database at once; other callers wait
        FILL_CONCURRENCY fill_concurrency: usize = count(1, 256).or("8");
        /// How often one random cached answer is compared with the database, by the fleet; 0 for
        /// never
        AUDIT_INTERVAL audit_interval: Duration = duration(0, DAY).or("1s");
    }
}

settings! {
    /// The edge caches in front of the HTTP interface, and how they are purged.
    pub EdgesConfig: Edges {
        /// Which edge cache is purged of what has changed: varnish, fastly or cloudflare
        EDGE_PURGE kind: EdgeKind = text("KIND", "varnish, fastly, cloudflare or none").or("none");
        /// Where purges go: the instances of Varnish, several parted by commas; of Fastly and
        /// Cloudflare the base of their API, unless it is their own
        EDGE_PURGE_URL purge_urls: Vec<ProviderUrl> =
            text("URLS", "http:// or https://HOST[:PORT][/PATH], several with commas");
        /// The API token with which Fastly or Cloudflare is purged
        EDGE_PURGE_TOKEN token: Option<SecretString> = text("TOKEN", "a token, on one line")
            .secret();
        /// The id of the service at Fastly, or of the zone at Cloudflare
        EDGE_PURGE_SERVICE service: Option<String> = text("ID", "letters, digits, - and _")
            .checked(is_service_id);
        /// What callers of the edge ask, which proves that a purge took effect; several for
        /// instances of Varnish that have one each. Without it, those are asked where they are purged
        EDGE_URL urls: Vec<ProviderUrl> =
            text("URLS", "http:// or https://HOST[:PORT][/PATH], several with commas");
        /// When the edge is purged: on invalidations only, or on every commit too; in both cases
        /// when the catalog is switched off
        EDGE_PURGE_ON purge_on: EdgePurgeOn = text("WHEN", "invalidations or commits")
            .or("invalidations");
    }
}

settings! {
    /// How Anthropic is reached.
    pub(super) AnthropicConfig: Providers {
        /// Lets Anthropic write tips, before any other provider
        ANTHROPIC_API_KEY key: Option<SecretString> = text("KEY", "a key, on one line")
            .env("ANTHROPIC_API_KEY").secret();
        /// Bearer token for gateways; sent in addition to the key if both are set
        ANTHROPIC_AUTH_TOKEN auth_token: Option<SecretString> = text("KEY", "a key, on one line")
            .env("ANTHROPIC_AUTH_TOKEN").secret();
        /// More headers of requests to Anthropic, as gateways want them; they win over ours
        ANTHROPIC_HEADERS headers: Vec<(String, SecretString)> =
            text("HEADERS", "NAME: VALUE, several with ; in between")
            .secret();
        /// Where Anthropic's Messages API is; v1/messages is put behind it
        ANTHROPIC_BASE_URL base_url: ProviderUrl =
            text("URL", "http:// or https://HOST[:PORT][/PATH], without credentials")
            .or("https://api.anthropic.com").env("ANTHROPIC_BASE_URL")
            .checked(ends_before_messages);
        /// Which model of Anthropic's writes
        ANTHROPIC_MODEL model: String = text("MODEL", "a model's name").or("claude-haiku-4-5")
            .checked(is_model);
        /// How many requests Anthropic may get in a minute; 0 for any number
        ANTHROPIC_REQUESTS_PER_MINUTE requests_per_minute: Option<u32> = count(0, 1_000_000_000)
            .or("600");
        /// How many tokens Anthropic may read and write in a minute; 0 for any number
        ANTHROPIC_TOKENS_PER_MINUTE tokens_per_minute: Option<u32> = count(0, 1_000_000_000)
            .or("0");
        /// What Anthropic takes for a million tokens read, such as 1usd; a bare number is
        /// millionths of a US dollar
        ANTHROPIC_INPUT_PRICE input_price: u64 = money(0, 1_000_000_000).or("1usd");
        /// What Anthropic takes for a million tokens written, likewise
        ANTHROPIC_OUTPUT_PRICE output_price: u64 = money(0, 1_000_000_000).or("5usd");
    }
}

settings! {
    /// How a server with `OpenAI`'s chat completions is reached.
    pub(super) OpenaiConfig: Providers {
        /// Lets a server with OpenAI's chat completions write tips; most URLs end in /v1
        OPENAI_BASE_URL base_url: Option<ProviderUrl> =
            text("URL", "http:// or https://HOST[:PORT][/PATH], without credentials")
            .checked(ends_before_completions);
        /// The key for that server, if it wants one
        OPENAI_API_KEY key: Option<SecretString> = text("KEY", "a key, on one line").secret();
        /// More headers of requests to that server; they win over ours
        OPENAI_HEADERS headers: Vec<(String, SecretString)> =
            text("HEADERS", "NAME: VALUE, several with ; in between")
            .secret();
        /// Which model of that server writes; needed with openai-base-url
        OPENAI_MODEL model: Option<String> = text("MODEL", "a model's name").checked(is_model);
        /// What that server calls the limit of tokens; auto: max_tokens until it is refused
        OPENAI_TOKEN_LIMIT_FIELD token_limit: Option<TokenLimitField> =
            text("FIELD", "auto, max_tokens or max_completion_tokens")
            .or("auto");
        /// Whether requests ask that server for their cost (stream_options); auto: until it is
        /// refused
        OPENAI_STREAM_USAGE stream_usage: Option<bool> = text("WHETHER", "auto, true or false")
            .or("auto");
        /// How many requests that server may get in a minute; 0 for any number
        OPENAI_REQUESTS_PER_MINUTE requests_per_minute: Option<u32> = count(0, 1_000_000_000)
            .or("600");
        /// How many tokens that server may read and write in a minute; 0 for any number
        OPENAI_TOKENS_PER_MINUTE tokens_per_minute: Option<u32> = count(0, 1_000_000_000).or("0");
        /// What that server takes for a million tokens read, such as 1usd; a bare number is
        /// millionths of a US dollar
        OPENAI_INPUT_PRICE input_price: u64 = money(0, 1_000_000_000).or("0");
        /// What that server takes for a million tokens written, likewise
        OPENAI_OUTPUT_PRICE output_price: u64 = money(0, 1_000_000_000).or("0");
    }
}

settings! {
    /// How models write.
    pub(super) ModelConfig: Providers {
        /// How freely models choose words; 1 is not sent, and goes with every model
        TIP_TEMPERATURE temperature: Thousandths =
            text("NUMBER", "0 to 2, or to 1 with Anthropic, in thousandths")
            .or("1");
        /// Where a model is stopped; a tip that is cut off is not used
        TIP_MAX_TOKENS max_output_tokens: u32 = count(16, 4_096).or("400");
    }
}

settings! {
    /// How long an attempt of a provider may take.
    pub ProviderTimeouts: Providers {
        /// How long a connection to a provider may take
        TIP_CONNECT_TIMEOUT connect: Duration = duration(10, 60 * SECOND).or("5s");
        /// How long a provider may take until its first text; pings do not count
        TIP_FIRST_TEXT_TIMEOUT first_text: Duration = duration(10, 60 * SECOND).or("20s");
        /// How long a provider's answer may be silent
        TIP_IDLE_TIMEOUT idle: Duration = duration(10, 60 * SECOND).or("20s");
        /// How long it may go on without text, pings or not
        TIP_TEXT_IDLE_TIMEOUT text_idle: Duration = duration(10, 60 * SECOND).or("30s");
        /// How long one attempt may take in all
        TIP_TIMEOUT total: Duration = duration(10, 60 * SECOND).or("1m");
    }
}

settings! {
    /// How tips are made, kept and limited.
    pub TipsConfig: Tips {
        /// How long a tip is current, or 10m at most if it ends within a sentence; a changed
        /// challenge gets another one at once
        TIP_TTL ttl: Duration = duration(SECOND, 365 * DAY).or("7d");
        /// How long a tip may be; a longer one is not used
        TIP_MAX_BYTES max_bytes: usize = bytes(256, 16 << 10).or("4KiB");
        /// How long one tip may take, with all attempts; then readers get a fallback
        TIP_TIME_LIMIT time_limit: Duration = duration(SECOND, 60 * SECOND).or("1m");
        /// What becomes of a tip that nobody waits for any more; most of it is paid for
        TIP_ABANDONED abandoned: AbandonedTips = text("POLICY", "finish or abort").or("finish");
        /// How long a stream may be silent before it gives a sign of life; 0 for ever
        TIP_HEARTBEAT heartbeat: Duration = duration(0, 60 * SECOND).or("15s");
        /// What all replicas may spend on tips in a day (UTC), such as 5usd; a bare number is
        /// millionths of a US dollar, 0 any amount
        TIP_DAILY_BUDGET daily_budget_micro_usd: Option<u64> = money(0, 1_000_000_000_000).or("0");
        /// How many tips one caller may ask for in a minute, of all replicas; half of them may come
        /// together
        TIP_STREAMS_PER_MINUTE streams_per_minute: u32 = count(1, 1_000_000).or("600");
        /// How many tips one caller may have streamed at once, by one replica
        TIP_STREAMS_AT_ONCE streams_at_once: usize = count(1, 100_000).or("64");
        /// How many requests to providers one replica may have in progress; further ones wait
        TIP_ORDERS_AT_ONCE orders_at_once: usize = count(1, 10_000).or("256");
        /// In which languages tips are written; who wants a variety has its language, who wants
        /// none the first
        TIP_LOCALES locales: Vec<Locale> =
            text("LANGUAGES", "languages with commas, such as en,de,pt-BR")
            .or("en,ar,bg,bn,cs,da,de,el,es,et,fa,fi,fr,he,hi,hr,hu,id,it,ja,ko,lt,lv,ms,nb,nl,pl,pt,pt-BR,ro,ru,sk,sl,sr,sv,sw,ta,th,tr,uk,ur,vi,zh,zh-Hant");
        /// Who may have a tip written anew (TIP_MODE_REFRESH): all callers, those on the server's
        /// machine, or nobody
        TIP_REFRESH refresh: TipRefresh = text("WHO", "all, local or nobody").or("local");
        /// How many replicas there are: without Redis, each takes this part of a limit; of a daily
        /// budget, where no Redis is set
        REPLICAS replicas: u32 = count(1, 1_000).or("1");
    }
}

settings! {
    /// The listener and its limits.
    pub ServerConfig: Server {
        /// Where gRPC is served; an address that others can reach needs tls-cert and access-file,
        /// or --insecure
        GRPC_ADDR grpc_addr: SocketAddr =
            text("ADDR", "IP:PORT or localhost:PORT; port 0 is any free one")
            .or("127.0.0.1:50051");
        /// Where the services for operators and editors are served, beside all others; they are then
        /// no longer on grpc-addr
        ADMIN_ADDR admin_addr: Option<SocketAddr> =
            text("ADDR", "IP:PORT or localhost:PORT; port 0 is any free one");
        /// Where health alone is served, in plain text and to everybody, such as for the kubelet
        HEALTH_ADDR health_addr: Option<SocketAddr> =
            text("ADDR", "IP:PORT or localhost:PORT; port 0 is any free one");
        /// Serves in plain text and without credentials on addresses that others can reach
        INSECURE insecure: bool = switch().or("false");
        /// Where /metrics and other pages for operators are served; not on grpc-addr, and to others
        /// only with tls-cert and access-file, or --insecure
        OPS_ADDR ops_addr: Option<SocketAddr> =
            text("ADDR", "IP:PORT or localhost:PORT; port 0 is any free one");
        /// Writes the address to FILE once the server answers
        PORT_FILE port_file: Option<PathBuf> = text("FILE", "a path");
        /// How long a call may take; a client's longer deadline is cut to this
        REQUEST_TIMEOUT request_timeout: Duration = duration(10, 30 * SECOND).or("5s");
        /// How long any stream may last: tips, imports, exports, reflection
        STREAM_TIMEOUT stream_timeout: Duration = duration(10, 3_600 * SECOND).or("5m");
        /// How large a request may be
        MAX_MESSAGE_BYTES max_message_bytes: usize = bytes(1 << 10, 16 * MIB).or("1MiB");
        /// How many calls wait for a load at once; more get the copy at hand, marked stale, or OVERLOADED
        MAX_CALLS max_calls: usize = count(1, 100_000).or("1024");
        /// How many streams of tips and exports run at once; more are refused as OVERLOADED
        MAX_STREAMS max_streams: usize = count(1, 1_000_000).or("10000");
        /// How many client connections are open at once; more get OVERLOADED and are sent away
        MAX_CONNECTIONS max_connections: usize = count(1, 1_000_000).or("10000");
        /// How long a stopping server says NOT_SERVING and still takes calls, so that balancers
        /// notice
        SHUTDOWN_DELAY shutdown_delay: Duration = duration(0, 300 * SECOND)
            .or("0s on a loopback address, else 5s");
        /// How long running calls may take to end before they are cut off
        SHUTDOWN_GRACE shutdown_grace: Duration = duration(0, 600 * SECOND).or("20s");
        /// When a connection is asked to end, so that clients spread over new replicas
        CONNECTION_AGE connection_age: Duration = duration(10 * SECOND, DAY).or("5m");
        /// How long calls on an old connection may take to end
        CONNECTION_AGE_GRACE connection_age_grace: Duration = duration(SECOND, 3_600 * SECOND)
            .or("1m");
    }
}

settings! {
    /// HTTP and JSON beside gRPC.
    pub HttpConfig: Http {
        /// Where HTTP and JSON are served, HTTP/1.1 and HTTP/2; to others only with tls-cert and
        /// access-file, or --insecure
        HTTP_ADDR addr: Option<SocketAddr> =
            text("ADDR", "IP:PORT or localhost:PORT; port 0 is any free one");
        /// What Cache-Control allows: proof is what is called fresh anyway, edge a minute in shared
        /// caches that edge-purge purges, off nothing
        HTTP_CACHE caching: HttpCaching = text("PROFILE", "proof, edge or off").or("proof");
        /// How the old routes answer a bad difficulty: 422 as planned, or 400 as deployed
        HTTP_COMPAT compat: HttpCompat = text("FORM", "plan or deployed").or("plan");
        /// The origins whose pages may call (CORS); none unless set; * is all, and for reading alone
        HTTP_CORS_ORIGIN cors_origins: Vec<HttpOrigin> =
            text("ORIGINS", "https://HOST[:PORT], several with commas, or *");
    }
}

settings! {
    /// Who may come in, and how the way there is encrypted.
    pub AccessConfig: Access {
        /// The certificate that callers are shown, and those that lead to its authority; read again
        /// every 10 s
        TLS_CERT tls_cert: Option<PathBuf> = text("FILE", "a PEM file").checked(is_certificates);
        /// The key of that certificate
        TLS_KEY tls_key: Option<PathBuf> = text("FILE", "a PEM file");
        /// The authorities that may certify callers
        TLS_CLIENT_CA tls_client_ca: Option<PathBuf> = text("FILE", "a PEM file")
            .checked(is_certificates);
        /// Whether callers must show a certificate of tls-client-ca
        TLS_CLIENT_AUTH tls_client_auth: ClientAuth =
            text("WHETHER", "none, request or required").or("none");
        /// Who may call what: tokens, certificates and issuers of tokens, each with a role; read again
        /// every 10 s. Without it everybody may call everything
        ACCESS_FILE access_file: Option<PathBuf> = text("FILE", "a TOML file");
        /// Who may list the services and read their contract by reflection
        REFLECTION reflection: ReflectionAccess =
            text("WHO", "on, authenticated or off").or("on");
    }
}

settings! {
    /// What is logged.
    pub LogConfig: Log {
        /// What is logged, such as `info,challenges_catalog::cache=debug`
        LOG filter: String =
            text("FILTER", "off, error, warn, info, debug or trace, or TARGET=LEVEL, parted by commas")
            .or("info").checked(is_log_filter);
        /// How it is logged; auto is text on a terminal and JSON otherwise
        LOG_FORMAT format: LogFormat = text("FORMAT", "auto, text or json").or("auto");
    }
}

settings! {
    /// Where rows of flags and settings come from.
    pub(super) RowsConfig: Flags {
        /// Whose rows of flags and settings count here, before those for all environments
        ENVIRONMENT environment: Option<Environment> = text("NAME", "1 to 20 of a-z, 0-9, - and _");
    }
}

settings! {
    /// How a server is called, as it was given.
    pub(super) CallConfig: Client {
        /// The server to call
        ADDR addr: String = text("URL", "http:// or https://HOST:PORT, or HOST:PORT for http")
            .or("http://127.0.0.1:50051");
        /// How long to wait for the connection, and for each answer
        TIMEOUT timeout: Duration = duration(1, 3_600 * SECOND).or("5s")
            .env("CATALOG_CLIENT_TIMEOUT");
        /// Sends the token in FILE with every call, as `authorization: Bearer`
        TOKEN_FILE token_file: Option<PathBuf> =
            text("FILE", "a file that holds a token, on one line");
        /// Whom to trust behind https://, instead of those that the machine trusts
        TLS_CA tls_ca: Option<PathBuf> = text("FILE", "a file of certificates in PEM");
        /// The certificate to show to a server that asks for one
        CLIENT_CERT client_cert: Option<PathBuf> = text("FILE", "a file of certificates in PEM");
        /// The key of that certificate
        CLIENT_KEY client_key: Option<PathBuf> = text("FILE", "a PEM file");
    }
}
