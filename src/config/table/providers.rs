//! Who writes tips, and how long that may take.
use std::time::Duration;

use crate::config::setting::{Form, Section, Setting};

const fn timeout(
    flag: &'static str,
    env: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting {
        flag,
        env,
        section: Section::Providers,
        form: Form::Duration {
            min: Duration::from_millis(10),
            max: Duration::from_mins(1),
        },
        default,
        secret: false,
        help,
    }
}

/// A limit that a provider's account has, over all replicas.
const fn limit(
    flag: &'static str,
    env: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting {
        form: Form::Count {
            min: 0,
            max: 1_000_000_000,
        },
        ..timeout(flag, env, default, help)
    }
}

/// What a provider takes, in the currency of budgets.
const fn price(
    flag: &'static str,
    env: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting {
        form: Form::Money {
            min: 0,
            max: 1_000_000_000,
        },
        ..timeout(flag, env, default, help)
    }
}

pub(in crate::config) const ANTHROPIC_API_KEY: Setting = Setting {
    flag: "anthropic-api-key",
    env: "ANTHROPIC_API_KEY",
    section: Section::Providers,
    form: Form::Text {
        value_name: "KEY",
        expected: "a key, on one line",
    },
    default: "",
    secret: true,
    help: "Lets Anthropic write tips, before any other provider",
};

pub(in crate::config) const ANTHROPIC_AUTH_TOKEN: Setting = Setting {
    flag: "anthropic-auth-token",
    env: "ANTHROPIC_AUTH_TOKEN",
    help: "As the key, for gateways that want a bearer token; both are sent where both are there",
    ..ANTHROPIC_API_KEY
};

/// Headers that an order has besides.
const fn headers(flag: &'static str, env: &'static str, help: &'static str) -> Setting {
    Setting {
        flag,
        env,
        form: Form::Text {
            value_name: "HEADERS",
            expected: "NAME: VALUE, several with ; in between",
        },
        help,
        ..ANTHROPIC_API_KEY
    }
}

pub(in crate::config) const ANTHROPIC_HEADERS: Setting = headers(
    "anthropic-headers",
    "CATALOG_ANTHROPIC_HEADERS",
    "Headers that orders to Anthropic have besides, as gateways want them; they win over ours",
);

pub(in crate::config) const ANTHROPIC_BASE_URL: Setting = Setting {
    flag: "anthropic-base-url",
    env: "ANTHROPIC_BASE_URL",
    section: Section::Providers,
    form: Form::Text {
        value_name: "URL",
        expected: "http:// or https://HOST[:PORT][/PATH], without credentials",
    },
    default: "https://api.anthropic.com",
    secret: false,
    help: "Where Anthropic's Messages API is; v1/messages is put behind it",
};

pub(in crate::config) const ANTHROPIC_MODEL: Setting = Setting {
    flag: "anthropic-model",
    env: "CATALOG_ANTHROPIC_MODEL",
    section: Section::Providers,
    form: Form::Text {
        value_name: "MODEL",
        expected: "a model's name",
    },
    default: "claude-haiku-4-5",
    secret: false,
    help: "Which model of Anthropic's writes",
};

pub(in crate::config) const ANTHROPIC_REQUESTS_PER_MINUTE: Setting = limit(
    "anthropic-requests-per-minute",
    "CATALOG_ANTHROPIC_REQUESTS_PER_MINUTE",
    "600",
    "How many orders Anthropic may get in a minute; 0 for any number",
);

pub(in crate::config) const ANTHROPIC_TOKENS_PER_MINUTE: Setting = limit(
    "anthropic-tokens-per-minute",
    "CATALOG_ANTHROPIC_TOKENS_PER_MINUTE",
    "0",
    "How many tokens Anthropic may read and write in a minute; 0 for any number",
);

pub(in crate::config) const ANTHROPIC_INPUT_PRICE: Setting = price(
    "anthropic-input-price",
    "CATALOG_ANTHROPIC_INPUT_PRICE",
    "1usd",
    "What Anthropic takes for a million tokens read, such as 1usd; a bare number is millionths of a US dollar",
);

pub(in crate::config) const ANTHROPIC_OUTPUT_PRICE: Setting = price(
    "anthropic-output-price",
    "CATALOG_ANTHROPIC_OUTPUT_PRICE",
    "5usd",
    "What Anthropic takes for a million tokens written, likewise",
);

pub(in crate::config) const OPENAI_BASE_URL: Setting = Setting {
    flag: "openai-base-url",
    env: "CATALOG_OPENAI_BASE_URL",
    section: Section::Providers,
    form: Form::Text {
        value_name: "URL",
        expected: "http:// or https://HOST[:PORT][/PATH], without credentials",
    },
    default: "",
    secret: false,
    help: "Lets a server with OpenAI's chat completions write tips; most URLs end in /v1",
};

