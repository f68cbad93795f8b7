//! Each error's code, reason and details.
use std::{fmt::Write as _, fs, path::Path};

use prost::Message;
use tonic_types::ErrorDetail;

use super::{super::methods::METHODS, *};
use crate::domain::{ChallengeId, Environment, IdentifiedBy, Version};

const ID: &str = "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01";

fn id() -> ChallengeId {
    ChallengeId::parse(ID).unwrap()
}

fn viewer() -> Principal {
    Principal {
        name: "shop".to_owned(),
        identified_by: IdentifiedBy::Token,
        role: Role::Viewer,
        may_speak_for_others: false,
        rate: None,
    }
}

/// One of each kind that callers can meet, in the order of their numbers in the contract.
fn every_status() -> Vec<Status> {
    let unavailable = |why| Error::Unavailable {
        why,
        retry_after: Duration::from_secs(1),
        source: None,
    };
    let errors = [
        Error::Invalid(vec![FieldViolation::new("page_size", "must be 1 to 100")]),
        Error::InvalidPageToken("it is damaged"),
        Error::NotFound {
            kind: "challenge",
            ids: vec![ID.to_owned()],
        },
        unavailable(Unavailability::Datastore),
        unavailable(Unavailability::TakesNoWrites),
        unavailable(Unavailability::NothingInvalidated),
        unavailable(Unavailability::InvalidatedHereOnly(3)),
        unavailable(Unavailability::InvalidationUnproven(Some(3))),
        unavailable(Unavailability::VersionNotReached(Version::default())),
        unavailable(Unavailability::TipsProvider),
        unavailable(Unavailability::OutcomeUnknown),
        Error::internal("reading", "secret"),
        Error::UnknownTag("cities".to_owned()),
        Error::UnderWay(FleetTask::Warming),
        Error::UnderWay(FleetTask::Generating),
        Error::Exhausted {
            what: "tip streams at once",
            retry_after: Duration::from_secs(1),
        },
        Error::Declined,
        Error::NoTipsProvider,
    ];
    let statuses = errors
        .into_iter()
        .chain(of_operators())
        .map(|error| to_status(&error, "id-1"));
    let own = [
        deadline_exceeded(),
        message_too_slow(),
        shutting_down(),
        feature_disabled(Flag::AiTips),
        overloaded("it has 1000 calls in hand"),
        message_too_large(4_194_304),
        malformed("its length does not fit"),
        unknown_method("/challenges.catalog.v1.ChallengesCatalog/ListAll"),
        compressed(),
        unknown_health_name("challenges"),
        not_authenticated(CredentialError::Missing),
        not_authenticated(CredentialError::Unknown("token")),
        not_authenticated(CredentialError::KeysUnavailable),
        role_missing(&viewer(), Role::Operator, &METHODS[0]),
        call_rate(Duration::from_secs(1)),
    ];
    statuses.chain(own).collect()
}

/// What those can meet who edit the catalog, or switch something.
fn of_operators() -> Vec<Error> {
    let etag = Etag([0, 1, 2, 250, 251, 252, 253, 254]);
    let in_use = EditRefusal::InUse {
        id: id(),
        table: "public.user_challenges".to_owned(),
    };
    vec![
        Error::UnknownControl {
            kind: ControlKind::Flag,
            name: "shiny".to_owned(),
            known: vec!["ai_tips"],
        },
        Error::UnknownControl {
            kind: ControlKind::Setting,
            name: "shiny".to_owned(),
            known: vec!["cache_ttl"],
        },
        Error::OtherEnvironment(Environment::parse("staging").unwrap()),
        Error::Refused(EditRefusal::Exists(id())),
        Error::Refused(in_use),
        Error::Refused(EditRefusal::Changed(Some(etag))),
        Error::EtagMismatch { current: etag },
        Error::Refused(EditRefusal::RequestIdReused),
        Error::Refused(EditRefusal::NoSuchRevision {
            number: 7,
            may_be_pruned: false,
        }),
        Error::EditForbidden { source: None },
    ]
}

fn reason_of(status: &Status) -> ErrorReason {
    let details = status.get_error_details();
    let name = &details.error_info().unwrap().reason;
    ErrorReason::from_str_name(&format!("{PREFIX}{name}")).unwrap()
}

