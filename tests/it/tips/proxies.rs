//! Requests go through the proxies that the environment names.
use super::{
    provider::{TIP, quick},
    wire_stream::{hear, question},
};
use crate::support::{
    process::PATIENCE,
    replica::Replica,
    scripted::{Act, Scripted},
    wait::eventually,
};

async fn replica(settings: &[(&'static str, String)]) -> Replica {
    let key = [("ANTHROPIC_API_KEY", "key".to_owned())];
    Replica::start(&[&key, settings].concat()).await
}

/// A proxy that answers in place of the provider, which is nowhere.
#[tokio::test]
async fn plain_requests_go_to_the_proxy_with_the_whole_address() {
    let proxy = quick().await;
    let replica = replica(&[
        ("ANTHROPIC_BASE_URL", "http://provider.invalid".to_owned()),
        ("HTTP_PROXY", proxy.url()),
    ])
    .await;
    assert_eq!(hear(&replica, question()).await.text, TIP);
    let head = &proxy.exchanges()[0].head;
    assert!(
        head.starts_with("POST http://provider.invalid/v1/messages HTTP/1.1"),
        "{head}"
    );
}

#[tokio::test]
async fn for_requests_by_tls_the_proxy_is_asked_for_a_tunnel_and_gets_no_key() {
    let proxy = Scripted::playing(vec![Act::Send(
        b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_vec(),
    )])
    .await;
    let replica = replica(&[
        ("ANTHROPIC_BASE_URL", "https://provider.invalid".to_owned()),
        ("HTTPS_PROXY", proxy.url()),
    ])
    .await;
    hear(&replica, question()).await;
    eventually("a tunnel is asked for", PATIENCE, async || {
        !proxy.exchanges().is_empty()
    })
    .await;
    let head = &proxy.exchanges()[0].head;
    assert!(
        head.starts_with("CONNECT provider.invalid:443 HTTP/1.1"),
        "{head}"
    );
    assert!(!head.contains("x-api-key"), "{head}");
}

#[tokio::test]
async fn a_host_that_needs_no_proxy_is_reached_directly() {
    let (provider, proxy) = (quick().await, Scripted::playing(vec![Act::Hold]).await);
    let replica = replica(&[
        ("ANTHROPIC_BASE_URL", provider.url()),
        ("HTTP_PROXY", proxy.url()),
        ("NO_PROXY", "localhost,127.0.0.1".to_owned()),
    ])
    .await;
    assert_eq!(hear(&replica, question()).await.text, TIP);
    assert!(proxy.exchanges().is_empty());
}
