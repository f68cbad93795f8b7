//! The service `challenges.admin.v1.TipsAdmin`.
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use tonic::{Request, Response, Status};

use super::{
    context::parts,
    convert::{difficulty_filter, duration, same_variants},
    tip_events::provider_failure,
};
use crate::{
    domain::{
        ChallengeId, Error, FallbackCause, FieldViolations, Locale, Resumed, ResumedProvider,
        TipProviders,
    },
    pb::{
        admin::v1::{self as pb, tips_admin_server::TipsAdmin},
        catalog::v1::TipProviderFailure,
    },
    service::{
        GeneratePlan, GenerateProgress, GenerateSummary, GenerateTipsService, RunEnd, Scope,
        TipOutcome, TipsPerMinute,
    },
};

/// The service `challenges.admin.v1.TipsAdmin`: decode, one call, encode.
#[derive(Clone)]
pub struct TipsAdminTransport {
    service: GenerateTipsService,
    providers: Arc<dyn TipProviders>,
}

/// The most ids that one call may name.
const IDS_MAX: usize = 1_000;

impl TipsAdminTransport {
    /// Serves `service`, and what operators decide of `providers`.
    #[must_use]
    pub fn new(service: GenerateTipsService, providers: Arc<dyn TipProviders>) -> Self {
        Self { service, providers }
    }

    /// What is asked for, or all that is wrong with it.
    fn plan(&self, request: &pb::BatchGenerateTipsRequest) -> Result<GeneratePlan, Error> {
        let mut violations = FieldViolations::default();
        let scope = scope(&mut violations, request);
        let locale = match request.locale.as_str() {
            "" => Ok(Locale::default()),
            text => text.parse(),
        };
        let locale = violations.field("locale", locale);
        let persona = violations.field("persona", self.service.persona(&request.persona));
        let pace = TipsPerMinute::parse(request.tips_per_minute);
        let pace = violations.field("tips_per_minute", pace);
        let plan = || {
            Some(GeneratePlan {
                scope: scope?,
                locale: locale?,
                persona: persona?,
                refresh: request.refresh,
                pace: pace?,
                validate_only: request.validate_only,
                budget_micro_usd: (request.budget_micro_usd > 0)
                    .then_some(request.budget_micro_usd),
            })
        };
        plan().ok_or_else(|| violations.into())
    }
}

#[async_trait]
impl TipsAdmin for TipsAdminTransport {
    type BatchGenerateTipsStream =
        BoxStream<'static, Result<pb::BatchGenerateTipsResponse, Status>>;

    async fn batch_generate_tips(
        &self,
        request: Request<pb::BatchGenerateTipsRequest>,
    ) -> Result<Response<Self::BatchGenerateTipsStream>, Status> {
        let (request, _, call) = parts(request)?;
        let plan = call.result(self.plan(&request))?;
        let progress = call.result(self.service.start(plan).await)?;
        let messages = progress.map(move |progress| call.result(progress.map(Into::into)));
        Ok(Response::new(messages.boxed()))
    }

    async fn resume_providers(
        &self,
        _: Request<pb::ResumeProvidersRequest>,
    ) -> Result<Response<pb::ResumeProvidersResponse>, Status> {
        Ok(Response::new(self.providers.resume().await.into()))
    }
}

impl From<Resumed> for pb::ResumeProvidersResponse {
    fn from(resumed: Resumed) -> Self {
        Self {
            providers: resumed.providers.into_iter().map(Into::into).collect(),
            fleet_wide: resumed.is_fleet_wide,
        }
    }
}

impl From<ResumedProvider> for pb::ResumedProvider {
    fn from(resumed: ResumedProvider) -> Self {
        Self {
            provider: resumed.provider,
            model: resumed.model,
            was_left_alone: resumed.was_left_alone,
            pause_left: Some(duration(resumed.pause_left)),
        }
    }
}

