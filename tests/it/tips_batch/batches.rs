//! Runs that order tips together.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{
        BatchGenerateTipsRequest, GeneratedTipFailure, GenerationEnd, TipBatch, TipBatchState,
        batch_generate_tips_request::Scope,
    },
    catalog::v1::{TipProviderFailure, TipSource},
};
use serde_json::json;
use tonic::Code;

use super::{
    calling::{Told, begin, begin_when_free, generate, read_meanwhile, some},
    provider::{Batches, COST, Mishap, errored, expired, tip, written},
};
use crate::{
    support::{
        llmock, program,
        refusal::{Refusal, refusal},
        replica::Replica,
        wait::eventually,
    },
    tips::{
        hearing::{CHALLENGE, OTHERS, hear, question_about},
        provider::replica_of,
    },
};

const SOON: Duration = Duration::from_secs(30);
const SEEDED: i32 = 18;

fn all() -> BatchGenerateTipsRequest {
    BatchGenerateTipsRequest {
        scope: Some(Scope::All(true)),
        message_batches: true,
        ..Default::default()
    }
}

fn these(ids: &[&str]) -> BatchGenerateTipsRequest {
    BatchGenerateTipsRequest {
        message_batches: true,
        tips_per_minute: 0,
        ..some(ids)
    }
}

/// The states that the only batch went through, each once.
fn states(told: &Told) -> Vec<TipBatchState> {
    let batches = told.messages.iter().flat_map(|message| &message.batches);
    let mut states: Vec<_> = batches.map(TipBatch::state).collect();
    states.dedup();
    states
}

#[tokio::test]
async fn a_simulators_batch_is_written_for_half_the_price_and_taken_over_once() {
    let server = llmock::start();
    let settings = [
        ("ANTHROPIC_API_KEY", "key".to_owned()),
        ("ANTHROPIC_BASE_URL", server.anthropic_url()),
    ];
    let replica = Replica::start(&settings).await;
    let ids = [CHALLENGE, OTHERS[0], OTHERS[1]];
    let told = generate(&replica, these(&ids)).await;
    let summary = &told.summary;
    assert_eq!(summary.end(), GenerationEnd::Complete, "{summary:?}");
    assert_eq!((summary.written, summary.failed), (3, 0), "{summary:?}");
    let usage = summary.usage.unwrap();
    assert!(!usage.estimated && usage.output_tokens > 0);
    let most = (usage.input_tokens + 5 * usage.output_tokens).div_ceil(2) + 3;
    assert!(
        (most - 6..=most).contains(&summary.cost_micro_usd),
        "{summary:?}"
    );
    for id in ids {
        let heard = hear(&replica, question_about(id)).await;
        assert_eq!(heard.done.source(), TipSource::Cache);
    }
    assert_eq!(generate(&replica, these(&ids)).await.summary.kept, 3);
    let verdict = server.verdict();
    assert_eq!(
        (&verdict["passed"], &verdict["errors"], &verdict["warnings"]),
        (&json!(true), &json!(0), &json!(0)),
        "{verdict}"
    );
}

#[tokio::test]
async fn a_batch_is_told_from_the_note_to_its_end_and_forgotten_by_the_provider() {
    let provider = Batches::with(written).await;
    let replica = replica_of(&provider.server, &[]).await;
    let stream = begin(&replica, all()).await.unwrap();
    let told = read_meanwhile(stream);
    eventually("it is handed in", SOON, async || provider.sizes() == [18]).await;
    provider.end();
    let told = told.end().await;
    let summary = &told.summary;
    assert_eq!(
        (summary.end(), summary.written),
        (GenerationEnd::Complete, SEEDED)
    );
    assert_eq!(
        (summary.cost_micro_usd, summary.attempts),
        (18 * COST, SEEDED)
    );
    let seen = states(&told);
    assert_eq!(seen.last(), Some(&TipBatchState::Imported), "{seen:?}");
    let last = &told.messages.last().unwrap().batches[0];
    assert_eq!(last.provider_batch_id, "msgbatch_0");
    assert_eq!(
        (last.orders, last.written, last.failed),
        (SEEDED, SEEDED, 0)
    );
    assert_eq!(last.cost_micro_usd, 18 * COST);
    eventually("it is forgotten", SOON, async || {
        provider.deleted() == ["msgbatch_0"]
    })
    .await;
    let leaks = provider.server.exchanges();
    assert!(
        leaks
            .iter()
            .all(|exchange| !exchange.head.contains("stolen"))
    );
}

