//! Tokens of issuers: which are good, what the others get, and what becomes of an issuer in trouble.
use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    access::{AccessControl, AccessRules},
    domain::{Authenticator, Clock, Credentials, UnixMicros},
};
use ring::hmac;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt;

use super::scene::{Files, connect, list};
use crate::support::{
    issuer::{Issuer, Manner, encoded, now_seconds, parts},
    process::PATIENCE,
    replica::Replica,
    wait::eventually,
};

const AUDIENCE: &str = "challenges-catalog";
const SUBJECT: &str = "system:serviceaccount:shop:backend";

fn entry(issuer: &Issuer) -> String {
    format!(
        "[[issuer]]\nurl = \"{}\"\naudience = \"{AUDIENCE}\"\nalgorithms = [\"ES256\", \"RS256\", \"EdDSA\"]\n\
         [[issuer.grant]]\nclaim = \"sub\"\nvalue = \"{SUBJECT}\"\nrole = \"viewer\"\n\
         [[issuer.grant]]\nclaim = \"realm.roles\"\nvalue = \"reader\"\nrole = \"viewer\"\n",
        issuer.url()
    )
}

async fn served(issuer: &Issuer) -> (Files, Replica, Channel) {
    let files = Files::new();
    let mut settings = files.tls();
    settings.push(files.access(&entry(issuer)));
    let replica = Replica::start(&settings).await;
    let channel = connect(&replica, files.authority.trusted()).await.unwrap();
    (files, replica, channel)
}

/// What a call with this token is told; empty when it was answered.
async fn told(channel: &Channel, token: &str) -> (Code, String) {
    match list(channel, Some(&format!("Bearer {token}"))).await {
        Ok(_) => (Code::Ok, String::new()),
        Err(status) => (status.code(), status.message().to_owned()),
    }
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test]
async fn a_token_is_good_for_the_role_of_its_claims_until_it_expires() {
    let issuer = Issuer::start().await;
    let (_files, _replica, channel) = served(&issuer).await;
    let claims = issuer.claims(SUBJECT, AUDIENCE);
    assert_eq!(told(&channel, &issuer.token(&claims)).await.0, Code::Ok);
    let roles = json!({"roles": ["writer", "reader"]});
    let claims = with(issuer.claims("somebody", AUDIENCE), "realm", roles);
    assert_eq!(told(&channel, &issuer.token(&claims)).await.0, Code::Ok);
    let nobody = with(
        issuer.claims("", AUDIENCE),
        "realm",
        json!({"roles": ["reader"]}),
    );
    let (code, text) = told(&channel, &issuer.token(&nobody)).await;
    assert_eq!(code, Code::Unauthenticated);
    assert!(text.contains("lacks the claim that names"), "{text}");
    let claims = issuer.claims("somebody else", AUDIENCE);
    let (code, text) = told(&channel, &issuer.token(&claims)).await;
    assert_eq!(code, Code::Unauthenticated);
    assert!(
        text.contains("has no claim that a role is granted for"),
        "{text}"
    );

    // Clocks may differ by half a minute, which is over in five seconds for this one.
    let soon = with(
        issuer.claims(SUBJECT, AUDIENCE),
        "exp",
        json!(now_seconds() - 25),
    );
    let soon = issuer.token(&soon);
    assert_eq!(told(&channel, &soon).await.0, Code::Ok);
    eventually(
        "it is over, on the same connection too",
        PATIENCE,
        async || told(&channel, &soon).await.1.ends_with("has expired"),
    )
    .await;
}

#[tokio::test]
async fn tokens_that_are_forged_or_for_others_are_refused_in_words() {
    let issuer = Issuer::start().await;
    let (_files, replica, channel) = served(&issuer).await;
    let good = || issuer.claims(SUBJECT, AUDIENCE);
    let now = now_seconds();
    let none = format!(
        "{}.",
        parts(&json!({"alg": "none", "kid": "first"}), &good())
    );
    let confused = {
        let signed = parts(&json!({"alg": "HS256", "kid": "first"}), &good());
        let key = hmac::Key::new(hmac::HMAC_SHA256, &issuer.public_key());
        let signature = hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", encoded(signature.as_ref()))
    };
    let mut tampered = issuer.token(&good());
    let signature_at = tampered.rfind('.').unwrap() + 5;
    let other = if &tampered[signature_at..=signature_at] == "A" {
        "B"
    } else {
        "A"
    };
    tampered.replace_range(signature_at..=signature_at, other);
    let cut_short = issuer.token(&good())[..60].to_owned();
    let without_end = {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove("exp");
        issuer.token(&claims)
    };
    for (token, said) in [
        (none, "cannot be read"),
        (confused, "has an algorithm that is not accepted"),
        (tampered, "has a wrong signature"),
        (cut_short, "not known here"),
        (without_end, "lacks one of the claims"),
        (
            issuer.token(&with(good(), "aud", json!("another"))),
            "for another audience",
        ),
        (
            issuer.token(&with(good(), "nbf", json!(now + 3_600))),
            "is not valid yet",
        ),
        (
            issuer.token(&with(good(), "exp", json!(now - 60))),
            "has expired",
        ),
        (
            issuer.token(&with(good(), "iss", json!("http://evil.example"))),
            "issuer is not known here",
        ),
    ] {
        let (code, text) = told(&channel, &token).await;
        assert_eq!(code, Code::Unauthenticated, "{said}: {text}");
        assert!(text.contains(said), "{said}: {text}");
        assert!(!replica.log().contains(&token));
    }
}

