//! Access files.
use std::sync::Arc;

use challenges_catalog::{
    access::{AccessRules, fuzzing::control},
    domain::{Authenticator, Clock, Credentials, UnixMicros},
};
use toml::{Table, Value};

use crate::{
    input::{Input, block_on},
    target::Target,
};

pub(super) const TARGET: Target = Target {
    name: "access_files",
    words: &[
        "[[token]]\n",
        "[[certificate]]\n",
        "[[issuer]]\n",
        "[[issuer.grant]]\n",
        "anonymous = \"viewer\"\n",
        "name = \"",
        "sha256 = \"",
        "role = \"",
        "viewer",
        "editor",
        "operator",
        "not_after = ",
        "2027-01-31",
        "T00:00:00Z",
        "requests_per_minute = ",
        "on_behalf = true\n",
        "san = \"",
        "spiffe://",
        "*",
        "*.",
        "url = \"",
        "https://",
        "http://[::1]",
        "algorithms = [\"RS256\"]\n",
        "claim = \"",
        "value = \"",
        "\"\n",
        "'''",
        "#",
        "\\u0000",
    ],
    memory_bytes: 2 << 20,
    check,
};

struct Never;

impl Clock for Never {
    fn now(&self) -> UnixMicros {
        UnixMicros(0)
    }
}

fn check(data: &[u8]) {
    let text = Input::new(data).text();
    match AccessRules::parse(&text) {
        Ok(rules) => {
            let is_open = block_on(lets_strangers_in(rules));
            let table: Table = text.parse().expect("it was read");
            assert_eq!(is_open, table.contains_key("anonymous"), "{text}");
        }
        Err(error) => {
            let problem = error.to_string();
            assert!(!problem.is_empty());
            for secret in secrets(&text) {
                assert!(!problem.contains(&secret), "{secret:?} in {problem:?}");
            }
        }
    }
}

async fn lets_strangers_in(rules: AccessRules) -> bool {
    let control = control(rules, Arc::new(Never), b"{\"keys\":[]}").expect("a key set");
    let nothing = Credentials {
        authorization: None,
        certificate: None,
        address: None,
    };
    let wrong = Credentials {
        authorization: Some(b"Bearer wrong"),
        ..nothing
    };
    assert!(control.authenticate(wrong).await.is_err(), "nobody has it");
    control.authenticate(nothing).await.is_ok()
}

/// What stands where a hash belongs: somebody may put the token itself there.
fn secrets(text: &str) -> Vec<String> {
    let table: Table = text.parse().unwrap_or_default();
    let tokens = table.get("token").and_then(Value::as_array);
    let hashes = tokens.into_iter().flatten();
    let hashes = hashes.filter_map(|token| token.get("sha256")?.as_str());
    // A short one may well stand in a sentence, and a name may be equal to it.
    let repeated = |hash: &&str| hash.len() < 12 || text.matches(*hash).count() > 1;
    hashes
        .filter(|hash| !repeated(hash))
        .map(str::to_owned)
        .collect()
}
