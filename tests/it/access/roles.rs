//! Every method, and who may call it: the table of docs/access.md, checked from the contract's descriptors.
use std::collections::{BTreeMap, BTreeSet};

use challenges_catalog::pb::DESCRIPTORS;
use prost::Message;
use tonic::{Code, Request, Status, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use super::scene::{Files, connect, token_entry, with_header};
use crate::support::replica::Replica;

const DOCUMENT: &str = include_str!("../../../docs/access.md");
const ROLES: [&str; 3] = ["viewer", "editor", "operator"];

/// The methods of the contract, and the least role that the document names for each.
fn documented() -> BTreeMap<String, String> {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `/")?.split(" | ");
        let path = cells.next()?.trim_end_matches('`');
        Some((
            format!("/{path}"),
            cells.next()?.trim_end_matches(" |").to_owned(),
        ))
    });
    rows.collect()
}

pub fn methods() -> BTreeSet<String> {
    let set = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let mut paths = BTreeSet::new();
    // Health is among the descriptors, and is for everybody: see the document's text.
    let files = set.file.iter();
    for file in files.filter(|file| file.package().starts_with("challenges.")) {
        for service in &file.service {
            let methods = service.method.iter();
            paths.extend(
                methods.map(|method| {
                    format!("/{}.{}/{}", file.package(), service.name(), method.name())
                }),
            );
        }
    }
    paths
}

/// Calls a method with an empty message; how it was refused, if it was.
pub async fn call(channel: &Channel, path: &str, header: Option<&str>) -> Result<(), Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    let request = match header {
        Some(header) => with_header((), header),
        None => Request::new(()),
    };
    let path = path.parse().unwrap();
    client
        .server_streaming(request, path, codec)
        .await
        .map(drop)
}

/// Whether the call was let in, whatever became of it then.
fn is_let_in(answer: &Result<(), Status>) -> bool {
    match answer {
        Ok(()) => true,
        Err(status) => {
            let details = status.get_error_details();
            let reason = details.error_info().map(|info| info.reason.clone());
            let reason = reason.unwrap_or_default();
            assert_eq!(
                status.code() == Code::PermissionDenied,
                reason == "ROLE_MISSING",
                "{status:?}"
            );
            assert_eq!(
                status.code() == Code::Unauthenticated,
                reason.starts_with("CREDENTIALS_"),
                "{status:?}"
            );
            !matches!(
                status.code(),
                Code::PermissionDenied | Code::Unauthenticated
            )
        }
    }
}

#[test]
fn the_document_has_a_row_for_every_method() {
    let documented: BTreeSet<_> = documented().into_keys().collect();
    assert_eq!(documented, methods());
}

#[tokio::test]
async fn every_method_lets_in_those_whose_role_suffices_and_nobody_else() {
    let files = Files::new();
    let entries: String = ROLES.map(|role| token_entry(role, role, role, "")).concat();
    let mut settings = files.tls();
    settings.push(files.access(&entries));
    let replica = Replica::start(&settings).await;
    let channel = connect(&replica, files.authority.trusted()).await.unwrap();
    for (path, needed) in documented() {
        let least = ROLES.iter().position(|role| *role == needed);
        let least = least.unwrap_or_else(|| panic!("{path} needs {needed}?"));
        for (at, role) in ROLES.iter().enumerate() {
            let answer = call(&channel, &path, Some(&format!("Bearer {role}"))).await;
            assert_eq!(
                is_let_in(&answer),
                at >= least,
                "{path} as {role}: {answer:?}"
            );
        }
        for header in [None, Some("Bearer nobody")] {
            let answer = call(&channel, &path, header).await;
            assert_eq!(
                answer.unwrap_err().code(),
                Code::Unauthenticated,
                "{path} {header:?}"
            );
        }
    }
}

#[tokio::test]
async fn anonymous_callers_have_the_role_that_the_file_gives_them_and_no_more() {
    let files = Files::new();
    let mut settings = files.tls();
    settings.push(files.access("anonymous = \"viewer\"\n"));
    let replica = Replica::start(&settings).await;
    let channel = connect(&replica, files.authority.trusted()).await.unwrap();
    for (path, needed) in documented() {
        let answer = call(&channel, &path, None).await;
        assert_eq!(is_let_in(&answer), needed == "viewer", "{path}: {answer:?}");
        if let Err(status) = answer {
            // Whoever brings nothing is asked for credentials, and not told that they do not suffice.
            assert_ne!(status.code(), Code::PermissionDenied, "{path}");
        }
    }
}