#[tokio::test]
async fn a_new_key_of_an_issuer_is_fetched_and_unknown_keys_fetch_once_a_minute() {
    let issuer = Issuer::start().await;
    let (_files, _replica, channel) = served(&issuer).await;
    eventually("keys are fetched at the start", PATIENCE, async || {
        issuer.fetches() == 1
    })
    .await;
    // Ten thousand tokens with keys that nobody knows, as an attacker would send them.
    let signed = |kid: usize| {
        let header = json!({"alg": "ES256", "kid": format!("unknown-{kid}")});
        format!(
            "{}.{}",
            parts(&header, &issuer.claims(SUBJECT, AUDIENCE)),
            encoded(&[7; 64])
        )
    };
    for round in 0..100 {
        let calls = (0..100).map(|call| {
            let (channel, token) = (channel.clone(), signed(round * 100 + call));
            async move { told(&channel, &token).await }
        });
        for (code, text) in futures_util::future::join_all(calls).await {
            assert_eq!(code, Code::Unauthenticated, "{text}");
        }
    }
    assert!(
        issuer.fetches() <= 2,
        "{} fetches in some seconds",
        issuer.fetches()
    );
    // Whoever has a known key is not held up by it.
    let good = issuer.token(&issuer.claims(SUBJECT, AUDIENCE));
    assert_eq!(told(&channel, &good).await.0, Code::Ok);
}

struct Now;

impl Clock for Now {
    fn now(&self) -> UnixMicros {
        UnixMicros(i64::try_from(now_seconds()).unwrap() * 1_000_000)
    }
}

#[tokio::test]
async fn callers_with_short_deadlines_end_no_fetch() {
    let issuer = Issuer::start().await;
    let rules = AccessRules::parse(&entry(&issuer)).unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let control = AccessControl::new(rules, Arc::new(Now), tasks, stop);
    let asked = async || {
        let header = format!("Bearer {}", issuer.token(&issuer.claims(SUBJECT, AUDIENCE)));
        let credentials = Credentials {
            authorization: Some(header.as_bytes()),
            certificate: None,
            address: None,
        };
        control.authenticate(credentials).await.map(|_| ())
    };
    assert_eq!(asked().await, Ok(()));
    assert_eq!(issuer.fetches(), 1);

    issuer.rotate("second");
    issuer.behave(Manner::Slow);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    for _ in 0..3 {
        let in_time = timeout(Duration::from_millis(20), asked()).await;
        assert!(in_time.is_err(), "{in_time:?}");
    }
    assert_eq!(asked().await, Ok(()), "the new key is known");
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn an_issuer_in_trouble_keeps_nobody_out_whose_key_is_known() {
    let issuer = Issuer::start().await;
    let (files, replica, channel) = served(&issuer).await;
    let good = issuer.token(&issuer.claims(SUBJECT, AUDIENCE));
    eventually("its key is known", PATIENCE, async || {
        told(&channel, &good).await.0 == Code::Ok
    })
    .await;
    issuer.behave(Manner::Broken);
    files.write("access.toml", &(entry(&issuer) + "# read again\n"));
    replica.signal("HUP");
    eventually("the file is in force", PATIENCE, async || {
        replica.log().contains("the access file was read again")
    })
    .await;
    assert_eq!(told(&channel, &good).await.0, Code::Ok);
}

#[tokio::test]
async fn without_the_keys_of_an_issuer_callers_are_told_to_come_again() {
    for (manner, why) in [
        (Manner::Broken, "500"),
        (Manner::Redirecting, "302"),
        (Manner::Huge, "sends more than"),
        (Manner::Silent, "no answer within"),
    ] {
        let issuer = Issuer::start().await;
        issuer.behave(manner);
        let (_files, replica, channel) = served(&issuer).await;
        let good = issuer.token(&issuer.claims(SUBJECT, AUDIENCE));
        eventually("the fetch has failed", PATIENCE, async || {
            replica.log().contains(why)
        })
        .await;
        let header = format!("Bearer {good}");
        let refused = list(&channel, Some(&header)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        let details = refused.get_error_details();
        assert_eq!(
            details.error_info().unwrap().reason,
            "CREDENTIALS_UNCHECKED"
        );
        assert!(details.retry_info().is_some());
        issuer.behave(Manner::Well);
        eventually("its keys are there soon", PATIENCE, async || {
            list(&channel, Some(&header)).await.is_ok()
        })
        .await;
    }
}
