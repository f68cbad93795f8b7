use std::time::Duration;

use super::{reader::Reader, table};
use crate::domain::Locale;

/// How tips are made, kept and limited.
#[derive(Clone, Debug)]
pub struct TipsConfig {
    /// How long a tip is current; 1 second or more.
    pub ttl: Duration,
    /// How long a tip may be, in bytes; 256 to 16 384.
    pub max_bytes: usize,
    /// How long one tip may take, with all attempts; a minute at most.
    pub time_limit: Duration,
    /// What becomes of a tip that nobody waits for any more.
    pub abandoned: AbandonedTips,
    /// A sign of life after so long a silence; zero for none.
    pub heartbeat: Duration,
    /// What may be spent in a day, in millionths of a US dollar.
    pub daily_budget_micro_usd: Option<u64>,
    /// How many tips one caller may ask for in a minute; 1 or more.
    pub streams_per_minute: u32,
    /// How many one caller may have streamed at once; 1 or more.
    pub streams_at_once: usize,
    /// How many orders one replica may have under way; 1 or more.
    pub orders_at_once: usize,
    /// In which languages tips are written; the first is the default.
    pub locales: Vec<Locale>,
    /// Who may have a tip written anew.
    pub refresh: TipRefresh,
    /// How many replicas there are; 1 or more.
    pub replicas: u32,
}

/// Who may have a tip written anew that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TipRefresh {
    /// Every caller.
    All,
    /// Callers on the server's machine.
    Local,
    /// None.
    Nobody,
}

impl TipRefresh {
    /// The word in the settings.
    const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Local => "local",
            Self::Nobody => "nobody",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let known = [Self::All, Self::Local, Self::Nobody].into_iter();
        let mut named = known.filter(|who| who.as_str() == text);
        named
            .next()
            .ok_or_else(|| format!("must be all, local or nobody, not {text:?}"))
    }
}

/// No list is longer.
const LOCALES_MAX: usize = 200;

fn locales(text: &str) -> Result<Vec<Locale>, String> {
    let locales = text.split(',').map(|name| {
        let name = name.trim();
        let locale = name.parse::<Locale>();
        locale.map_err(|problem| format!("{name:?} {problem}"))
    });
    let locales: Vec<_> = locales.collect::<Result<_, _>>()?;
    if locales.len() > LOCALES_MAX {
        return Err(format!("must be {LOCALES_MAX} languages at most"));
    }
    Ok(locales)
}

/// What becomes of a tip that nobody waits for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbandonedTips {
    /// It is written to its end, and kept.
    Finish,
    /// The provider is told to stop.
    Abort,
}

impl AbandonedTips {
    /// The word in the settings.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Finish => "finish",
            Self::Abort => "abort",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let known = [Self::Finish, Self::Abort].into_iter();
        let mut named = known.filter(|policy| policy.as_str() == text);
        named
            .next()
            .ok_or_else(|| format!("must be finish or abort, not {text:?}"))
    }
}

/// Reads all of it, in the table's order.
pub(super) fn tips(reader: &mut Reader<'_>) -> Option<TipsConfig> {
    let ttl = reader.duration(&table::TIP_TTL);
    let max_bytes = reader.number(&table::TIP_MAX_BYTES);
    let time_limit = reader.duration(&table::TIP_TIME_LIMIT);
    let setting = &table::TIP_ABANDONED;
    let abandoned = reader.read(setting, setting.default, AbandonedTips::parse, |policy| {
        policy.as_str().to_owned()
    });
    let heartbeat = reader.duration(&table::TIP_HEARTBEAT);
    let daily_budget_micro_usd = reader.unless_zero(&table::TIP_DAILY_BUDGET);
    let streams_per_minute = reader.number(&table::TIP_STREAMS_PER_MINUTE);
    let streams_at_once = reader.number(&table::TIP_STREAMS_AT_ONCE);
    let orders_at_once = reader.number(&table::TIP_ORDERS_AT_ONCE);
    let setting = &table::TIP_LOCALES;
    let locales = reader.read(setting, setting.default, locales, |locales| {
        let names: Vec<_> = locales.iter().map(Locale::as_str).collect();
        names.join(",")
    });
    let setting = &table::TIP_REFRESH;
    let refresh = reader.read(setting, setting.default, TipRefresh::parse, |who| {
        who.as_str().to_owned()
    });
    let replicas = reader.number(&table::REPLICAS);
    Some(TipsConfig {
        ttl: ttl?,
        max_bytes: max_bytes?,
        time_limit: time_limit?,
        abandoned: abandoned?,
        heartbeat: heartbeat?,
        daily_budget_micro_usd: daily_budget_micro_usd?,
        streams_per_minute: streams_per_minute?,
        streams_at_once: streams_at_once?,
        orders_at_once: orders_at_once?,
        locales: locales?,
        refresh: refresh?,
        replicas: replicas?,
    })
}
