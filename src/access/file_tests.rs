//! What may stand in an access file, and what is said of what may not.
use super::*;

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn problems(text: &str) -> Vec<String> {
    AccessRules::parse(text).unwrap_err().0
}

#[test]
fn all_that_may_stand_in_a_file_is_read() {
    let text = format!(
        r#"
anonymous = "viewer"
requests_per_minute = 6000

[[token]]
name = "shop"
sha256 = "{HASH}"
role = "viewer"
requests_per_minute = 600
not_after = 2027-01-31T00:00:00Z

[[certificate]]
san = "spiffe://prod/ns/gateway/*"
name = "gateway"
role = "editor"
on_behalf = true

[[issuer]]
url = "https://issuer.example"
audience = "catalog"
algorithms = ["RS256", "ES256"]
[[issuer.grant]]
claim = "sub"
value = "system:serviceaccount:shop:backend"
role = "operator"
"#
    );
    let rules = AccessRules::parse(&text).unwrap();
    assert_eq!(rules.anonymous.unwrap().role, Role::Viewer);
    let token = &rules.tokens[0];
    assert_eq!(token.not_after_seconds, Some(1_801_353_600));
    assert_eq!(token.grant.requests_per_minute, Some(600));
    let certificate = &rules.certificates[0];
    assert!(certificate.grant.may_speak_for_others);
    assert_eq!(certificate.grant.requests_per_minute, Some(6_000));
    let issuer = &rules.issuers[0];
    assert_eq!(issuer.name_claim, "sub");
    assert_eq!(issuer.grants[0].role, Role::Operator);
}

#[test]
fn entries_that_let_nobody_in_are_warned_of() {
    let text = format!(
        r#"
[[token]]
name = "shop"
sha256 = "{HASH}"
role = "viewer"
not_after = 2027-01-31T00:00:00Z

[[certificate]]
san = "gateway.example"
role = "editor"
"#
    );
    let rules = AccessRules::parse(&text).unwrap();
    let (last_second, after) = (1_801_353_600, 1_801_353_601);
    assert!(rules.warnings(last_second, true).is_empty());
    assert_eq!(
        rules.warnings(after, false),
        [
            r#"token "shop": not_after has passed; nobody comes in by it"#,
            "[[certificate]] lets nobody in: no caller is asked for one without tls_client_ca",
        ]
    );
}

#[test]
fn a_file_that_lets_nobody_in_says_why() {
    let now = 1_801_353_601;
    let why = |text: &str, asks_for_certificates| {
        let rules = AccessRules::parse(text).unwrap();
        rules.why_nobody_comes_in(now, asks_for_certificates)
    };
    for text in ["", "# [[token]]\n", "requests_per_minute = 60\n"] {
        let reason = why(text, true).unwrap();
        assert!(reason.contains("has no anonymous"), "{reason}");
    }
    let token = format!("[[token]]\nname = \"shop\"\nsha256 = \"{HASH}\"\nrole = \"viewer\"\n");
    let expired = format!("{token}not_after = 2027-01-31T00:00:00Z\n");
    let reason = why(&expired, true).unwrap();
    assert!(reason.contains("not_after has passed"), "{reason}");
    assert_eq!(why(&token, false), None);

    let certificate = "[[certificate]]\nsan = \"a.example\"\nrole = \"viewer\"\n";
    assert!(why(certificate, false).unwrap().contains("tls_client_ca"));
    assert_eq!(why(&format!("{expired}{certificate}"), true), None);
    assert_eq!(why("anonymous = \"viewer\"\n", false), None);
}

#[test]
fn a_password_in_the_url_of_an_issuer_is_not_shown() {
    let entry = "audience = \"a\"\nalgorithms = [\"RS256\"]\n";
    for url in ["https://user:s3cret@a.example", "user:s3cret@a.example"] {
        let text = format!("[[issuer]]\nurl = {url:?}\n{entry}");
        let error = AccessRules::parse(&text).unwrap_err().to_string();
        assert!(
            error.contains("url must") && !error.contains("s3cret"),
            "{error}"
        );
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_no_hash_is_repeated() {
    let text = format!(
        r#"
[[token]]
name = "shop"
sha256 = "{HASH}"
role = "admin"
[[token]]
name = "shop"
sha256 = "cc_not-a-hash-but-a-token"
role = "viewer"
[[certificate]]
san = "*"
role = "viewer"
[[issuer]]
url = "http://issuer.example"
audience = ""
algorithms = ["HS256"]
"#
    );
    let problems = problems(&text);
    for said in [
        "token \"shop\": role must be viewer, editor or operator, not \"admin\"",
        "token \"shop\": is there twice",
        "token \"shop\": sha256 must be the SHA-256 of a token",
        "certificate \"*\": san must be a DNS name or URI",
        "issuer \"http://issuer.example\": url must be https://",
        "issuer \"http://issuer.example\": algorithms must be of RS256",
        "issuer \"http://issuer.example\": audience must not be empty",
        "issuer \"http://issuer.example\": has no [[issuer.grant]]",
    ] {
        assert!(
            problems.iter().any(|problem| problem.starts_with(said)),
            "{said}: {problems:?}"
        );
    }
    let all = problems.join(" ");
    assert!(!all.contains(HASH) && !all.contains("cc_not-a-hash"));
}

#[test]
fn an_unknown_key_is_named_with_its_line_but_without_its_value() {
    let text = "anonymous = \"viewer\"\n\n[[token]]\nname = \"a\"\ntoken = \"cc_secret\"\n";
    let problem = problems(text).join(" ");
    assert!(
        problem.starts_with("line 5: unknown field `token`"),
        "{problem}"
    );
    assert!(!problem.contains("cc_secret"));
}

#[test]
fn two_tokens_with_one_hash_are_refused() {
    let token =
        |name| format!("[[token]]\nname = \"{name}\"\nsha256 = \"{HASH}\"\nrole = \"viewer\"\n");
    let problem = problems(&(token("a") + &token("b"))).join(" ");
    assert_eq!(problem, "token \"b\": another token has the same hash");
}

#[test]
fn a_rate_is_one_at_least() {
    let problem = problems("anonymous = \"viewer\"\nrequests_per_minute = 0\n").join(" ");
    assert!(
        problem.contains("requests_per_minute must be 1 to"),
        "{problem}"
    );
}
