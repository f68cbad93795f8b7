use secrecy::ExposeSecret;

use crate::config::{Environment, Flags, Loaded, load, problem::Problems};

fn from_env(pairs: &[(&str, &str)]) -> Result<Loaded, Problems> {
    load(
        &Flags::new(),
        &pairs.iter().copied().collect::<Environment>(),
    )
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
    let told = load(&empty, &Environment::default())
        .map(|_| ())
        .unwrap_err();
    assert!(
        told.to_string().contains("--anthropic-api-key: is empty"),
        "{told}"
    );
}

#[test]
fn a_key_is_shown_nowhere() {
    let pairs = [
        ("ANTHROPIC_API_KEY", "S3CR3T"),
        ("CATALOG_OPENAI_API_KEY", "S3CR3T"),
        SERVER,
        MODEL,
    ];
    let loaded = from_env(&pairs).unwrap();
    assert!(!format!("{loaded:?}").contains("S3CR3T"));
    let shown = loaded.entries.iter().filter(|entry| entry.shown == "***");
    assert_eq!(shown.count(), 2);
}

#[test]
fn a_key_that_travels_openly_is_warned_of() {
    let url = ("ANTHROPIC_BASE_URL", "http://llm.internal");
    let loaded = from_env(&[("ANTHROPIC_API_KEY", "k"), url, SERVER, MODEL]).unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].starts_with("ANTHROPIC_BASE_URL is plain http"));
}
