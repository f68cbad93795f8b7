//! Batches, and all that a server may say about them.
use std::time::Duration;

use challenges_catalog::{
    domain::{
        BatchOrder, BatchOutcome, FailureKind, ProviderBatchId, TipBatchWriter, WriteFailure,
    },
    llm::AnthropicBatches,
};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;

use super::fixture::{KEY, answer, clock, prompt, settings};
use crate::support::scripted::{Act, Scripted};

fn id() -> ProviderBatchId {
    ProviderBatchId("msgbatch_1".to_owned())
}

fn writer(server: &Scripted) -> AnthropicBatches {
    AnthropicBatches::new(&settings(&server.url()), clock()).unwrap()
}

async fn submit(script: Vec<Act>) -> (WriteFailure, Scripted) {
    let server = Scripted::playing(script).await;
    let order = BatchOrder {
        custom_id: "a-0".to_owned(),
        prompt: prompt(),
    };
    let failure = writer(&server).submit(&[order]).await.unwrap_err();
    assert!(!format!("{failure:?}").contains(KEY));
    assert_eq!(server.exchanges().len(), 1, "never a second request");
    (failure, server)
}

fn json_answer(body: &serde_json::Value) -> Act {
    answer(
        "200 OK",
        "content-type: application/json\r\n",
        body.to_string(),
    )
}

#[tokio::test]
async fn a_batch_is_handed_in_with_its_names_and_without_a_word_about_streams() {
    let batch = json!({"id": "msgbatch_1", "processing_status": "in_progress",
        "request_counts": {"processing": 2}, "ended_at": null, "results_url": null});
    let server = Scripted::playing(vec![json_answer(&batch)]).await;
    let orders = ["a-0", "a-1"].map(|custom_id| BatchOrder {
        custom_id: custom_id.to_owned(),
        prompt: prompt(),
    });
    let status = writer(&server).submit(&orders).await.unwrap();
    assert_eq!(
        (status.id, status.orders, status.has_ended),
        (id(), 2, false)
    );
    let exchange = &server.exchanges()[0];
    assert!(
        exchange
            .head
            .starts_with("POST /v1/messages/batches HTTP/1.1")
    );
    for header in [
        &format!("x-api-key: {KEY}"),
        "anthropic-version: 2023-06-01",
    ] {
        assert!(exchange.head.contains(header), "{}", exchange.head);
    }
    let body: serde_json::Value = serde_json::from_str(&exchange.body).unwrap();
    let params = json!({"model": "model-1", "max_tokens": 400, "system": "You coach.",
        "messages": [{"role": "user", "content": "Say hello."}]});
    let requests = ["a-0", "a-1"].map(|id| json!({"custom_id": id, "params": params}));
    assert_eq!(body, json!({"requests": requests}));
}

#[tokio::test]
async fn a_refusal_says_what_and_when_and_a_redirect_is_not_followed() {
    let limited = answer(
        "429 Too Many Requests",
        "retry-after: 7\r\nx-should-retry: true\r\n",
        "{}",
    );
    let (failure, _) = submit(vec![limited]).await;
    assert_eq!(failure.kind, FailureKind::RateLimited);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(failure.should_retry, Some(true));
    let other = Scripted::playing(vec![]).await;
    let elsewhere = format!("location: {}/v1/messages/batches\r\n", other.url());
    let (failure, _) = submit(vec![answer("307 Temporary Redirect", &elsewhere, "")]).await;
    assert_eq!(failure.kind, FailureKind::Malformed);
    assert!(other.exchanges().is_empty());
}

#[tokio::test]
async fn what_is_no_batch_is_malformed_and_an_answer_without_end_is_not_read() {
    let odd_id = json!({"id": "../../admin", "processing_status": "ended", "request_counts": {}});
    let flood = "x".repeat(10_000).into_bytes();
    for script in [
        vec![answer("200 OK", "", "<html>")],
        vec![json_answer(&odd_id)],
        vec![answer("200 OK", "", ""), Act::Flood(flood)],
    ] {
        let (failure, _) = submit(script).await;
        assert_eq!(failure.kind, FailureKind::Malformed, "{failure:?}");
    }
}

#[tokio::test]
async fn a_batch_that_is_unknown_is_none_and_forgetting_it_is_no_error() {
    let unknown = r#"{"type":"error","error":{"type":"not_found_error","message":"no"}}"#;
    let server = Scripted::playing(vec![answer("404 Not Found", "", unknown)]).await;
    assert_eq!(writer(&server).status(&id()).await.unwrap(), None);
    writer(&server).delete(&id()).await.unwrap();
    let heads: Vec<_> = server.exchanges().into_iter().map(|it| it.head).collect();
    assert!(heads[0].starts_with("GET /v1/messages/batches/msgbatch_1 HTTP/1.1"));
    assert!(heads[1].starts_with("DELETE /v1/messages/batches/msgbatch_1 HTTP/1.1"));
}

#[tokio::test]
async fn results_that_break_off_are_an_error_after_those_that_came() {
    let line = json!({"custom_id": "a-1", "result": {"type": "expired"}}).to_string();
    let headers = "content-type: application/x-jsonl\r\ncontent-length: 100000\r\n";
    let body = format!("{line}\n{line}\n{{\"custom");
    let server = Scripted::playing(vec![answer("200 OK", headers, body)]).await;
    let mut results = writer(&server).results(&id());
    for _ in 0..2 {
        let result = results.next().await.unwrap().unwrap();
        assert_eq!(
            (result.custom_id.as_str(), result.outcome),
            ("a-1", BatchOutcome::Expired)
        );
    }
    let failure = results.next().await.unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Truncated);
    assert!(results.next().await.is_none());
    let head = &server.exchanges()[0].head;
    assert!(head.starts_with("GET /v1/messages/batches/msgbatch_1/results HTTP/1.1"));
}

#[tokio::test]
async fn one_line_that_is_no_result_is_left_out_and_a_page_of_something_else_is_an_error() {
    let read = async |body: &str| {
        let script = vec![answer("200 OK", "", body)];
        let server = Scripted::playing(script).await;
        let results = writer(&server).results(&id());
        results.try_collect::<Vec<_>>().await
    };
    let line = json!({"custom_id": "a-1", "result": {"type": "canceled"}}).to_string();
    let results = read(&format!("{line}\n{{}}\n{line}\n")).await.unwrap();
    assert_eq!(results.len(), 2);
    let failure = read(&format!("<html>\n{line}\n")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Malformed);
}

#[tokio::test]
async fn a_result_without_end_is_not_read_to_it() {
    let head = answer("200 OK", "content-type: application/x-jsonl\r\n", "");
    let flood = Act::Flood("x".repeat(10_000).into_bytes());
    let server = Scripted::playing(vec![head, flood]).await;
    let results = writer(&server).results(&id()).try_collect::<Vec<_>>().await;
    assert_eq!(results.unwrap_err().kind, FailureKind::Malformed);
}
