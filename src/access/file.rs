//! The access file: who may come in, in TOML.
use std::{collections::HashSet, sync::Arc};

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use super::{
    file_values::{algorithm, hash, https, seconds, without_login},
    san::SanPattern,
};
use crate::domain::{CallerId, Role};

/// What is wrong with an access file. Repeats no hash and no token.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{}", .0.join("; "))]
pub struct AccessFileError(pub Vec<String>);

/// What an access file says.
#[derive(Debug, Default)]
pub struct AccessRules {
    pub(super) anonymous: Option<Grant>,
    pub(super) tokens: Vec<TokenRule>,
    pub(super) certificates: Vec<CertificateRule>,
    pub(super) issuers: Vec<Arc<IssuerRule>>,
}

/// What somebody is allowed.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) role: Role,
    pub(super) may_speak_for_others: bool,
    pub(super) requests_per_minute: Option<u32>,
}

/// A token, by its hash.
#[derive(Debug)]
pub(super) struct TokenRule {
    pub(super) name: String,
    pub(super) sha256: [u8; 32],
    pub(super) not_after_seconds: Option<i64>,
    pub(super) grant: Grant,
}

impl TokenRule {
    pub(super) fn is_good_at(&self, now_seconds: i64) -> bool {
        self.not_after_seconds.is_none_or(|end| now_seconds <= end)
    }
}

/// Certificates, by a name that stands in them.
#[derive(Debug)]
pub(super) struct CertificateRule {
    pub(super) pattern: SanPattern,
    /// The principal's name; without it, the name in the certificate.
    pub(super) name: Option<String>,
    pub(super) grant: Grant,
}

/// Who issues tokens (`OpenID` Connect), and what their claims are worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IssuerRule {
    pub(super) url: String,
    pub(super) audience: String,
    pub(super) algorithms: Vec<Algorithm>,
    /// Where its keys are; without it, where its discovery document says.
    pub(super) keys_url: Option<Url>,
    /// The authorities that certify it, in a PEM file, instead of those that this machine trusts.
    pub(super) ca_file: Option<String>,
    /// A file with the token that fetching keys needs.
    pub(super) token_file: Option<String>,
    /// The claim that names the principal.
    pub(super) name_claim: String,
    pub(super) grants: Vec<ClaimRule>,
}

/// What a claim's value is worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClaimRule {
    pub(super) claim: String,
    pub(super) value: String,
    pub(super) role: Role,
    pub(super) may_speak_for_others: bool,
    pub(super) requests_per_minute: Option<u32>,
}

const ENTRIES_MAX: usize = 1_000;
const RATE_MAX: u32 = 100_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    anonymous: Option<String>,
    requests_per_minute: Option<u32>,
    #[serde(default)]
    token: Vec<Token>,
    #[serde(default)]
    certificate: Vec<Certificate>,
    #[serde(default)]
    issuer: Vec<Issuer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    name: String,
    sha256: String,
    role: String,
    not_after: Option<toml::value::Datetime>,
    requests_per_minute: Option<u32>,
    #[serde(default)]
    on_behalf: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    san: String,
    name: Option<String>,
    role: String,
    requests_per_minute: Option<u32>,
    #[serde(default)]
    on_behalf: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    url: String,
    audience: String,
    algorithms: Vec<String>,
    keys_url: Option<String>,
    ca_file: Option<String>,
    token_file: Option<String>,
    #[serde(default = "subject")]
    name_claim: String,
    #[serde(default)]
    grant: Vec<ClaimGrant>,
}

