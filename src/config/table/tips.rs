//! How tips are made, kept and limited.
use std::time::Duration;

use crate::config::setting::{Form, Section, Setting};

const DAY: u64 = 86_400;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn tip(
    flag: &'static str,
    env: &'static str,
    form: Form,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting {
        flag,
        env,
        section: Section::Tips,
        form,
        default,
        secret: false,
        help,
    }
}

pub(in crate::config) const TIP_TTL: Setting = tip(
    "tip-ttl",
    "CATALOG_TIP_TTL",
    Form::Duration {
        min: secs(1),
        max: secs(365 * DAY),
    },
    "7d",
    "How long a tip is current, or 10m at most if it ends within a sentence; a changed challenge gets another one at once",
);

pub(in crate::config) const TIP_MAX_BYTES: Setting = tip(
    "tip-max-bytes",
    "CATALOG_TIP_MAX_BYTES",
    Form::Bytes {
        min: 256,
        max: 16 << 10,
    },
    "4KiB",
    "How long a tip may be; a longer one is not used",
);

pub(in crate::config) const TIP_TIME_LIMIT: Setting = tip(
    "tip-time-limit",
    "CATALOG_TIP_TIME_LIMIT",
    Form::Duration {
        min: secs(1),
        max: secs(60),
    },
    "1m",
    "How long one tip may take, with all attempts; then another text stands in",
);

pub(in crate::config) const TIP_ABANDONED: Setting = tip(
    "tip-abandoned",
    "CATALOG_TIP_ABANDONED",
    Form::Text {
        value_name: "POLICY",
        expected: "finish or abort",
    },
    "finish",
    "What becomes of a tip that nobody waits for any more; most of it is paid for",
);

pub(in crate::config) const TIP_HEARTBEAT: Setting = tip(
    "tip-heartbeat",
    "CATALOG_TIP_HEARTBEAT",
    Form::Duration {
        min: secs(0),
        max: secs(60),
    },
    "15s",
    "How long a stream may be silent before it gives a sign of life; 0 for ever",
);

pub(in crate::config) const TIP_DAILY_BUDGET: Setting = tip(
    "tip-daily-budget",
    "CATALOG_TIP_DAILY_BUDGET",
    Form::Money {
        min: 0,
        max: 1_000_000_000_000,
    },
    "0",
    "What all replicas may spend on tips in a day (UTC), such as 5usd; a bare number is millionths of a US dollar, 0 any amount",
);

pub(in crate::config) const TIP_STREAMS_PER_MINUTE: Setting = tip(
    "tip-streams-per-minute",
    "CATALOG_TIP_STREAMS_PER_MINUTE",
    Form::Count {
        min: 1,
        max: 1_000_000,
    },
    "600",
    "How many tips one caller may ask for in a minute, of all replicas; half of them may come together",
);

pub(in crate::config) const TIP_STREAMS_AT_ONCE: Setting = tip(
    "tip-streams-at-once",
    "CATALOG_TIP_STREAMS_AT_ONCE",
    Form::Count {
        min: 1,
        max: 100_000,
    },
    "64",
    "How many tips one caller may have streamed at once, by one replica",
);

pub(in crate::config) const TIP_ORDERS_AT_ONCE: Setting = tip(
    "tip-orders-at-once",
    "CATALOG_TIP_ORDERS_AT_ONCE",
    Form::Count {
        min: 1,
        max: 10_000,
    },
    "256",
    "How many orders one replica may have under way; further ones wait",
);

pub(in crate::config) const TIP_LOCALES: Setting = tip(
    "tip-locales",
    "CATALOG_TIP_LOCALES",
    Form::Text {
        value_name: "LANGUAGES",
        expected: "languages with commas, such as en,de,pt-BR",
    },
    "en,ar,bg,bn,cs,da,de,el,es,et,fa,fi,fr,he,hi,hr,hu,id,it,ja,ko,lt,lv,ms,nb,nl,pl,pt,pt-BR,ro,ru,sk,sl,sr,sv,sw,ta,th,tr,uk,ur,vi,zh,zh-Hant",
    "In which languages tips are written; who wants a variety has its language, who wants none the first",
);

pub(in crate::config) const TIP_REFRESH: Setting = tip(
    "tip-refresh",
    "CATALOG_TIP_REFRESH",
    Form::Text {
        value_name: "WHO",
        expected: "all, local or nobody",
    },
    "local",
    "Who may have a tip written anew (TIP_MODE_REFRESH): all callers, those on the server's machine, or nobody",
);

pub(in crate::config) const REPLICAS: Setting = tip(
    "replicas",
    "CATALOG_REPLICAS",
    Form::Count { min: 1, max: 1_000 },
    "1",
    "How many replicas there are: without Redis, each takes this part of a limit; of a daily budget, where no Redis is set",
);