#[tokio::test]
async fn what_expired_or_failed_is_ordered_once_more_and_what_is_invalid_is_not() {
    let fate = |batch: usize, number: usize| match (batch, number) {
        (0, 0) => expired(),
        (0, 1) | (1, _) => errored("overloaded_error"),
        (0, 2) => errored("invalid_request_error"),
        (0, 3) => tip("Write to me@example.com"),
        _ => written(batch, number),
    };
    let provider = Batches::with(fate).await;
    provider.end();
    let replica = replica_of(&provider.server, &[]).await;
    let told = generate(&replica, all()).await;
    assert_eq!(provider.sizes(), [18, 2], "and no third time");
    let summary = &told.summary;
    assert_eq!((summary.written, summary.failed), (SEEDED - 4, 4));
    let mut reasons: Vec<_> = summary
        .failures
        .iter()
        .map(|tip| (tip.failure(), tip.provider_failure()))
        .collect();
    reasons.sort_unstable();
    let overloaded = (
        GeneratedTipFailure::Provider,
        TipProviderFailure::Overloaded,
    );
    let expected = [
        overloaded,
        (GeneratedTipFailure::Provider, TipProviderFailure::Rejected),
        (GeneratedTipFailure::Rules, TipProviderFailure::Unspecified),
    ];
    assert_eq!((reasons[0], &reasons[1..]), (overloaded, &expected[..]));
    // The one that breaks the rules is paid for.
    assert_eq!(summary.cost_micro_usd, 15 * COST);
}

