//! Tips that were not written are counted by why.
use std::collections::BTreeMap;

use challenges_catalog::{domain::FallbackCause, pb::catalog::v1::TipSource};

use super::scene::{OPS, metrics};
use crate::{
    llm::fixture::answer,
    support::{replica::Replica, scripted::Scripted},
    tips::{
        provider::replica_of,
        wire_stream::{hear, question},
    },
};

/// What the page says of every cause.
async fn fallbacks(replica: &Replica) -> BTreeMap<String, u64> {
    let page = metrics(replica).await;
    let of_cause = |line: &str| {
        let rest = line.strip_prefix("catalog_tips_fallbacks_total{cause=\"")?;
        let (cause, count) = rest.split_once("\"} ")?;
        Some((cause.to_owned(), count.parse().unwrap()))
    };
    page.lines().filter_map(of_cause).collect()
}

/// Every cause that there is, at 0.
fn none() -> BTreeMap<String, u64> {
    let words = FallbackCause::all().map(|cause| cause.as_str().to_owned());
    words.map(|word| (word, 0)).collect()
}

#[tokio::test]
async fn every_cause_is_there_at_0_before_anything_happened() {
    let replica = Replica::start(&[(OPS.0, OPS.1.to_owned())]).await;
    assert_eq!(fallbacks(&replica).await, none());
}

#[tokio::test]
async fn a_key_that_the_provider_refuses_is_counted_as_denied_and_as_nothing_else() {
    let provider = Scripted::playing(vec![answer("401 Unauthorized", "", "{}")]).await;
    let replica = replica_of(&provider, &[OPS]).await;
    let hearing = hear(&replica, question()).await;
    assert_eq!(hearing.done.source(), TipSource::Static);
    let mut expected = none();
    expected.insert("denied".to_owned(), 1);
    assert_eq!(fallbacks(&replica).await, expected);
}
