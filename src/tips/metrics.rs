//! What the tips tell Prometheus.
use super::{
    TipService,
    provider::Provider,
    stats::{ProviderMetrics, endings},
};
use crate::{
    domain::FailureKind,
    redis::LinkState,
    telemetry::{Distribution, Histogram, Page},
};

impl TipService {
    /// How the way to Redis does; `None` for a replica that is alone.
    #[must_use]
    pub fn link(&self) -> Option<LinkState> {
        self.context
            .cluster
            .as_ref()
            .map(|cluster| cluster.link().state())
    }

    /// Writes the metrics of the tips, and of those who write them.
    pub fn collect(&self, page: &mut Page) {
        self.streams(page);
        self.generations(page);
        self.attempts(page);
        self.money(page);
        self.providers(page);
    }

    fn streams(&self, page: &mut Page) {
        let stats = self.stats();
        let refused = stats.streams_refused.get();
        page.counter(
            "catalog_tips_streams_total",
            "Tip streams requested, by whether the caller's limits accepted them.",
        )
        .sample(
            &[("result", "accepted")],
            stats.streams.get().saturating_sub(refused),
        )
        .sample(&[("result", "refused")], refused);
        page.counter(
            "catalog_tips_joins_total",
            "Tip streams by role: leader (started the generation), follower (joined one), replay (the tip existed).",
        )
        .sample(&[("role", "leader")], stats.joins_leader.get())
        .sample(&[("role", "follower")], stats.joins_follower.get())
        .sample(&[("role", "replay")], stats.joins_replay.get());
        page.counter(
            "catalog_tips_finds_total",
            "Existing tips found, by the tier that had them.",
        )
        .sample(&[("tier", "memory")], stats.memory_hits.get())
        .sample(&[("tier", "shared")], stats.shared_hits.get())
        .sample(&[("tier", "store")], stats.store_hits.get());
        page.counter(
            "catalog_tips_ends_total",
            "Tip streams that ended with a tip, by the tip's source.",
        )
        .sample(&[("source", "ai")], stats.ends_ai.get())
        .sample(&[("source", "cache")], stats.ends_cache.get())
        .sample(&[("source", "stale")], stats.ends_stale.get())
        .sample(&[("source", "static")], stats.ends_static.get());
        page.counter(
            "catalog_tips_resets_total",
            "RESET events sent: the reader must discard the text so far.",
        )
        .sample(&[], stats.resets.get());
        page.histogram(
            "catalog_tips_first_text_seconds",
            "Time until a stream's first text, from any source.",
        )
        .spread(&[], &stats.first_text.0.distribution());
    }

    fn generations(&self, page: &mut Page) {
        let stats = self.stats();
        for (name, help, count) in [
            (
                "catalog_tips_generations_total",
                "Tip generations that this replica started.",
                &stats.generations,
            ),
            (
                "catalog_tips_takeovers_total",
                "Generations that this replica took over from another replica.",
                &stats.takeovers,
            ),
            (
                "catalog_tips_demotions_total",
                "Generations that this replica lost to another replica.",
                &stats.demotions,
            ),
            (
                "catalog_tips_breaches_total",
                "Providers' texts that violated the content policy.",
                &stats.violations,
            ),
            (
                "catalog_tips_store_errors_total",
                "Database operations for tips that failed.",
                &stats.store_errors,
            ),
        ] {
            page.counter(name, help).sample(&[], count.get());
        }
        let mut fallbacks = page.counter(
            "catalog_tips_fallbacks_total",
            "Generations of this replica that ended without a tip, by cause.",
        );
        for (cause, count) in stats.fallbacks() {
            fallbacks.sample(&[("cause", cause.as_str())], count);
        }
    }

    fn attempts(&self, page: &mut Page) {
        let stats = self.stats();
        let mut attempts = page.counter(
            "catalog_tips_attempts_total",
            "Requests to providers that ended, by outcome.",
        );
        attempts
            .sample(&[("outcome", "success")], stats.attempts_succeeded.get())
            .sample(&[("outcome", "aborted")], stats.aborted.get());
        for kind in FailureKind::ALL {
            attempts.sample(&[("outcome", kind.as_str())], stats.failures(*kind));
        }
        page.counter(
            "catalog_tips_barred_total",
            "Requests not sent because of the provider's rate limits or the daily budget.",
        )
        .sample(&[("bar", "limited")], stats.limited.get())
        .sample(&[("bar", "budget")], stats.over_budget.get());
        page.counter(
            "catalog_tips_breaker_opened_total",
            "Times that a provider's circuit breaker opened.",
        )
        .sample(&[], stats.breaker_opened.get());
    }