/// What the contract says of a reason: its comment, on one line.
fn comment_on(reason: ErrorReason) -> String {
    let proto = include_str!("../../proto/challenges/catalog/v1/errors.proto");
    let value = format!("  {} = ", reason.as_str_name());
    let (before, _) = proto.split_once(&value).unwrap();
    let mut lines: Vec<_> = before
        .lines()
        .rev()
        .map_while(|line| line.trim().strip_prefix("// "))
        .collect();
    lines.reverse();
    let comment = lines.join(" ");
    let (_, comment) = comment.split_once(": ").unwrap();
    comment.to_owned()
}

/// The name of a detail, with what is in it that varies.
fn name_of(detail: &ErrorDetail) -> Option<String> {
    match detail {
        ErrorDetail::ErrorInfo(info) => {
            let mut keys: Vec<_> = info.metadata.keys().map(String::as_str).collect();
            keys.sort_unstable();
            let keys: Vec<_> = keys.iter().map(|key| format!("metadata `{key}`")).collect();
            (!keys.is_empty()).then(|| keys.join(", "))
        }
        ErrorDetail::RetryInfo(_) => Some("RetryInfo".to_owned()),
        ErrorDetail::BadRequest(_) => Some("BadRequest".to_owned()),
        ErrorDetail::PreconditionFailure(_) => Some("PreconditionFailure".to_owned()),
        ErrorDetail::ResourceInfo(_) => Some("ResourceInfo".to_owned()),
        ErrorDetail::DebugInfo(_)
        | ErrorDetail::QuotaFailure(_)
        | ErrorDetail::RequestInfo(_)
        | ErrorDetail::Help(_)
        | ErrorDetail::LocalizedMessage(_)
        | _ => panic!("{detail:?} is new: name it here"),
    }
}

fn table_of_errors() -> String {
    let mut statuses = every_status();
    statuses.sort_by_key(|status| reason_of(status) as i32);
    let mut table = String::new();
    for status in statuses {
        let reason = reason_of(&status);
        let details: Vec<_> = status
            .get_error_details_vec()
            .iter()
            .filter_map(name_of)
            .collect();
        let pushback = status.metadata().contains_key(PUSHBACK);
        let pushback = pushback.then(|| format!("trailer `{PUSHBACK}`"));
        let details: Vec<_> = details.into_iter().chain(pushback).collect();
        let code = format!("{:?}", status.code());
        let name = reason.as_str_name().strip_prefix(PREFIX).unwrap();
        writeln!(
            table,
            "| `{name}` | {} {code} | {} | {} | {} |",
            status.code() as i32,
            status.message(),
            details.join(", "),
            comment_on(reason),
        )
        .unwrap();
    }
    table
}

/// `BLESS=1` writes it.
#[test]
fn the_table_of_errors_in_the_documents_is_what_the_code_answers() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let document = fs::read_to_string(&file).unwrap();
    let head = "| --- | --- | --- | --- | --- |\n";
    let (above, below) = document.split_once(head).unwrap();
    let (table, rest) = below.split_once("\n\n").unwrap_or((below, ""));
    let expected = table_of_errors();
    if std::env::var_os("BLESS").is_some() {
        let rest = if rest.is_empty() {
            String::new()
        } else {
            format!("\n{rest}")
        };
        fs::write(&file, format!("{above}{head}{expected}{rest}")).unwrap();
        return;
    }
    assert_eq!(table.trim_end(), expected.trim_end());
}

#[test]
fn every_reason_of_the_contract_has_a_status() {
    let mut missing: Vec<_> = (1..200)
        .filter_map(|number| ErrorReason::try_from(number).ok())
        .collect();
    for status in every_status() {
        missing.retain(|reason| *reason != reason_of(&status));
    }
    assert_eq!(missing, []);
}

#[test]
fn the_text_of_a_cause_never_reaches_the_wire() {
    let secret = "password=hunter2";
    let forbidden = Error::EditForbidden {
        source: Some(secret.into()),
    };
    let others = [Error::datastore(secret), Error::internal("reading", secret)];
    for error in others.into_iter().chain([forbidden]) {
        let status = to_status(&error, "id-1");
        let wire = format!("{status:?} {:?}", String::from_utf8_lossy(status.details()));
        assert!(!wire.contains("hunter2"), "{wire}");
    }
}