fn scope(
    violations: &mut FieldViolations,
    request: &pb::BatchGenerateTipsRequest,
) -> Option<Scope> {
    let problem = "must be one of challenges, difficulty and all";
    match &request.scope {
        Some(pb::batch_generate_tips_request::Scope::Challenges(named)) => violations
            .ids("challenges.ids", &named.ids, IDS_MAX)
            .map(Scope::Challenges),
        Some(pb::batch_generate_tips_request::Scope::Difficulty(number)) => {
            let difficulty = violations.field("difficulty", difficulty_filter(*number))?;
            let difficulty = difficulty.ok_or_else(|| "must be one of the difficulties".to_owned());
            violations
                .field("difficulty", difficulty)
                .map(Scope::Difficulty)
        }
        Some(pb::batch_generate_tips_request::Scope::All(true)) => Some(Scope::All),
        Some(pb::batch_generate_tips_request::Scope::All(false)) | None => {
            violations.note("scope", problem);
            None
        }
    }
}

impl From<GenerateProgress> for pb::BatchGenerateTipsResponse {
    fn from(progress: GenerateProgress) -> Self {
        let current = progress.current;
        Self {
            done: count(progress.done),
            total: count(progress.total),
            current: current.map(|id| id.to_string()).unwrap_or_default(),
            last: progress.last.map(|(id, outcome)| generated(id, outcome)),
            summary: progress.summary.map(|summary| (*summary).into()),
        }
    }
}

impl From<GenerateSummary> for pb::BatchGenerateTipsSummary {
    fn from(summary: GenerateSummary) -> Self {
        let failures = summary.failures.into_iter();
        let failure = |(id, cause)| generated(id, TipOutcome::Failed(cause));
        Self {
            end: pb::GenerationEnd::from(summary.end).into(),
            written: count(summary.written),
            kept: count(summary.kept),
            failed: count(summary.failed),
            untried: count(summary.untried),
            failures: failures.map(failure).collect(),
            attempts: i32::try_from(summary.spent.attempts).unwrap_or(i32::MAX),
            usage: Some(summary.spent.usage.into()),
            cost_micro_usd: summary.spent.cost_micro_usd,
            most_cost_micro_usd: summary.most_cost_micro_usd,
            took: Some(duration(summary.took)),
        }
    }
}

fn generated(id: ChallengeId, outcome: TipOutcome) -> pb::GeneratedTip {
    let (outcome, cause) = match outcome {
        TipOutcome::Written => (pb::GeneratedTipOutcome::Written, None),
        TipOutcome::Kept => (pb::GeneratedTipOutcome::Kept, None),
        TipOutcome::Failed(cause) => (pb::GeneratedTipOutcome::Failed, Some(cause)),
    };
    let failure = cause.map_or(pb::GeneratedTipFailure::Unspecified, failure);
    let provider_failure = cause.map_or(TipProviderFailure::Unspecified, provider_failure);
    pb::GeneratedTip {
        challenge_id: id.to_string(),
        outcome: outcome.into(),
        failure: failure.into(),
        provider_failure: provider_failure.into(),
    }
}

/// Why a tip was not written.
fn failure(cause: FallbackCause) -> pb::GeneratedTipFailure {
    match cause {
        FallbackCause::Provider(_) => pb::GeneratedTipFailure::Provider,
        FallbackCause::Rules => pb::GeneratedTipFailure::Rules,
        FallbackCause::Unwell => pb::GeneratedTipFailure::Unwell,
        FallbackCause::Limited => pb::GeneratedTipFailure::Limited,
        FallbackCause::Budget => pb::GeneratedTipFailure::Budget,
        FallbackCause::TimedOut => pb::GeneratedTipFailure::TimedOut,
        FallbackCause::Recent => pb::GeneratedTipFailure::Recent,
        FallbackCause::Abandoned => pb::GeneratedTipFailure::Abandoned,
        FallbackCause::NoProvider | FallbackCause::NotCached | FallbackCause::SwitchedOff => {
            pb::GeneratedTipFailure::Unspecified
        }
    }
}

same_variants! {
    RunEnd => pb::GenerationEnd { Complete, Validated, RunBudget, DailyBudget, ProviderAway }
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
