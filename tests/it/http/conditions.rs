//! What changes depend on: etags that are told as conditions, and options that would have no effect.
use http::{Method, Request};
use serde_json::json;

use super::{
    operators::{import_line, one},
    scene::{Client, Speaking, ask, get, http_addr, send, serving},
};
use crate::editing::client::id;

#[tokio::test]
async fn a_condition_of_a_change_holds_or_nothing_is_changed() {
    let replica = serving(&[]).await;
    let before = get(&replica, &one()).await.json();
    let before = before["challenge"]["etag"].as_str().unwrap();
    let change = async |condition: (&str, &str), title: &str| {
        let path = format!("{}?update_mask=title", one());
        let request = Request::patch(path)
            .header("content-type", "application/json")
            .header(condition.0, condition.1);
        let body = json!({"title": title}).to_string();
        let mut client = Client::connect(http_addr(&replica), Speaking::Http1).await;
        client.send(request.body(body.into()).unwrap()).await
    };
    assert_eq!(change(("if-match", before), "Mine").await.status, 200);
    let (status, reason, _) = change(("if-match", before), "Yours").await.problem();
    assert_eq!((status, reason.as_str()), (412, "ETAG_MISMATCH"));
    let etag = ("if-match", before);
    let deleted = ask(&replica, Method::DELETE, &one(), &[etag]).await;
    assert_eq!(deleted.problem().0, 412);
    // What is not understood must not be taken for none.
    for condition in [
        ("if-none-match", "*"),
        ("if-unmodified-since", "Mon, 30 Nov 2026 16:00:00 GMT"),
        ("if-match", "\"a\", \"b\""),
        ("if-match", ""),
    ] {
        let refused = change(condition, "Yours").await.problem();
        assert_eq!((refused.0, &*refused.2[0]), (400, condition.0));
    }
    let read = get(&replica, &one()).await.json();
    assert_eq!(read["challenge"]["title"], "Mine");
    assert_eq!(change(("if-match", "*"), "Hers").await.status, 200);
}

/// The options of an import stand in its lines: in the query they would have no effect.
#[tokio::test]
async fn an_import_with_a_query_is_refused_and_changes_nothing() {
    let replica = serving(&[]).await;
    let line = import_line(1, 10).to_string();
    for (query, field) in [("validate_only=true", "validate_only"), ("foo=bar", "foo")] {
        let to = format!("/v1/admin/challenges:import?{query}");
        let kind = "application/x-ndjson";
        let refused = send(&replica, (Method::POST, &to), kind, line.clone()).await;
        let (status, reason, fields) = refused.problem();
        let told = (status, reason.as_str(), fields);
        assert_eq!(told, (400, "INVALID_FIELDS", vec![field.to_owned()]));
    }
    let path = format!("/v1/admin/challenges/{}", id(1));
    assert_eq!(get(&replica, &path).await.status, 404);
}
