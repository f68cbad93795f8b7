//! What each listener offers, and which addresses are refused.
use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use challenges_catalog::pb::{
    admin::v1::{GetCacheStatusRequest, cache_admin_client::CacheAdminClient},
    catalog::v1::{ListChallengesRequest, challenges_catalog_client::ChallengesCatalogClient},
};
use tonic::Code;

use super::scene::{Files, connect, list, plain, token_entry, with_header};
use crate::{
    startup::ended::serve,
    support::{process::PATIENCE, replica::Replica, wait::until},
};

/// The address that a line of the log names so.
pub fn address(replica: &Replica, field: &str) -> String {
    let mut found = None;
    // Lines are written by a thread of their own, so they come when they come.
    until(PATIENCE, || {
        let log = replica.log();
        found = log.lines().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let value = line.get(field).or_else(|| line.get("fields")?.get(field))?;
            Some(value.as_str()?.to_owned())
        });
        found.is_some()
    });
    found.unwrap_or_else(|| panic!("no {field} in {}", replica.log()))
}

#[tokio::test]
async fn admin_services_are_only_where_they_have_an_address_of_their_own() {
    let settings = [("CATALOG_ADMIN_ADDR", "127.0.0.1:0".to_owned())];
    let replica = Replica::start(&settings).await;
    let (callers, operators) = (
        plain(replica.addr()).await,
        plain(address(&replica, "admin_addr")).await,
    );
    let status = async |channel| {
        let request = GetCacheStatusRequest::default();
        CacheAdminClient::new(channel)
            .get_cache_status(request)
            .await
    };
    let refused = status(callers.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    status(operators.clone()).await.unwrap();
    assert_eq!(list(&callers, None).await.unwrap(), 18);
    assert_eq!(
        list(&operators, None).await.unwrap(),
        18,
        "the command line reads there too"
    );
}

#[tokio::test]
async fn health_alone_is_served_in_plain_text_and_without_credentials() {
    let files = Files::new();
    let mut settings = files.tls();
    settings.push(files.access(&token_entry("shop", "t", "viewer", "")));
    settings.push(("CATALOG_HEALTH_ADDR", "127.0.0.1:0".to_owned()));
    let replica = Replica::start(&settings).await;
    let channel = plain(address(&replica, "health_addr")).await;
    let mut probe = HealthClient::new(channel.clone());
    let request = HealthCheckRequest {
        service: "readiness".to_owned(),
    };
    let said = probe.check(request.clone()).await.unwrap();
    assert_eq!(said.get_ref().status(), ServingStatus::Serving);
    let mut catalog = ChallengesCatalogClient::new(channel);
    let listing = with_header(ListChallengesRequest::default(), "Bearer t");
    let refused = catalog.list_challenges(listing).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    // Nor does health need credentials where they are asked for.
    let channel = connect(&replica, files.authority.trusted()).await.unwrap();
    HealthClient::new(channel).check(request).await.unwrap();
}

#[tokio::test]
async fn reflection_is_for_everybody_for_those_who_are_known_or_for_nobody() {
    let files = Files::new();
    let access = files.access(&token_entry("shop", "t", "viewer", ""));
    let asked = async |who: &str, header: Option<&str>| {
        let mut settings = files.tls();
        settings.push(access.clone());
        settings.push(("CATALOG_REFLECTION", who.to_owned()));
        let replica = Replica::start(&settings).await;
        let channel = connect(&replica, files.authority.trusted()).await.unwrap();
        let mut client =
            tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(
                channel,
            );
        let request = tonic_reflection::pb::v1::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(
                tonic_reflection::pb::v1::server_reflection_request::MessageRequest::ListServices(
                    String::new(),
                ),
            ),
        };
        let requests = futures_util::stream::once(async { request });
        let request = match header {
            Some(header) => with_header(requests, header),
            None => tonic::Request::new(requests),
        };
        match client.server_reflection_info(request).await {
            Ok(mut answer) => answer.get_mut().message().await.err().map(|it| it.code()),
            Err(status) => Some(status.code()),
        }
    };
    assert_eq!(asked("on", None).await, None);
    assert_eq!(
        asked("authenticated", None).await,
        Some(Code::Unauthenticated)
    );
    assert_eq!(asked("authenticated", Some("Bearer t")).await, None);
    assert_eq!(
        asked("off", Some("Bearer t")).await,
        Some(Code::Unimplemented)
    );
}

#[tokio::test]
async fn addresses_that_others_reach_need_encryption_and_credentials_or_to_be_meant() {
    let files = Files::new();
    let open = ("CATALOG_ADMIN_ADDR", "0.0.0.0:0".to_owned());
    let refused = serve(std::slice::from_ref(&open)).await;
    refused.with(2, &["CATALOG_ADMIN_ADDR", "--access-file", "--insecure"]);
    let mut settings = files.tls();
    settings.push(open.clone());
    serve(&settings).await.with(2, &["CATALOG_ADMIN_ADDR"]);
    settings.push(files.access(&token_entry("shop", "t", "viewer", "")));
    let replica = Replica::start(&settings).await;
    assert!(address(&replica, "admin_addr").starts_with("0.0.0.0:"));
    let same = [
        ("CATALOG_ADMIN_ADDR", "127.0.0.1:50999".to_owned()),
        ("CATALOG_HEALTH_ADDR", "127.0.0.1:50999".to_owned()),
    ];
    serve(&same)
        .await
        .with(2, &["CATALOG_HEALTH_ADDR", "is taken by admin_addr"]);
}
