use secrecy::ExposeSecret;

use crate::config::{EnvVars, Flags, Loaded, TokenLimitField, load, problem::Problems};

fn from_env(pairs: &[(&str, &str)]) -> Result<Loaded, Problems> {
    load(&Flags::new(), &pairs.iter().copied().collect::<EnvVars>())
}

fn problems(pairs: &[(&str, &str)]) -> Vec<String> {
    let problems = from_env(pairs).map(|_| ()).unwrap_err();
    problems.0.iter().map(ToString::to_string).collect()
}

const SERVER: (&str, &str) = ("CATALOG_OPENAI_BASE_URL", "http://127.0.0.1:1/v1");
const MODEL: (&str, &str) = ("CATALOG_OPENAI_MODEL", "m");

#[test]
fn a_key_brings_anthropic_in_and_a_url_the_other() {
    let none = from_env(&[("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")]).unwrap();
    let none = none.config.providers;
    assert!(none.anthropic.is_none() && none.openai.is_none());
    let both = from_env(&[("ANTHROPIC_API_KEY", "k"), SERVER, MODEL]).unwrap();
    let both = both.config.providers;
    let anthropic = both.anthropic.unwrap();
    assert_eq!(anthropic.key.unwrap().expose_secret(), "k");
    assert_eq!(anthropic.model, "claude-haiku-4-5");
    let openai = both.openai.unwrap();
    assert_eq!(openai.base_url.to_string(), "http://127.0.0.1:1/v1");
    assert!(openai.key.is_none());
}

#[test]
fn a_provider_gets_ten_requests_a_second_unless_that_is_set() {
    let limits = |limit: Option<&str>| {
        let limit = limit.map(|limit| ("CATALOG_ANTHROPIC_REQUESTS_PER_MINUTE", limit));
        let pairs: Vec<_> = [("ANTHROPIC_API_KEY", "k")]
            .into_iter()
            .chain(limit)
            .collect();
        let anthropic = from_env(&pairs).unwrap().config.providers.anthropic;
        anthropic.unwrap().limits.requests_per_minute
    };
    assert_eq!(
        [limits(None), limits(Some("600")), limits(Some("7"))],
        [Some(600), Some(600), Some(7)]
    );
    assert_eq!(limits(Some("0")), None);
}

#[test]
fn what_belongs_together_is_asked_for_together() {
    let without = |name, missing| format!("{name}: is of no use without {missing}");
    let lonely = without("CATALOG_OPENAI_BASE_URL", "CATALOG_OPENAI_MODEL");
    assert_eq!(problems(&[SERVER]), [lonely]);
    for pair in [MODEL, ("CATALOG_OPENAI_API_KEY", "k")] {
        assert_eq!(
            problems(&[pair]),
            [without(pair.0, "CATALOG_OPENAI_BASE_URL")]
        );
    }
    let warm = ("CATALOG_TIP_TEMPERATURE", "1.001");
    assert!(from_env(&[warm]).is_ok());
    assert!(problems(&[warm, ("ANTHROPIC_API_KEY", "k")])[0].contains("1 at most"));
}

#[test]
fn bad_values_are_all_told_at_once_and_keys_are_not_repeated() {
    let told = problems(&[
        ("ANTHROPIC_API_KEY", "S3CR3T\nx"),
        ("ANTHROPIC_BASE_URL", "ftp://u:S3CR3T@a"),
        ("CATALOG_OPENAI_API_KEY", " "),
        ("CATALOG_TIP_TEMPERATURE", "hot"),
        ("CATALOG_TIP_MAX_TOKENS", "0"),
        ("CATALOG_TIP_TIMEOUT", "2m"),
    ]);
    assert_eq!(told.len(), 6, "{told:#?}");
    assert!(!told.concat().contains("S3CR3T"), "{told:#?}");
    let empty = Flags::from([("anthropic-api-key".to_owned(), String::new())]);
    let told = load(&empty, &EnvVars::default()).map(|_| ()).unwrap_err();
    assert!(
        told.to_string().contains("--anthropic-api-key: is empty"),
        "{told}"
    );
}

#[test]
fn a_token_brings_anthropic_in_too() {
    let loaded = from_env(&[("ANTHROPIC_AUTH_TOKEN", "t")]).unwrap();
    let anthropic = loaded.config.providers.anthropic.unwrap();
    assert!(anthropic.key.is_none());
    assert_eq!(anthropic.auth_token.unwrap().expose_secret(), "t");
}

#[test]
fn addresses_with_what_is_put_behind_them_are_refused_and_odd_ones_are_told() {
    let wrong = ("CATALOG_OPENAI_BASE_URL", "https://a/v1/chat/completions");
    assert!(problems(&[wrong, MODEL])[0].contains("must not end in /chat/completions"));
    let wrong = ("ANTHROPIC_BASE_URL", "https://a/v1/messages/");
    assert!(problems(&[wrong])[0].contains("must not end in /v1/messages"));
    for (odd, told) in [
        (
            vec![("CATALOG_OPENAI_BASE_URL", "https://api.openai.com"), MODEL],
            "https://api.openai.com/v1",
        ),
        (
            vec![
                ("ANTHROPIC_API_KEY", "k"),
                ("ANTHROPIC_BASE_URL", "https://a/v1"),
            ],
            "/v1/v1/messages",
        ),
    ] {
        let warnings = from_env(&odd).unwrap().warnings;
        assert!(
            warnings.len() == 1 && warnings[0].contains(told),
            "{warnings:?}"
        );
    }
}

#[test]
fn what_orders_have_may_be_set_or_left_to_be_found_out() {
    let of = |more: &[(&str, &str)]| {
        let loaded = from_env(&[&[SERVER, MODEL], more].concat()).unwrap();
        let openai = loaded.config.providers.openai.unwrap();
        (openai.token_limit, openai.stream_usage)
    };
    assert_eq!(of(&[]), (None, None));
    let set = [
        ("CATALOG_OPENAI_TOKEN_LIMIT_FIELD", "max_completion_tokens"),
        ("CATALOG_OPENAI_STREAM_USAGE", "false"),
    ];
    assert_eq!(
        of(&set),
        (Some(TokenLimitField::MaxCompletionTokens), Some(false))
    );
    let wrong = set.map(|(name, _)| (name, "perhaps"));
    assert_eq!(problems(&[&[SERVER, MODEL], &wrong[..]].concat()).len(), 2);
}

#[test]
fn a_key_is_shown_nowhere() {
    let pairs = [
        ("ANTHROPIC_API_KEY", "S3CR3T"),
        ("ANTHROPIC_AUTH_TOKEN", "S3CR3T"),
        ("CATALOG_OPENAI_API_KEY", "S3CR3T"),
        ("CATALOG_OPENAI_HEADERS", "api-key: S3CR3T"),
        SERVER,
        MODEL,
    ];
    let loaded = from_env(&pairs).unwrap();
    assert!(!format!("{loaded:?}").contains("S3CR3T"));
    let shown = loaded.entries.iter().filter(|entry| entry.shown == "***");
    assert_eq!(shown.count(), 3);
    let headers = loaded
        .entries
        .iter()
        .find(|entry| entry.shown == "api-key: ***");
    assert!(headers.is_some());
}

#[test]
fn a_key_that_travels_openly_is_warned_of() {
    let url = ("ANTHROPIC_BASE_URL", "http://llm.internal");
    let loaded = from_env(&[("ANTHROPIC_API_KEY", "k"), url, SERVER, MODEL]).unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].starts_with("ANTHROPIC_BASE_URL is plain http"));
}
