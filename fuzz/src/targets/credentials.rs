//! The `authorization` header: tokens of the access file, and signed tokens (JWT) of issuers with their key sets.
use std::{
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use challenges_catalog::{
    access::{AccessControl, AccessRules, fuzzing::control},
    domain::{
        Authenticator, CallerId, Clock, CredentialError, Credentials, Identity, Role, UnixMicros,
    },
};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde_json::{Map, Value, json};

use crate::{
    input::{Input, block_on, with_byte},
    target::Target,
};

pub(super) const TARGET: Target = Target {
    name: "credentials",
    words: &[
        "Bearer ",
        "bearer ",
        "Basic ",
        ".",
        "eyJ",
        "{\"alg\":\"none\"}",
        "{\"alg\":\"HS256\"}",
        "\"kid\":\"ed\"",
        "\"kid\":\"rsa\"",
        "\"alg\":\"EdDSA\"",
        "\"alg\":\"RS256\"",
        "\"iss\":",
        "\"https://issuer.example\"",
        "\"aud\":",
        "\"catalog\"",
        "\"exp\":4102444800",
        "\"nbf\":",
        "\"sub\":",
        "\"ann\"",
        "\"realm\":{\"roles\":[",
        "\"writer\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        "1e300",
        "-1",
        "null",
        "\"keys\":[",
        "\"kty\":\"OKP\"",
    ],
    memory_bytes: 2 << 20,
    check,
};

const RULES: &str = r#"
[[token]]
name = "shop"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
role = "viewer"
[[issuer]]
url = "https://issuer.example"
audience = "catalog"
algorithms = ["EdDSA", "RS256"]
[[issuer.grant]]
claim = "sub"
value = "ann"
role = "viewer"
[[issuer.grant]]
claim = "realm.roles"
value = "writer"
role = "editor"
"#;
/// The token of the access file.
const TOKEN: &str = "abc";
const HEADER: &str = r#"{"alg":"EdDSA","kid":"ed"}"#;
const CLAIMS: &str =
    r#"{"iss":"https://issuer.example","aud":"catalog","exp":4102444800,"sub":"ann"}"#;
/// Of a key that nobody has any more.
const RSA_MODULUS: &str = "nSI1Z6Ahx7-mLSLJtav2MVFDXhzGaAiFdfTpivyUQkm4aAVekxL73iNxlEnZzHK1YrySEs_cXJrePZ5R8ZICsgWm89mqcugpedjSO2B4EC7Th9XHQv_qNU_QZc3eC0bskDhEO9RK1kbOKM9w-yKCD6BaJqAkS4cCvB8vYK6y5DXsBxgnCvMQ6c9t_FXTDNsiKoGIYGyY7Zt4zDMQoQy1Roamm8DBL4kDWsLJDhWP8GwIiLpD5nGcashLV7OuYXQjCdjVODQAiSWKQ02m__99W-jKMhoyd1iZrt6dkh_ID30Qa1Fih-jeUFQXMvmqvbH7q8Ug7r8haMbmM0ZOu3_9XQ";
/// Clocks of issuers may differ from ours by so much; one more, because time passes.
const LEEWAY_SECONDS: f64 = 31.0;

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 5 {
        0 => header(input.rest()),
        1 => signed(HEADER.as_bytes(), input.rest()),
        2 => {
            let end = input.rest().iter().position(|byte| *byte == b'\n');
            let (header, claims) = input.rest().split_at(end.unwrap_or(0));
            signed(header, claims.get(1..).unwrap_or_default());
        }
        3 => changed(&mut input),
        _ => key_set(input.rest()),
    }
}

struct Now;

impl Clock for Now {
    fn now(&self) -> UnixMicros {
        UnixMicros(now_seconds() * 1_000_000)
    }
}

fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.expect("a clock after 1970").as_secs();
    seconds.try_into().expect("a clock before the sun ends")
}

fn key() -> &'static Ed25519KeyPair {
    static KEY: OnceLock<Ed25519KeyPair> = OnceLock::new();
    KEY.get_or_init(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes"))
}

fn public_key() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key().public_key())
}

fn access_with(keys: &[u8]) -> Result<AccessControl, String> {
    let rules = AccessRules::parse(RULES).expect("rules");
    block_on(async { control(rules, Arc::new(Now), keys) })
}

fn access() -> &'static AccessControl {
    static ACCESS: OnceLock<AccessControl> = OnceLock::new();
    ACCESS.get_or_init(|| {
        let keys = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": public_key(), "use": "sig", "alg": "EdDSA"},
            {"kty": "RSA", "kid": "rsa", "n": RSA_MODULUS, "e": "AQAB"},
        ]});
        access_with(keys.to_string().as_bytes()).expect("a key set")
    })
}

