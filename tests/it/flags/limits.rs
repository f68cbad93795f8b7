//! Limits on tips that operators change while a fleet has them written, by the simulator.
use std::{cell::Cell, time::Duration};

use challenges_catalog::pb::catalog::v1::{StreamTipsRequest, TipFallback, TipSource};
use serde_json::json;
use tonic::Request;

use super::{
    settings::{set, update},
    tips::{FIRST, TIP, answer},
};
use crate::support::{
    fleet::Fleet,
    llmock::{self, Llmock},
    replica::Replica,
    wait::eventually,
};

/// What a change may take until it holds everywhere.
const WITHIN: Duration = Duration::from_secs(2);

const WRITTEN: (TipSource, TipFallback) = (TipSource::Ai, TipFallback::Unspecified);

/// A fleet, and the simulator that it calls.
struct Scene {
    fleet: Fleet,
    server: Llmock,
    requests: Cell<u32>,
}

impl Scene {
    async fn start() -> Self {
        let server = llmock::start();
        server.next(&json!({"type": "reply", "text": TIP, "times": 1_000}));
        let url = server.anthropic_url();
        let locales: Vec<_> = (1..=200).map(|number| format!("en-{number:03}")).collect();
        let locales = locales.join(",");
        let settings = [
            ("CATALOG_TIP_LOCALES", locales.as_str()),
            ("ANTHROPIC_API_KEY", "key"),
            ("ANTHROPIC_BASE_URL", url.as_str()),
            ("CATALOG_TIP_STREAMS_PER_MINUTE", "100000"),
        ];
        Self {
            fleet: Fleet::start_with(2, &settings).await,
            server,
            requests: Cell::new(0),
        }
    }

    /// What comes of a request for a tip that nobody has, because no language has it yet.
    async fn request(&self, replica: &Replica) -> (TipSource, TipFallback) {
        self.requests.set(self.requests.get() + 1);
        let question = StreamTipsRequest {
            challenge_id: FIRST.to_owned(),
            locale: format!("en-{:03}", self.requests.get()),
            ..Default::default()
        };
        let done = answer(&mut replica.client().await, Request::new(question)).await;
        let done = done.unwrap();
        (done.source(), done.fallback())
    }

    /// Waits until requests at every replica, that where the change was made last, end so.
    async fn requests_end(&self, end: (TipSource, TipFallback)) {
        for replica in self.fleet.replicas.iter().rev() {
            eventually(&format!("a request ends {end:?}"), WITHIN, async || {
                self.request(replica).await == end
            })
            .await;
        }
    }

    /// Changes a setting at the first replica.
    async fn change(&self, name: &str, value: i64) {
        let changed = update(&self.fleet.replicas[0], set(name, value)).await;
        assert_eq!(changed.unwrap().value, value);
    }
}

#[tokio::test]
async fn another_budget_holds_for_the_next_request_at_every_replica() {
    let scene = Scene::start().await;
    scene.requests_end(WRITTEN).await;
    scene.change("tip_daily_budget_micro_usd", 1).await;
    let spent = (TipSource::Static, TipFallback::Budget);
    scene.requests_end(spent).await;
    scene.change("tip_daily_budget_micro_usd", 10_000_000).await;
    scene.requests_end(WRITTEN).await;
}

/// Changes a limit of the provider to 1 in a minute, and then to `other`, which is as good as none.
async fn a_limit_holds_and_is_lifted(name: &str, other: i64) {
    let scene = Scene::start().await;
    scene.requests_end(WRITTEN).await;
    scene.change(name, 1).await;
    let limited = (TipSource::Static, TipFallback::Limited);
    scene.requests_end(limited).await;
    let before = scene.server.requests().len();
    for replica in &scene.fleet.replicas {
        assert_eq!(scene.request(replica).await, limited);
    }
    assert_eq!(scene.server.requests().len(), before, "nothing was sent");
    scene.change(name, other).await;
    scene.requests_end(WRITTEN).await;
}

#[tokio::test]
async fn another_limit_of_a_providers_requests_holds_for_the_next_request_at_every_replica() {
    a_limit_holds_and_is_lifted("anthropic_requests_per_minute", 0).await;
}

#[tokio::test]
async fn another_limit_of_a_providers_tokens_holds_for_the_next_request_at_every_replica() {
    a_limit_holds_and_is_lifted("anthropic_tokens_per_minute", 0).await;
}

#[tokio::test]
async fn a_higher_limit_does_not_wait_for_the_end_of_a_lower_one() {
    a_limit_holds_and_is_lifted("anthropic_requests_per_minute", 6_000).await;
}
