//! What a provider is sent, and what nobody else is.
use challenges_catalog::{
    domain::FailureKind,
    llm::{ProviderProtocol, ProviderSettings, ProviderWriter, SetupError},
};
use serde_json::{Value, json};

use super::fixture::{BOTH, KEY, Protocol, clock, events, settings, write};
use crate::support::scripted::{Act, Exchange, Scripted};

async fn request(protocol: Protocol, change: impl Fn(&mut ProviderSettings)) -> (Exchange, Value) {
    let body = protocol.text(&["Hi"]) + &protocol.good_end();
    let server = Scripted::playing(vec![events(body)]).await;
    let mut settings = settings(&format!("{}/base/", server.url()));
    change(&mut settings);
    write(&*protocol.writer(&settings)).await.end.unwrap();
    let exchange = server.exchanges().remove(0);
    let body = serde_json::from_str(&exchange.body).unwrap();
    (exchange, body)
}

#[tokio::test]
async fn anthropic_is_sent_a_message() {
    let (exchange, body) = request(Protocol::Anthropic, |_| {}).await;
    assert!(
        exchange
            .head
            .starts_with("POST /base/v1/messages HTTP/1.1\r\n")
    );
    for header in [
        &format!("x-api-key: {KEY}"),
        "anthropic-version: 2023-06-01",
        "content-type: application/json",
        "accept: text/event-stream, application/json",
    ] {
        assert!(
            exchange.head.contains(header),
            "{header} in {}",
            exchange.head
        );
    }
    assert_eq!(
        body,
        json!({"model": "model-1", "max_tokens": 400, "stream": true, "system": "You coach.",
            "messages": [{"role": "user", "content": "Say hello."}]})
    );
}

#[tokio::test]
async fn a_server_like_openai_is_sent_a_chat() {
    let (exchange, body) = request(Protocol::OpenAi, |_| {}).await;
    assert!(
        exchange
            .head
            .starts_with("POST /base/chat/completions HTTP/1.1\r\n")
    );
    let bearer = format!("authorization: Bearer {KEY}");
    assert!(exchange.head.contains(&bearer), "{}", exchange.head);
    assert_eq!(
        body,
        json!({"model": "model-1", "max_tokens": 400, "stream": true,
            "stream_options": {"include_usage": true},
            "messages": [{"role": "system", "content": "You coach."},
                {"role": "user", "content": "Say hello."}]})
    );
    let (exchange, _) = request(Protocol::OpenAi, |settings| settings.key = None).await;
    assert!(
        !exchange.head.contains("authorization"),
        "{}",
        exchange.head
    );
}

#[tokio::test]
async fn a_temperature_is_sent_when_it_is_not_the_default() {
    for protocol in BOTH {
        let (_, body) = request(protocol, |settings| settings.temperature_milli = 700).await;
        assert_eq!(body["temperature"], json!(0.7));
    }
}

#[tokio::test]
async fn compressed_answers_are_not_asked_for() {
    for protocol in BOTH {
        let (exchange, _) = request(protocol, |_| {}).await;
        let (_, encoding) = exchange.head.split_once("accept-encoding: ").unwrap();
        assert!(encoding.starts_with("identity"), "{}", exchange.head);
    }
}

#[tokio::test]
async fn a_gateway_is_sent_a_bearer_token_and_headers_of_its_own() {
    let (exchange, _) = request(Protocol::Anthropic, |settings| {
        settings.key = None;
        settings.auth_token = Some("t0ken".into());
        settings.extra_headers = vec![("x-team".to_owned(), "coaches".into())];
    })
    .await;
    for header in ["authorization: Bearer t0ken", "x-team: coaches"] {
        assert!(exchange.head.contains(header), "{}", exchange.head);
    }
    assert!(!exchange.head.contains("x-api-key"), "{}", exchange.head);
    let (exchange, _) = request(Protocol::OpenAi, |settings| {
        settings.extra_headers = vec![("authorization".to_owned(), "Basic b2s=".into())];
    })
    .await;
    let proof = exchange.head.matches("authorization: ").count();
    assert!(proof == 1 && exchange.head.contains("authorization: Basic b2s="));
}

#[test]
fn a_key_that_cannot_be_sent_is_refused_and_not_repeated() {
    let settings = ProviderSettings {
        key: Some(format!("{KEY}\nx: y").into()),
        ..settings("http://127.0.0.1:1")
    };
    assert!(!format!("{settings:?}").contains(KEY));
    for protocol in [ProviderProtocol::Anthropic, ProviderProtocol::OpenAi] {
        let made = ProviderWriter::new(protocol, &settings, clock());
        let error = made.err().unwrap();
        assert!(matches!(error, SetupError::Key), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(KEY));
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_cannot_prove_who_it_is() {
    let server = Scripted::playing(vec![Act::Hold]).await;
    let settings = settings(&server.url().replace("http://", "https://"));
    // The server takes the greeting for a request that never ends; the limit on connecting ends it.
    let limits = challenges_catalog::llm::TimeLimits {
        connect: std::time::Duration::from_millis(300),
        ..settings.limits
    };
    let settings = ProviderSettings { limits, ..settings };
    match ProviderWriter::new(ProviderProtocol::Anthropic, &settings, clock()) {
        Ok(writer) => assert_eq!(write(&writer).await.kind(), FailureKind::Connect),
        Err(error) => assert!(matches!(error, SetupError::NoRoots), "{error:?}"),
    }
    assert!(server.exchanges().is_empty());
}