fn authenticated(access: &AccessControl, value: &[u8]) -> Result<Identity, CredentialError> {
    let credentials = Credentials {
        authorization: Some(value),
        certificate: None,
        address: None,
    };
    block_on(access.authenticate(credentials))
}

fn encoded(header: &[u8], claims: &[u8]) -> String {
    let parts = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let message = parts.join(".");
    let signature = BASE64_URL_SAFE_NO_PAD.encode(key().sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// Any value of the header: who is let in has the token of the access file, or one that the issuer signed.
fn header(value: &[u8]) {
    let Ok(identity) = authenticated(access(), value) else {
        return;
    };
    let value = std::str::from_utf8(value).expect("it was read");
    let (scheme, token) = value.split_once(' ').expect("a scheme");
    assert!(scheme.eq_ignore_ascii_case("bearer"));
    let token = token.trim();
    if identity.principal.name == "shop" && token == TOKEN {
        return;
    }
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64");
    let verifying = UnparsedPublicKey::new(&ED25519, key().public_key().as_ref());
    verifying
        .verify(message.as_bytes(), &signature)
        .expect("the issuer signed it");
}

/// Any header and claims that the issuer signed: who is let in has what the rules ask for.
fn signed(header: &[u8], claims: &[u8]) {
    let token = encoded(header, claims);
    let Ok(identity) = authenticated(access(), format!("Bearer {token}").as_bytes()) else {
        return;
    };
    let header: Map<String, Value> = serde_json::from_slice(header).expect("a header");
    assert_eq!(header.get("alg"), Some(&json!("EdDSA")));
    assert_eq!(header.get("kid"), Some(&json!("ed")));
    let claims: Map<String, Value> = serde_json::from_slice(claims).expect("claims");
    let has = |name: &str, wanted: &str| match claims.get(name) {
        Some(Value::Array(values)) => values.iter().any(|value| value == wanted),
        Some(value) => value == wanted,
        None => false,
    };
    assert!(has("iss", "https://issuer.example"), "{claims:?}");
    assert!(has("aud", "catalog"), "{claims:?}");
    let seconds = |name| claims.get(name).and_then(Value::as_f64);
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of this millennium are precise"
    )]
    let now = now_seconds() as f64;
    assert!(
        seconds("exp").expect("an end") > now - LEEWAY_SECONDS,
        "{claims:?}"
    );
    assert!(
        seconds("nbf").is_none_or(|begin| begin < now + LEEWAY_SECONDS),
        "{claims:?}"
    );
    let owner = claims.get("sub").and_then(Value::as_str).expect("an owner");
    let principal = identity.principal;
    assert_eq!(principal.name, CallerId::name_like(owner));
    assert!(CallerId::is_name(&principal.name), "{claims:?}");
    let roles = claims.get("realm").and_then(|realm| realm.get("roles"));
    let roles = roles.or_else(|| claims.get("realm.roles"));
    let is_writer = match roles {
        Some(Value::Array(roles)) => roles.iter().any(|role| role == "writer"),
        Some(role) => role == "writer",
        None => false,
    };
    match principal.role {
        Role::Viewer => assert_eq!(owner, "ann"),
        Role::Editor => assert!(is_writer, "{claims:?}"),
        Role::Operator => panic!("nobody is an operator"),
    }
}

/// A good token with another byte in it is worth nothing.
fn changed(input: &mut Input<'_>) {
    let (at, byte) = (usize::from(input.short()), input.byte());
    let token = encoded(HEADER.as_bytes(), CLAIMS.as_bytes());
    let good = authenticated(access(), format!("Bearer {token}").as_bytes());
    assert_eq!(good.expect("a good token").principal.name, "ann");
    if let Some(changed) = with_byte(token.as_bytes(), at, byte) {
        // White space at the ends is no part of it.
        if changed.trim_ascii() != changed {
            return;
        }
        let value = [b"Bearer ", changed.as_slice()].concat();
        assert!(authenticated(access(), &value).is_err(), "changed at {at}");
    }
}

/// Any key set: the issuer's token is good only by the issuer's key.
fn key_set(keys: &[u8]) {
    let Ok(access) = access_with(keys) else {
        return;
    };
    let token = encoded(HEADER.as_bytes(), CLAIMS.as_bytes());
    if authenticated(&access, format!("Bearer {token}").as_bytes()).is_ok() {
        let keys: Value = serde_json::from_slice(keys).expect("a key set");
        let keys = keys.get("keys").and_then(Value::as_array).expect("keys");
        let ours = |key: &Value| key.get("x") == Some(&json!(public_key()));
        assert!(keys.iter().any(ours), "{keys:?}");
    }
}