pub(in crate::config) const OPENAI_API_KEY: Setting = Setting {
    flag: "openai-api-key",
    env: "CATALOG_OPENAI_API_KEY",
    section: Section::Providers,
    form: Form::Text {
        value_name: "KEY",
        expected: "a key, on one line",
    },
    default: "",
    secret: true,
    help: "The key for that server, if it wants one",
};

pub(in crate::config) const OPENAI_HEADERS: Setting = headers(
    "openai-headers",
    "CATALOG_OPENAI_HEADERS",
    "Headers that orders to that server have besides; they win over ours",
);

pub(in crate::config) const OPENAI_TOKEN_LIMIT_FIELD: Setting = Setting {
    flag: "openai-token-limit-field",
    env: "CATALOG_OPENAI_TOKEN_LIMIT_FIELD",
    section: Section::Providers,
    form: Form::Text {
        value_name: "FIELD",
        expected: "auto, max_tokens or max_completion_tokens",
    },
    default: "auto",
    secret: false,
    help: "What that server calls the limit of tokens; auto: max_tokens until it is refused",
};

pub(in crate::config) const OPENAI_STREAM_USAGE: Setting = Setting {
    flag: "openai-stream-usage",
    env: "CATALOG_OPENAI_STREAM_USAGE",
    form: Form::Text {
        value_name: "WHETHER",
        expected: "auto, true or false",
    },
    help: "Whether orders ask that server for what they cost (stream_options); auto: until it is refused",
    ..OPENAI_TOKEN_LIMIT_FIELD
};

pub(in crate::config) const OPENAI_MODEL: Setting = Setting {
    flag: "openai-model",
    env: "CATALOG_OPENAI_MODEL",
    section: Section::Providers,
    form: Form::Text {
        value_name: "MODEL",
        expected: "a model's name",
    },
    default: "",
    secret: false,
    help: "Which model of that server writes; needed with openai-base-url",
};

pub(in crate::config) const OPENAI_REQUESTS_PER_MINUTE: Setting = limit(
    "openai-requests-per-minute",
    "CATALOG_OPENAI_REQUESTS_PER_MINUTE",
    "600",
    "How many orders that server may get in a minute; 0 for any number",
);

pub(in crate::config) const OPENAI_TOKENS_PER_MINUTE: Setting = limit(
    "openai-tokens-per-minute",
    "CATALOG_OPENAI_TOKENS_PER_MINUTE",
    "0",
    "How many tokens that server may read and write in a minute; 0 for any number",
);

pub(in crate::config) const OPENAI_INPUT_PRICE: Setting = price(
    "openai-input-price",
    "CATALOG_OPENAI_INPUT_PRICE",
    "0",
    "What that server takes for a million tokens read, such as 1usd; a bare number is millionths of a US dollar",
);

pub(in crate::config) const OPENAI_OUTPUT_PRICE: Setting = price(
    "openai-output-price",
    "CATALOG_OPENAI_OUTPUT_PRICE",
    "0",
    "What that server takes for a million tokens written, likewise",
);

pub(in crate::config) const TIP_TEMPERATURE: Setting = Setting {
    flag: "tip-temperature",
    env: "CATALOG_TIP_TEMPERATURE",
    section: Section::Providers,
    form: Form::Text {
        value_name: "NUMBER",
        expected: "0 to 2, or to 1 with Anthropic, in thousandths",
    },
    default: "1",
    secret: false,
    help: "How freely models choose words; 1 is not sent, and goes with every model",
};

pub(in crate::config) const TIP_MAX_TOKENS: Setting = Setting {
    flag: "tip-max-tokens",
    env: "CATALOG_TIP_MAX_TOKENS",
    section: Section::Providers,
    form: Form::Count {
        min: 16,
        max: 4_096,
    },
    default: "400",
    secret: false,
    help: "Where a model is stopped; a tip that is cut off is not used",
};

pub(in crate::config) const TIP_CONNECT_TIMEOUT: Setting = timeout(
    "tip-connect-timeout",
    "CATALOG_TIP_CONNECT_TIMEOUT",
    "5s",
    "How long a connection to a provider may take",
);

pub(in crate::config) const TIP_FIRST_TEXT_TIMEOUT: Setting = timeout(
    "tip-first-text-timeout",
    "CATALOG_TIP_FIRST_TEXT_TIMEOUT",
    "20s",
    "How long a provider may take until its first text; pings do not count",
);

pub(in crate::config) const TIP_IDLE_TIMEOUT: Setting = timeout(
    "tip-idle-timeout",
    "CATALOG_TIP_IDLE_TIMEOUT",
    "20s",
    "How long a provider's answer may be silent",
);

pub(in crate::config) const TIP_TEXT_IDLE_TIMEOUT: Setting = timeout(
    "tip-text-idle-timeout",
    "CATALOG_TIP_TEXT_IDLE_TIMEOUT",
    "30s",
    "How long it may go on without text, pings or not",
);

pub(in crate::config) const TIP_TIMEOUT: Setting = timeout(
    "tip-timeout",
    "CATALOG_TIP_TIMEOUT",
    "1m",
    "How long one attempt may take in all",
);