#[tokio::test]
async fn a_dropped_call_leaves_the_batch_running_and_the_next_one_watches_it() {
    let provider = Batches::with(written).await;
    let replica = replica_of(&provider.server, &[]).await;
    let first = begin(&replica, all()).await.unwrap();
    eventually("it is handed in", SOON, async || provider.sizes() == [18]).await;
    drop(first);
    let second = begin_when_free(&replica, all()).await;
    let told = read_meanwhile(second);
    provider.end();
    let summary = told.end().await.summary;
    assert_eq!(
        (summary.kept, summary.written),
        (SEEDED, 0),
        "the first call's"
    );
    assert_eq!(summary.cost_micro_usd, 0, "the first call paid");
    assert_eq!(provider.sizes(), [18]);
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_found_again_and_not_paid_twice() {
    let provider = Batches::with(written).await;
    provider.meet(Mishap::AnswerLost);
    let replica = replica_of(&provider.server, &[]).await;
    let stream = begin(&replica, all()).await.unwrap();
    let told = read_meanwhile(stream);
    eventually("it is handed in", SOON, async || provider.sizes() == [18]).await;
    provider.end();
    let summary = told.end().await.summary;
    assert_eq!(
        (summary.written, summary.cost_micro_usd),
        (SEEDED, 18 * COST)
    );
    assert_eq!(provider.sizes(), [18], "it is handed in once");
}

#[tokio::test]
async fn a_plan_costs_half_and_a_budget_orders_what_it_has_money_for() {
    let provider = Batches::with(written).await;
    provider.end();
    let replica = replica_of(&provider.server, &[]).await;
    let ask = |message_batches| BatchGenerateTipsRequest {
        message_batches,
        validate_only: true,
        ..all()
    };
    let live = generate(&replica, ask(false))
        .await
        .summary
        .most_cost_micro_usd;
    let plan = generate(&replica, ask(true)).await.summary;
    assert_eq!(
        (plan.end(), plan.untried),
        (GenerationEnd::Validated, SEEDED)
    );
    let half = live / 2..=live / 2 + 18;
    assert!(half.contains(&plan.most_cost_micro_usd), "{live} {plan:?}");
    assert!(provider.sizes().is_empty());
    let tight = BatchGenerateTipsRequest {
        budget_micro_usd: plan.most_cost_micro_usd / 2,
        ..all()
    };
    let summary = generate(&replica, tight).await.summary;
    assert_eq!(summary.end(), GenerationEnd::RunBudget);
    assert!(summary.written > 5 && summary.untried > 5, "{summary:?}");
    assert!(summary.cost_micro_usd <= plan.most_cost_micro_usd / 2);
}

#[tokio::test]
async fn a_daily_budget_holds_for_batches_and_what_they_did_not_cost_is_given_back() {
    let provider = Batches::with(written).await;
    provider.end();
    let replica = replica_of(&provider.server, &[("CATALOG_TIP_DAILY_BUDGET", "30000")]).await;
    let first = generate(&replica, all()).await.summary;
    assert_eq!(first.end(), GenerationEnd::DailyBudget, "{first:?}");
    assert!((1..SEEDED).contains(&first.written), "{first:?}");
    let mut written = first.written;
    while written < SEEDED {
        let next = generate(&replica, all()).await.summary;
        assert!(
            next.written > 0,
            "what was reserved and not spent is there again: {next:?}"
        );
        written += next.written;
    }
    assert_eq!(written, SEEDED);
}

#[tokio::test]
async fn batches_need_a_provider_that_takes_them_and_have_no_pace() {
    let settings = [
        (
            "CATALOG_OPENAI_BASE_URL",
            "http://127.0.0.1:9/v1".to_owned(),
        ),
        ("CATALOG_OPENAI_MODEL", "model-1".to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let wrong = BatchGenerateTipsRequest {
        tips_per_minute: 10,
        ..all()
    };
    let refused = refusal(begin(&replica, wrong).await);
    assert_eq!(
        refused,
        Refusal::invalid(&["tips_per_minute", "message_batches"])
    );
}

#[tokio::test]
async fn a_provider_that_takes_no_batch_is_told_in_the_summary() {
    let denied = r#"{"type":"error","error":{"type":"authentication_error","message":"no"}}"#;
    let script = crate::llm::fixture::answer("401 Unauthorized", "", denied);
    let server = crate::support::scripted::Scripted::playing(vec![script]).await;
    let replica = replica_of(&server, &[]).await;
    let told = generate(&replica, these(&[CHALLENGE])).await;
    assert_eq!(states(&told).last(), Some(&TipBatchState::Lost));
    let failure = told.summary.failures[0].failure();
    assert_eq!(failure, GeneratedTipFailure::Lost);
    assert_eq!(server.exchanges().len(), 1);
}

#[tokio::test]
async fn the_command_tells_of_batches() {
    let provider = Batches::with(written).await;
    provider.end();
    let replica = replica_of(&provider.server, &[]).await;
    let addr = format!("http://{}", replica.addr());
    let arguments = [
        "admin",
        "tips",
        "generate",
        "--all",
        "--message-batches",
        "--addr",
        &addr,
    ];
    let said = program::run_well(&arguments, &[]).await;
    assert!(
        said.contains("batch msgbatch_0\timported\t18/18 written"),
        "{said}"
    );
    let both = [&arguments[..], &["--tips-per-minute", "10"]].concat();
    let refused = program::run(&both, &[]).await;
    assert_eq!(refused.status.code(), Some(2));
}

#[tokio::test]
async fn what_is_on_its_way_in_a_batch_is_not_ordered_live_as_well() {
    let provider = Batches::with(written).await;
    let replica = replica_of(&provider.server, &[]).await;
    let first = begin(&replica, all()).await.unwrap();
    eventually("it is handed in", SOON, async || provider.sizes() == [18]).await;
    drop(first);
    let live = begin_when_free(&replica, super::calling::all()).await;
    let summary = super::calling::read(live).await.summary;
    assert_eq!((summary.untried, summary.attempts), (SEEDED, 0));
}

#[tokio::test]
async fn a_run_of_batches_excludes_others() {
    let provider = Batches::with(written).await;
    let replica = replica_of(&provider.server, &[]).await;
    let _first = begin(&replica, all()).await.unwrap();
    let second = refusal(begin(&replica, super::calling::all()).await);
    assert_eq!(
        second,
        Refusal::new(Code::Aborted, "GENERATING_ALREADY", &[])
    );
}
