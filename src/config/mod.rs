//! Every setting of the program, declared once in `settings`, and how its value is found: flags over
//! environment over file over default. Nothing else reads the environment. Of other modules it uses
//! `domain` only: flags, runtime settings, environments and locales. To read first: `settings`, then `reader` and `load`.
mod bounded;
mod client;
mod controls;
mod database_parameters;
mod database_servers;
mod database_url;
mod describe;
mod env_vars;
mod file;
mod http_origin;
mod listeners;
mod load;
mod problem;
mod provider;
mod providers;
mod reader;
mod redact;
mod redis_url;
mod secret_file;
mod setting;
mod settings;
mod text;
mod unit;
mod value;
mod value_kind;

pub use bounded::{read_text, read_text_within};
pub use client::ClientConfig;
pub use database_url::DatabaseUrl;
pub use describe::{in_force, markdown_table};
pub use env_vars::EnvVars;
pub use http_origin::HttpOrigin;
pub use load::{Config, Loaded, load};
pub use problem::{Problem, Problems};
pub use provider::ProviderUrl;
pub use providers::{ProviderConfig, ProviderLimits, ProvidersConfig};
pub use reader::{EffectiveSetting, Flags, Origin};
pub use redact::blank_passwords;
pub use redis_url::RedisUrl;
pub use secret_file::open_to_others;
pub use setting::{Section, Setting};
pub use settings::{
    AccessConfig, CLIENT_SETTINGS, CONFIG_FILE, CacheConfig, DatabaseConfig, HttpConfig,
    LOG_FILTER, LogConfig, ProviderTimeouts, RedisConfig, SETTINGS, ServerConfig, TipsConfig,
};
pub use value::{
    AbandonedTips, ClientAuth, HttpCaching, HttpCompat, LogFormat, ReflectionAccess, TipRefresh,
    TokenLimitField,
};
pub use value_kind::ValueKind;
