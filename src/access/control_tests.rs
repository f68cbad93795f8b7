//! Who is known by which credentials. Issuers are tried over HTTP, in `tests/it/access`.
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::{super::new_token::sha256, *};
use crate::domain::{Role, UnixMicros};

struct At(i64);

impl Clock for At {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0 * 1_000_000)
    }
}

const NOW: i64 = 1_800_000_000;

fn control(text: &str) -> AccessControl {
    let rules = AccessRules::parse(text).unwrap();
    let clock = Arc::new(At(NOW));
    AccessControl::new(rules, clock, TaskTracker::new(), CancellationToken::new())
}

fn token(name: &str, token: &str, role: &str, more: &str) -> String {
    let hash = sha256(token);
    format!("[[token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nrole = \"{role}\"\n{more}\n")
}

async fn asked(control: &AccessControl, header: Option<&str>) -> Result<Identity, CredentialError> {
    let credentials = Credentials {
        authorization: header.map(str::as_bytes),
        certificate: None,
        address: Some([10, 0, 0, 1].into()),
    };
    control.authenticate(credentials).await
}

#[tokio::test]
async fn a_token_is_known_by_its_hash_and_several_live_side_by_side() {
    let text = token("shop", "old", "viewer", "") + &token("shop-2", "new", "editor", "");
    let control = control(&text);
    let shop = asked(&control, Some("Bearer old")).await.unwrap().principal;
    assert_eq!((shop.name.as_str(), shop.role), ("shop", Role::Viewer));
    let other = asked(&control, Some("bearer  new"))
        .await
        .unwrap()
        .principal;
    assert_eq!((other.name.as_str(), other.role), ("shop-2", Role::Editor));
    let unknown = asked(&control, Some("Bearer ol")).await.unwrap_err();
    assert_eq!(unknown, CredentialError::Unknown("token"));
}

#[tokio::test]
async fn what_is_no_bearer_token_is_malformed() {
    let control = control(&token("shop", "t", "viewer", ""));
    let long = format!("Bearer {}", "x".repeat(9_000));
    for header in [
        "",
        "Basic dDp0",
        "t",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer ä",
        &long,
    ] {
        let error = asked(&control, Some(header)).await.unwrap_err();
        assert!(matches!(error, CredentialError::Malformed(_)), "{header}");
    }
}

#[tokio::test]
async fn a_token_expires_and_is_not_believed_longer() {
    let end = "not_after = 2027-01-15T08:00:00Z";
    let control = control(
        &(token("late", "l", "viewer", "not_after = 2027-01-15T07:59:59Z")
            + &token("soon", "s", "viewer", end)),
    );
    let late = asked(&control, Some("Bearer l")).await.unwrap_err();
    assert_eq!(late, CredentialError::Expired);
    let soon = asked(&control, Some("Bearer s")).await.unwrap();
    assert!(soon.valid_until.unwrap() <= Instant::now() + Duration::from_secs(1));
}

/// As a connection shows it that goes on with the session of one before, where nobody looks at the time.
#[tokio::test]
async fn a_certificate_counts_until_it_expires() {
    let control = control("[[certificate]]\nsan = \"shop.example\"\nrole = \"viewer\"\n");
    let shown = async |last_day: u8| {
        let mut params = CertificateParams::new(["shop.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2027, 1, last_day);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let credentials = Credentials {
            authorization: None,
            certificate: Some(certificate.der()),
            address: None,
        };
        control.authenticate(credentials).await
    };
    let valid = shown(16).await.unwrap();
    assert_eq!(valid.principal.name, "shop.example");
    assert!(valid.valid_until.unwrap() <= Instant::now() + Duration::from_hours(16));
    assert_eq!(shown(15).await.unwrap_err(), CredentialError::Expired);
}

#[tokio::test]
async fn without_credentials_only_anonymous_calls_are_let_in() {
    let closed = control(&token("shop", "t", "viewer", ""));
    let missing = asked(&closed, None).await.unwrap_err();
    assert_eq!(missing, CredentialError::Missing);
    let open = control("anonymous = \"viewer\"");
    let anonymous = asked(&open, None).await.unwrap().principal;
    assert_eq!(anonymous.name, "anonymous@10.0.0.1");
    // A wrong token is never as good as none.
    let wrong = asked(&open, Some("Bearer t")).await.unwrap_err();
    assert_eq!(wrong, CredentialError::Unknown("token"));
}

#[tokio::test]
async fn a_token_that_is_taken_out_of_the_file_is_unknown_at_once() {
    let control = control(&token("shop", "t", "viewer", ""));
    let before = control.generation();
    asked(&control, Some("Bearer t")).await.unwrap();
    control.renew(AccessRules::parse(&token("ops", "o", "operator", "")).unwrap());
    assert_ne!(control.generation(), before);
    let gone = asked(&control, Some("Bearer t")).await.unwrap_err();
    assert_eq!(gone, CredentialError::Unknown("token"));
}

#[tokio::test]
async fn a_rate_outlives_the_reading_of_the_file() {
    let text = token("shop", "t", "viewer", "requests_per_minute = 600");
    let control = control(&text);
    let rate = async || {
        asked(&control, Some("Bearer t"))
            .await
            .unwrap()
            .principal
            .rate
            .clone()
    };
    let before = rate().await.unwrap();
    control.renew(AccessRules::parse(&text).unwrap());
    assert!(Arc::ptr_eq(&before, &rate().await.unwrap()));
}

#[test]
fn claims_may_be_texts_lists_or_inside_others() {
    let claims: Value = serde_json::from_str(
        r#"{"sub": "a", "groups": ["x", "y"], "kubernetes.io": {"namespace": "shop"}, "n": 1}"#,
    )
    .unwrap();
    let claims = claims.as_object().unwrap();
    assert!(has(claims, "sub", "a") && has(claims, "groups", "y"));
    assert!(has(claims, "kubernetes.io.namespace", "shop"));
    assert!(!has(claims, "kubernetes.io", "shop"));
    assert!(!has(claims, "n", "1") && !has(claims, "groups", "z") && !has(claims, "x.y", "z"));
}