fn subject() -> String {
    "sub".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimGrant {
    claim: String,
    value: String,
    role: String,
    requests_per_minute: Option<u32>,
    #[serde(default)]
    on_behalf: bool,
}

impl AccessRules {
    /// Reads the text of an access file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AccessFileError> {
        let file: File = toml::from_str(text).map_err(|error| {
            // The library's own text shows the line, which may hold a token that was pasted there.
            let line = error.span().and_then(|span| text.get(..span.start));
            let line = line.map_or(1, |before| before.matches('\n').count() + 1);
            AccessFileError(vec![format!("line {line}: {}", error.message())])
        })?;
        let mut reading = Reading {
            problems: Vec::new(),
            default_rate: file.requests_per_minute,
        };
        let rules = reading.rules(file);
        if reading.problems.is_empty() {
            Ok(rules)
        } else {
            Err(AccessFileError(reading.problems))
        }
    }

    /// Why nobody could come in at `now_seconds`, where that is so: half a file, say, that is being written, or one whose
    /// tokens have all expired.
    #[must_use]
    pub fn why_nobody_comes_in(
        &self,
        now_seconds: i64,
        asks_for_certificates: bool,
    ) -> Option<String> {
        let has_token = self.tokens.iter().any(|it| it.is_good_at(now_seconds));
        let has_certificate = asks_for_certificates && !self.certificates.is_empty();
        if self.anonymous.is_some() || has_token || has_certificate || !self.issuers.is_empty() {
            return None;
        }
        let mut reasons = self.warnings(now_seconds, asks_for_certificates);
        if reasons.is_empty() {
            let reason = "it has no anonymous, [[token]], [[certificate]] or [[issuer]]";
            reasons.push(reason.to_owned());
        }
        Some(format!("it lets nobody in: {}", reasons.join("; ")))
    }

    /// What the writer of the file should know at `now_seconds`: which entries let nobody in, for
    /// their time is over or `asks_for_certificates` is false.
    #[must_use]
    pub fn warnings(&self, now_seconds: i64, asks_for_certificates: bool) -> Vec<String> {
        let tokens = self.tokens.iter();
        let expired = tokens.filter(|token| !token.is_good_at(now_seconds));
        let expired: Vec<_> = expired.map(|token| token.name.as_str()).collect();
        let mut warnings = Vec::new();
        if let [first, others @ ..] = expired.as_slice() {
            let others = match others.len() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            warnings.push(format!(
                "token {first:?}{others}: not_after has passed; nobody comes in by it"
            ));
        }
        if !self.certificates.is_empty() && !asks_for_certificates {
            let warning =
                "[[certificate]] lets nobody in: no caller is asked for one without tls_client_ca";
            warnings.push(warning.to_owned());
        }
        warnings
    }
}

/// Reads entries one by one, and notes what is wrong instead of stopping at it.
struct Reading {
    problems: Vec<String>,
    default_rate: Option<u32>,
}

impl Reading {
    fn rules(&mut self, file: File) -> AccessRules {
        let entries = file.token.len() + file.certificate.len() + file.issuer.len();
        if entries > ENTRIES_MAX {
            let problem = format!("there are {entries} entries; {ENTRIES_MAX} at most are read");
            self.problems.push(problem);
        }
        let anonymous = file.anonymous.as_deref();
        let anonymous = anonymous.and_then(|role| self.grant("anonymous", role, None, false));
        let (mut names, mut hashes) = (HashSet::new(), HashSet::new());
        let mut tokens = Vec::new();
        for token in file.token {
            let entry = format!("token {:?}", token.name);
            self.check_name(&entry, &token.name);
            if !names.insert(token.name.clone()) {
                self.note(&entry, "is there twice; give each its own name");
            }
            tokens.extend(self.token(&entry, token).inspect(|token| {
                if !hashes.insert(token.sha256) {
                    let problem = format!("{entry}: another token has the same hash");
                    self.problems.push(problem);
                }
            }));
        }
        let certificates = file.certificate.into_iter();
        let certificates = certificates.filter_map(|entry| self.certificate(entry));
        let certificates = certificates.collect();
        let issuers = file.issuer.into_iter();
        let issuers = issuers.filter_map(|entry| self.issuer(entry)).map(Arc::new);
        AccessRules {
            anonymous,
            tokens,
            certificates,
            issuers: issuers.collect(),
        }
    }

