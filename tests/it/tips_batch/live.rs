//! Runs that request one tip after the other.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{
        BatchGenerateTipsRequest, GeneratedTip, GeneratedTipOutcome, GenerationEnd,
        batch_generate_tips_request::Scope,
    },
    catalog::v1::{Difficulty, TipProviderFailure, TipSource},
};
use serde_json::{Value, json};
use tonic::Code;

use super::calling::{all, begin, begin_when_free, generate, some};
use crate::{
    llm::fixture::answer,
    support::{
        llmock, program,
        refusal::{Refusal, refusal},
        replica::Replica,
        scripted::Scripted,
        wait::eventually,
    },
    tips::{
        provider::{TIP, finish, gated, quick, replica_of},
        wire_stream::{CHALLENGE, OTHERS, hear, question, question_about},
    },
};

/// So many challenges are seeded.
const SEEDED: i32 = 18;
/// What one tip of the scripted provider costs: 9 tokens read at a dollar for a million, 5 written at
/// five.
const COST: u64 = 9 + 5 * 5;

#[tokio::test]
async fn every_challenge_gets_its_tip_once_and_a_second_call_writes_nothing() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let told = generate(&replica, all()).await;
    let summary = &told.summary;
    assert_eq!(summary.end(), GenerationEnd::Complete);
    assert_eq!((summary.written, summary.kept), (SEEDED, 0));
    assert_eq!(
        (summary.failed, summary.untried, summary.attempts),
        (0, 0, SEEDED)
    );
    let requests = u64::try_from(SEEDED).unwrap();
    assert_eq!(summary.cost_micro_usd, requests * COST);
    let usage = summary.usage.unwrap();
    assert_eq!(
        (usage.input_tokens, usage.output_tokens),
        (requests * 9, requests * 5)
    );
    assert!(!usage.estimated);
    let mut ids: Vec<_> = told
        .messages
        .iter()
        .filter_map(|message| message.last.as_ref())
        .inspect(|last| assert_eq!(last.outcome(), GeneratedTipOutcome::Written))
        .map(|last| last.challenge_id.clone())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 18, "each is told once");
    let heard = hear(&replica, question()).await;
    assert_eq!(
        (heard.text.as_str(), heard.done.source()),
        (TIP, TipSource::Cache)
    );

    let again = generate(&replica, all()).await.summary;
    assert_eq!(
        (again.written, again.kept, again.cost_micro_usd),
        (0, SEEDED, 0)
    );
    assert_eq!(provider.exchanges().len(), 18);
}

#[tokio::test]
async fn a_difficulty_a_list_and_a_refresh_have_their_own_tips_written() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let of = |difficulty: Difficulty| BatchGenerateTipsRequest {
        scope: Some(Scope::Difficulty(difficulty.into())),
        ..all()
    };
    let beginners = generate(&replica, of(Difficulty::Beginner)).await.summary;
    assert_eq!((beginners.written, beginners.kept), (6, 0));
    let two = some(&[CHALLENGE, OTHERS[0]]);
    let german = BatchGenerateTipsRequest {
        locale: "de".to_owned(),
        persona: "gentle".to_owned(),
        ..two.clone()
    };
    assert_eq!(generate(&replica, german).await.summary.written, 2);
    let refresh = BatchGenerateTipsRequest {
        refresh: true,
        ..two
    };
    assert_eq!(generate(&replica, refresh).await.summary.written, 2);
    assert_eq!(provider.exchanges().len(), 10);
}

#[tokio::test]
async fn a_plan_is_told_with_the_most_that_it_may_cost_and_nothing_is_requested() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    hear(&replica, question()).await;
    let asked = BatchGenerateTipsRequest {
        validate_only: true,
        ..all()
    };
    let summary = generate(&replica, asked).await.summary;
    assert_eq!(summary.end(), GenerationEnd::Validated);
    assert_eq!((summary.kept, summary.untried), (1, SEEDED - 1));
    // 400 tokens may be written for each, and the prompts have more than a thousand bytes.
    let each = summary.most_cost_micro_usd / 17;
    assert!((2_000 + 1_000..20_000).contains(&each), "{each}");
    assert_eq!(provider.exchanges().len(), 1);
}

