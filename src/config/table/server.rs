//! The listener, its limits, the log, and the settings file itself.
use std::time::Duration;

use crate::config::setting::{Form, Section, Setting};

const DAY: u64 = 86_400;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Names the settings file; the one setting that cannot stand in it.
pub const CONFIG_FILE: Setting = Setting {
    flag: "config",
    env: "CATALOG_CONFIG",
    section: Section::File,
    form: Form::Text {
        value_name: "FILE",
        expected: "a TOML file of `key = value` lines",
    },
    default: "",
    secret: false,
    help: "Reads settings from FILE: one `key = value` a line, the key being the flag with _ for -",
};

pub(in crate::config) const GRPC_ADDR: Setting = Setting {
    flag: "grpc-addr",
    env: "CATALOG_GRPC_ADDR",
    section: Section::Server,
    form: Form::Text {
        value_name: "ADDR",
        expected: "IP:PORT or localhost:PORT; port 0 is any free one",
    },
    default: "127.0.0.1:50051",
    secret: false,
    help: "Where gRPC is served; an address that others can reach also needs --insecure",
};

pub(in crate::config) const INSECURE: Setting = Setting {
    flag: "insecure",
    env: "CATALOG_INSECURE",
    section: Section::Server,
    form: Form::Switch,
    default: "false",
    secret: false,
    help: "Serves in plain text and without credentials on addresses that others can reach",
};

pub(in crate::config) const OPS_ADDR: Setting = Setting {
    flag: "ops-addr",
    env: "CATALOG_OPS_ADDR",
    section: Section::Server,
    form: Form::Text {
        value_name: "ADDR",
        expected: "IP:PORT or localhost:PORT; port 0 is any free one",
    },
    default: "",
    secret: false,
    help: "Where /metrics and other pages for operators are served; not on grpc-addr, and to others only with --insecure",
};

pub(in crate::config) const PORT_FILE: Setting = Setting {
    flag: "port-file",
    env: "CATALOG_PORT_FILE",
    section: Section::Server,
    form: Form::Text {
        value_name: "FILE",
        expected: "a path",
    },
    default: "",
    secret: false,
    help: "Writes the address to FILE once the server answers",
};

pub(in crate::config) const REQUEST_TIMEOUT: Setting = Setting {
    flag: "request-timeout",
    env: "CATALOG_REQUEST_TIMEOUT",
    section: Section::Server,
    form: Form::Duration {
        min: ms(10),
        max: secs(30),
    },
    default: "5s",
    secret: false,
    help: "How long a call may take that brings no deadline",
};

pub(in crate::config) const STREAM_TIMEOUT: Setting = Setting {
    flag: "stream-timeout",
    env: "CATALOG_STREAM_TIMEOUT",
    section: Section::Server,
    form: Form::Duration {
        min: ms(10),
        max: secs(3600),
    },
    default: "5m",
    secret: false,
    help: "How long a stream of tips may last at most",
};

pub(in crate::config) const MAX_MESSAGE_BYTES: Setting = Setting {
    flag: "max-message-bytes",
    env: "CATALOG_MAX_MESSAGE_BYTES",
    section: Section::Server,
    form: Form::Bytes {
        min: KIB,
        max: 16 * MIB,
    },
    default: "1MiB",
    secret: false,
    help: "How large a request may be",
};

pub(in crate::config) const MAX_CALLS: Setting = Setting {
    flag: "max-calls",
    env: "CATALOG_MAX_CALLS",
    section: Section::Server,
    form: Form::Count {
        min: 1,
        max: 100_000,
    },
    default: "1024",
    secret: false,
    help: "How many calls wait for a load at once; more are refused as OVERLOADED",
};

pub(in crate::config) const MAX_STREAMS: Setting = Setting {
    flag: "max-streams",
    env: "CATALOG_MAX_STREAMS",
    section: Section::Server,
    form: Form::Count {
        min: 1,
        max: 1_000_000,
    },
    default: "10000",
    secret: false,
    help: "How many streams of tips run at once; more are refused as OVERLOADED",
};

pub(in crate::config) const MAX_CONNECTIONS: Setting = Setting {
    flag: "max-connections",
    env: "CATALOG_MAX_CONNECTIONS",
    section: Section::Server,
    form: Form::Count {
        min: 1,
        max: 1_000_000,
    },
    default: "10000",
    secret: false,
    help: "How many client connections are open at once; more are told OVERLOADED and sent away",
};

pub(in crate::config) const SHUTDOWN_DELAY: Setting = Setting {
    flag: "shutdown-delay",
    env: "CATALOG_SHUTDOWN_DELAY",
    section: Section::Server,
    form: Form::Duration {
        min: secs(0),
        max: secs(300),
    },
    default: "0s on a loopback address, else 5s",
    secret: false,
    help: "How long a stopping server says NOT_SERVING and still takes calls, so that balancers notice",
};

pub(in crate::config) const SHUTDOWN_GRACE: Setting = Setting {
    flag: "shutdown-grace",
    env: "CATALOG_SHUTDOWN_GRACE",
    section: Section::Server,
    form: Form::Duration {
        min: secs(0),
        max: secs(600),
    },
    default: "20s",
    secret: false,
    help: "How long running calls may take to end before they are cut off",
};

pub(in crate::config) const CONNECTION_AGE: Setting = Setting {
    flag: "connection-age",
    env: "CATALOG_CONNECTION_AGE",
    section: Section::Server,
    form: Form::Duration {
        min: secs(10),
        max: secs(DAY),
    },
    default: "5m",
    secret: false,
    help: "When a connection is asked to end, so that clients spread over new replicas",
};

pub(in crate::config) const CONNECTION_AGE_GRACE: Setting = Setting {
    flag: "connection-age-grace",
    env: "CATALOG_CONNECTION_AGE_GRACE",
    section: Section::Server,
    form: Form::Duration {
        min: secs(1),
        max: secs(3600),
    },
    default: "1m",
    secret: false,
    help: "How long calls on an old connection may take to end",
};

/// What is logged.
pub const LOG: Setting = Setting {
    flag: "log",
    env: "CATALOG_LOG",
    section: Section::Log,
    form: Form::Text {
        value_name: "FILTER",
        expected: "off, error, warn, info, debug or trace, or TARGET=LEVEL, parted by commas",
    },
    default: "info",
    secret: false,
    help: "What is logged, such as `info,challenges_catalog::cache=debug`",
};

pub(in crate::config) const LOG_FORMAT: Setting = Setting {
    flag: "log-format",
    env: "CATALOG_LOG_FORMAT",
    section: Section::Log,
    form: Form::Text {
        value_name: "FORMAT",
        expected: "auto, text or json",
    },
    default: "auto",
    secret: false,
    help: "How it is logged; auto is text on a terminal and JSON otherwise",
};