    fn note(&mut self, entry: &str, problem: impl std::fmt::Display) {
        self.problems.push(format!("{entry}: {problem}"));
    }

    fn ok<T>(&mut self, entry: &str, field: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.note(entry, format_args!("{field} {problem}")))
            .ok()
    }

    fn check_name(&mut self, entry: &str, name: &str) {
        if !CallerId::is_name(name) {
            self.note(entry, format_args!("name {}", CallerId::NAME_RULE));
        }
    }

    fn grant(
        &mut self,
        entry: &str,
        role: &str,
        requests_per_minute: Option<u32>,
        may_speak_for_others: bool,
    ) -> Option<Grant> {
        let role = self.ok(entry, "role", role.parse())?;
        let requests_per_minute = requests_per_minute.or(self.default_rate);
        if requests_per_minute.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
            self.note(
                entry,
                format_args!("requests_per_minute must be 1 to {RATE_MAX}"),
            );
            return None;
        }
        Some(Grant {
            role,
            may_speak_for_others,
            requests_per_minute,
        })
    }

    fn token(&mut self, entry: &str, token: Token) -> Option<TokenRule> {
        let sha256 = self.ok(entry, "sha256", hash(&token.sha256));
        let not_after = token
            .not_after
            .map(|it| self.ok(entry, "not_after", seconds(it)));
        let rate = token.requests_per_minute;
        let grant = self.grant(entry, &token.role, rate, token.on_behalf);
        Some(TokenRule {
            name: token.name,
            sha256: sha256?,
            not_after_seconds: match not_after {
                Some(read) => Some(read?),
                None => None,
            },
            grant: grant?,
        })
    }

    fn certificate(&mut self, entry: Certificate) -> Option<CertificateRule> {
        let label = format!("certificate {:?}", entry.san);
        let pattern = self.ok(&label, "san", SanPattern::parse(&entry.san));
        if let Some(name) = &entry.name {
            self.check_name(&label, name);
        }
        let rate = entry.requests_per_minute;
        let grant = self.grant(&label, &entry.role, rate, entry.on_behalf);
        Some(CertificateRule {
            pattern: pattern?,
            name: entry.name,
            grant: grant?,
        })
    }

    fn issuer(&mut self, entry: Issuer) -> Option<IssuerRule> {
        let label = format!("issuer {:?}", without_login(&entry.url));
        let url = self.ok(&label, "url", https(&entry.url));
        let keys_url = entry
            .keys_url
            .map(|url| self.ok(&label, "keys_url", https(&url)));
        let algorithms = entry.algorithms.iter().map(|name| algorithm(name));
        let algorithms = algorithms.collect::<Result<Vec<_>, _>>();
        let algorithms = self.ok(&label, "algorithms", algorithms);
        if entry.algorithms.is_empty() {
            self.note(&label, "algorithms must name one at least, such as RS256");
        }
        if entry.audience.is_empty() {
            self.note(&label, "audience must not be empty");
        }
        if entry.grant.is_empty() {
            self.note(
                &label,
                "has no [[issuer.grant]], so its tokens would be worth nothing",
            );
        }
        let grants = entry.grant.into_iter().filter_map(|claim| {
            let rate = claim.requests_per_minute;
            let grant = self.grant(&label, &claim.role, rate, claim.on_behalf)?;
            Some(ClaimRule {
                claim: claim.claim,
                value: claim.value,
                role: grant.role,
                may_speak_for_others: grant.may_speak_for_others,
                requests_per_minute: grant.requests_per_minute,
            })
        });
        let grants = grants.collect();
        url?;
        Some(IssuerRule {
            // As its tokens have it: a slash more or less is another issuer.
            url: entry.url,
            audience: entry.audience,
            algorithms: algorithms?,
            keys_url: match keys_url {
                Some(read) => Some(read?),
                None => None,
            },
            ca_file: entry.ca_file,
            token_file: entry.token_file,
            name_claim: entry.name_claim,
            grants,
        })
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