/// For a run: what it may spend is never exceeded, and it says that this was why it ended.
#[tokio::test]
async fn a_budget_ends_the_run_before_it_is_exceeded_and_the_next_goes_on() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let mut ids = Vec::new();
    for id in OTHERS {
        let plan = BatchGenerateTipsRequest {
            validate_only: true,
            ..some(&[id])
        };
        let summary = generate(&replica, plan).await.summary;
        ids.push((summary.most_cost_micro_usd, id));
    }
    // The dearest comes last, when the others have been paid for.
    ids.sort_unstable();
    let budget = ids[4].0 + COST;
    let ids: Vec<_> = ids.into_iter().map(|(_, id)| id).collect();
    let ask = |budget_micro_usd| BatchGenerateTipsRequest {
        budget_micro_usd,
        ..some(&ids)
    };
    let first = generate(&replica, ask(budget)).await.summary;
    assert_eq!(first.end(), GenerationEnd::RunBudget);
    assert!(first.written > 0 && first.untried > 0, "{first:?}");
    assert!(first.cost_micro_usd <= budget, "{first:?}");
    let written = u64::try_from(first.written).unwrap();
    assert_eq!(first.cost_micro_usd, written * COST);
    let rest = generate(&replica, ask(0)).await.summary;
    assert_eq!(
        (rest.kept, rest.written),
        (first.written, 5 - first.written)
    );
}

#[tokio::test]
async fn failed_attempts_are_told_with_their_reason_and_their_cost() {
    let refused = r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#;
    let provider = Scripted::playing(vec![answer("400 Bad Request", "", refused)]).await;
    let replica = replica_of(&provider, &[]).await;
    let summary = generate(&replica, some(&[CHALLENGE, OTHERS[0]]))
        .await
        .summary;
    assert_eq!(summary.end(), GenerationEnd::Complete);
    assert_eq!(
        (summary.written, summary.failed, summary.attempts),
        (0, 2, 2)
    );
    let reasons = summary.failures.iter();
    let reasons: Vec<_> = reasons.map(GeneratedTip::provider_failure).collect();
    assert_eq!(reasons, [TipProviderFailure::Rejected; 2]);
    assert_eq!(summary.cost_micro_usd, 0);
}

#[tokio::test]
async fn one_run_is_under_way_and_the_call_that_drops_it_makes_room() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[]).await;
    let first = begin(&replica, all()).await.unwrap();
    eventually("it calls", Duration::from_secs(10), async || {
        provider.exchanges().len() >= 2
    })
    .await;
    let second = refusal(begin(&replica, all()).await);
    assert_eq!(
        second,
        Refusal::new(Code::Aborted, "GENERATING_ALREADY", &[])
    );
    drop(first);
    let _next = begin_when_free(&replica, some(&[CHALLENGE])).await;
    let requested = provider.exchanges().len();
    assert!(
        requested < 18,
        "{requested} were requested although the call is gone"
    );
    (0..requested + 2).for_each(|_| finish(&provider));
}

#[tokio::test]
async fn the_limits_of_callers_do_not_hold_for_a_run() {
    let provider = quick().await;
    let tight = [
        ("CATALOG_TIP_STREAMS_PER_MINUTE", "1"),
        ("CATALOG_TIP_STREAMS_AT_ONCE", "1"),
    ];
    let replica = replica_of(&provider, &tight).await;
    assert_eq!(generate(&replica, all()).await.summary.written, SEEDED);
}

#[tokio::test]
async fn a_simulator_that_limits_and_breaks_off_slows_the_run_and_has_nothing_to_complain_of() {
    let server = llmock::start();
    let settings = [
        ("ANTHROPIC_API_KEY", "key".to_owned()),
        ("ANTHROPIC_BASE_URL", server.anthropic_url()),
    ];
    let replica = Replica::start(&settings).await;
    server.next(&json!({"type": "reply", "text": "Breathe, and say hello.", "times": 4}));
    server.next(&json!({"type": "fail", "status": 429, "retry_after": 0.25}));
    let ids = [CHALLENGE, OTHERS[0], OTHERS[1]];
    let summary = generate(&replica, some(&ids)).await.summary;
    assert_eq!(
        (summary.end(), summary.written),
        (GenerationEnd::Complete, 3)
    );
    assert_eq!(summary.attempts, 4, "one was refused");
    let verdict = server.verdict();
    assert_eq!(
        (&verdict["passed"], &verdict["errors"], &verdict["warnings"]),
        (&json!(true), &json!(0), &json!(0)),
        "{verdict}"
    );
    for id in ids {
        let heard = hear(&replica, question_about(id)).await;
        assert_eq!(heard.done.source(), TipSource::Cache);
    }
}

#[tokio::test]
async fn the_command_tells_each_tip_and_the_sums() {
    let provider = quick().await;
    let replica = replica_of(&provider, &[]).await;
    let addr = format!("http://{}", replica.addr());
    let arguments = [
        "admin", "tips", "generate", CHALLENGE, OTHERS[0], "--addr", &addr,
    ];
    let json = [&arguments[..], &["--output", "json"]].concat();
    let said = program::run_well(&json, &[]).await;
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.last().unwrap();
    assert_eq!(last["summary"]["end"], "complete");
    assert_eq!(last["summary"]["cost_micro_usd"], 2 * COST);
    let said = program::run_well(&arguments, &[]).await;
    assert!(said.contains("kept\t2"), "{said}");
}
