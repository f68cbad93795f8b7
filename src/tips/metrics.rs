//! Writes the metrics of tips and of their providers for Prometheus.
use super::{TipService, provider::Provider, stats::endings};
use crate::{domain::FailureKind, redis::RedisClientState, telemetry::Page};

impl TipService {
    /// Breaker states and counters of the connections to Redis; `None` without Redis.
    #[must_use]
    pub fn redis_state(&self) -> Option<RedisClientState> {
        let cluster = self.cluster.as_ref()?;
        Some(cluster.client().state())
    }

    /// Writes the metrics of tips and of their providers.
    pub fn collect(&self, page: &mut Page) {
        let stats = self.stats();
        stats.collect_counters(page);
        page.histogram(
            "catalog_tips_first_text_seconds",
            "Time until a stream's first text, from any source.",
        )
        .spread(&[], &stats.first_text.0.distribution());
        let mut fallbacks = page.counter(
            "catalog_tips_fallbacks_total",
            "Generations of this replica that ended without a tip, by cause.",
        );
        for (cause, count) in stats.fallbacks() {
            fallbacks.sample(&[("cause", cause.as_str())], count);
        }
        let mut attempts = page.counter(
            "catalog_tips_attempts_total",
            "Requests to providers that ended, by outcome.",
        );
        attempts
            .sample(&[("outcome", "success")], stats.attempts_succeeded.get())
            .sample(&[("outcome", "aborted")], stats.aborted.get());
        for (kind, count) in FailureKind::ALL.iter().zip(&stats.failures) {
            attempts.sample(&[("outcome", kind.as_str())], count.get());
        }
        self.budget(page);
        self.providers(page);
    }

    fn budget(&self, page: &mut Page) {
        page.counter(
            "catalog_tips_cost_usd_total",
            "Cost of this replica's requests to providers, in US dollars, to a millionth.",
        )
        .sample(&[], dollars(self.stats().cost_micro_usd.get()));
        if let Some((limit, spent)) = self.generator.admission.budget.state() {
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

    fn providers(&self, page: &mut Page) {
        let providers = &self.generator.providers;
        if providers.is_empty() {
            return;
        }
        let mut open = page.gauge(
            "catalog_tips_breaker_open",
            "1 while the provider's circuit breaker is open: it failed repeatedly, or refuses the key, the model or the account.",
        );
        for provider in providers {
            open.sample(&model(provider), u8::from(!provider.breaker.is_closed()));
        }
        let mut paused = page.gauge(
            "catalog_tips_provider_pause_seconds",
            "Seconds left of the pause that the provider asked for, as this replica knows it.",
        );
        for provider in providers {
            let left = self.generator.pause_left(provider);
            paused.sample(&model(provider), left.as_secs_f64());
        }
        self.requests(page);
    }

    /// In the names of the OpenTelemetry conventions.
    fn requests(&self, page: &mut Page) {
        let providers = &self.generator.providers;
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
            first.spread(
                &names(provider),
                &provider.metrics.first_text.distribution(),
            );
        }
        let mut tokens =
            page.histogram("gen_ai_client_token_usage", "Tokens per request, by type.");
        for provider in providers {
            let metrics = &provider.metrics;
            for (kind, spread) in [
                ("input", &metrics.input_tokens),
                ("output", &metrics.output_tokens),
            ] {
                let kind = [("gen_ai_token_type", kind)];
                let labels = [&names(provider)[..], &kind].concat();
                tokens.spread(&labels, &spread.distribution());
            }
        }
    }
}

fn model(provider: &Provider) -> [(&'static str, &str); 2] {
    let route = provider.writer.route();
    [("provider", &route.provider), ("model", &route.model)]
}

fn names(provider: &Provider) -> [(&'static str, &str); 3] {
    let route = provider.writer.route();
    [
        ("gen_ai_operation_name", "chat"),
        ("gen_ai_provider_name", &route.provider),
        ("gen_ai_request_model", &route.model),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn dollars(micro_usd: u64) -> f64 {
    micro_usd as f64 / 1e6
}