    fn money(&self, page: &mut Page) {
        let stats = self.stats();
        page.counter(
            "catalog_tips_tokens_total",
            "Tokens of this replica's requests to providers: input and output.",
        )
        .sample(&[("type", "input")], stats.input_tokens.get())
        .sample(&[("type", "output")], stats.output_tokens.get());
        page.counter(
            "catalog_tips_cost_usd_total",
            "Cost of this replica's requests to providers, in US dollars, to a millionth.",
        )
        .sample(&[], dollars(stats.cost_micro_usd.get()));
        if let Some((limit, spent)) = self.context.admission.budget.state() {
            page.gauge(
                "catalog_tips_budget_limit_usd",
                "The fleet's budget for tips for a day (UTC), in US dollars.",
            )
            .sample(&[], dollars(limit));
            page.gauge(
                "catalog_tips_budget_spent_usd",
                "What the fleet spent today or reserved for requests in progress, in US dollars, as this replica knows it.",
            )
            .sample(&[], dollars(spent));
        }
    }

    fn standing(&self, page: &mut Page) {
        let providers = &self.context.providers;
        let mut open = page.gauge(
            "catalog_tips_breaker_open",
            "1 while the provider's circuit breaker is open: it failed repeatedly, or refuses the key, the model or the account.",
        );
        for provider in providers {
            let route = provider.writer.route();
            open.sample(
                &[("provider", &route.provider), ("model", &route.model)],
                u8::from(!provider.breaker.is_closed()),
            );
        }
        let mut paused = page.gauge(
            "catalog_tips_provider_pause_seconds",
            "Seconds left of the pause that the provider asked for, as this replica knows it.",
        );
        for provider in providers {
            let route = provider.writer.route();
            paused.sample(
                &[("provider", &route.provider), ("model", &route.model)],
                self.pause_left(provider).as_secs_f64(),
            );
        }
    }

    fn providers(&self, page: &mut Page) {
        let providers = &self.context.providers;
        if providers.is_empty() {
            return;
        }
        self.standing(page);
        let mut took = page.histogram(
            "gen_ai_client_operation_duration_seconds",
            "Duration of requests to providers; error_type is set for failed ones.",
        );
        for provider in providers {
            for (ending, spread) in endings().zip(&provider.metrics.took) {
                let spread = spread.distribution();
                match ending {
                    "success" => took.spread(&names(provider), &spread),
                    _ if spread.count == 0 => continue,
                    failure => {
                        let failure = [("error_type", failure)];
                        took.spread(&[&names(provider)[..], &failure].concat(), &spread)
                    }
                };
            }
        }
        let mut first = page.histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Time from a request until the provider's first text.",
        );
        for provider in providers {
            let spread = provider.metrics.first_text.distribution();
            first.spread(&names(provider), &spread);
        }
        let mut tokens =
            page.histogram("gen_ai_client_token_usage", "Tokens per request, by type.");
        for provider in providers {
            for (kind, spread) in token_usage(&provider.metrics) {
                let kind = [("gen_ai_token_type", kind)];
                tokens.spread(&[&names(provider)[..], &kind].concat(), &spread);
            }
        }
    }
}

fn names(provider: &Provider) -> [(&'static str, &str); 3] {
    let route = provider.writer.route();
    [
        ("gen_ai_operation_name", "chat"),
        ("gen_ai_provider_name", &route.provider),
        ("gen_ai_request_model", &route.model),
    ]
}

fn token_usage(metrics: &ProviderMetrics) -> [(&'static str, Distribution); 2] {
    let spread = Histogram::distribution;
    [
        ("input", spread(&metrics.input_tokens)),
        ("output", spread(&metrics.output_tokens)),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn dollars(micro_usd: u64) -> f64 {
    micro_usd as f64 / 1e6
}
