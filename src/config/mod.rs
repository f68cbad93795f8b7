//! Every setting of the program, in one table, and how its value is found:
//! flags over environment over file over default. Nothing else reads the
//! environment. Knows of the domain what flags there are, and no other room.
mod client;
mod controls;
mod database_parameters;
mod database_servers;
mod database_url;
mod describe;
mod entry;
mod environment;
mod file;
mod given;
mod load;
mod near;
mod problem;
mod provider;
mod providers;
mod reader;
mod redact;
mod redis_url;
mod setting;
mod table;
mod text;
mod tips;
mod unit;
mod values;

pub use client::{CLIENT_SETTINGS, ClientConfig};
pub use controls::ControlsConfig;
pub use database_url::DatabaseUrl;
pub use describe::{in_force, markdown_table};
pub use entry::{Entry, Origin};
pub use environment::Environment;
pub use given::Flags;
pub use load::{Loaded, load};
pub use problem::{Problem, Problems};
pub use provider::{ProviderUrl, TokenLimitField};
pub use providers::{ProviderConfig, ProviderLimits, ProviderTimeouts, ProvidersConfig};
pub use redact::blank_passwords;
pub use redis_url::RedisUrl;
pub use setting::{Form, Section, Setting};
pub use table::{CONFIG_FILE, LOG, SETTINGS};
pub use tips::{AbandonedTips, TipRefresh, TipsConfig};
pub use values::{
    CacheConfig, Config, DatabaseConfig, LogConfig, LogFormat, RedisConfig, ServerConfig,
};