#[test]
fn a_pause_is_the_same_for_programs_and_for_a_built_in_retry_and_differs_from_call_to_call() {
    let mut pauses = Vec::new();
    for status in (0..20).flat_map(|_| every_status()) {
        let details = status.get_error_details();
        let pause = details.retry_info().and_then(|info| info.retry_delay);
        let pushback = status.metadata().get(PUSHBACK);
        let pushback = pushback.map(|millis| millis.to_str().unwrap().parse::<i64>().unwrap());
        match pause {
            Some(pause) => {
                assert_eq!(
                    pushback,
                    i64::try_from(pause.as_millis()).ok(),
                    "{status:?}"
                );
                pauses.push((reason_of(&status), pause));
            }
            None => assert!(pushback.is_none_or(|never| never < 0), "{status:?}"),
        }
    }
    for reason in [ErrorReason::Overloaded, ErrorReason::RateLimited] {
        let of_reason = pauses.iter().filter(|(of, _)| *of == reason);
        let (min, max) = of_reason
            .fold((Duration::MAX, Duration::ZERO), |(min, max), (_, pause)| {
                (min.min(*pause), max.max(*pause))
            });
        assert!(
            min < max && max <= min.mul_f64(1.5),
            "{reason:?} {min:?} {max:?}"
        );
    }
}

#[test]
fn a_failure_says_what_the_status_says() {
    let error = Error::Exhausted {
        what: "tip streams at once",
        retry_after: Duration::from_secs(2),
    };
    let failure = failure(&to_status(&error, "id-1"));
    assert_eq!(failure.code, i32::from(Code::ResourceExhausted));
    assert_eq!(failure.reason(), ErrorReason::RateLimited);
    assert_eq!(failure.message, "too many tip streams at once");
    assert_eq!(failure.retry_delay.map(|delay| delay.seconds), Some(2));
}

/// Clients of other languages refuse to read details whose status is not that of the trailers.
#[test]
fn the_message_in_the_details_is_that_of_the_status() {
    for status in every_status() {
        let inner = tonic_types::pb::Status::decode(status.details()).unwrap();
        assert_eq!(inner.message, status.message());
        assert_eq!(inner.code, i32::from(status.code()));
    }
}

#[test]
fn ids_that_are_unknown_have_a_detail_each_and_those_beyond_twenty_are_counted() {
    let ids: Vec<String> = (0..25).map(|number| format!("id-{number}")).collect();
    let kind = "challenge";
    let status = to_status(&Error::NotFound { kind, ids }, "id-1");
    assert!(status.message().ends_with("id-19, and 5 more"), "{status}");
    let details = status.get_error_details_vec();
    let named = details.iter().filter_map(|detail| {
        let ErrorDetail::ResourceInfo(info) = detail else {
            return None;
        };
        Some(info.resource_name.as_str())
    });
    let named: Vec<_> = named.collect();
    assert_eq!((named.len(), named[0], named[19]), (20, "id-0", "id-19"));
}

#[test]
fn what_callers_send_as_a_health_name_comes_back_without_control_characters() {
    let status = unknown_health_name("a\u{1b}[2J\nb");
    assert!(status.message().contains("a\\u{1b}[2J\\nb;"), "{status:?}");
}

#[test]
fn a_role_that_does_not_suffice_has_its_article() {
    let editor = Principal {
        role: Role::Editor,
        ..viewer()
    };
    let status = role_missing(&editor, Role::Operator, &METHODS[0]);
    assert!(
        status.message().ends_with("this caller is an editor"),
        "{status}"
    );
}

#[test]
fn details_stay_under_four_kilobytes() {
    let ids = vec!["5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01".to_owned(); 100];
    let violations = vec![FieldViolation::new("ids[99]", "must be a UUID ".repeat(4)); 100];
    for error in [
        Error::NotFound {
            kind: "challenge",
            ids,
        },
        Error::Invalid(violations),
    ] {
        assert!(to_status(&error, "id-1").details().len() < 4096);
    }
}
