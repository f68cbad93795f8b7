//! `admin tips`: generates tips beforehand, and makes the fleet send requests to providers again.
use clap::{Arg, ArgGroup, ArgMatches, Command};
use tonic::Streaming;

use crate::{
    cli::{
        args::{group, option, switch, text, whole},
        client,
        escape::clean,
        failure::Failure,
        humanize::time,
        id,
        json::{json, word},
        output::{self, Color, Output},
        runtime, settings, tips,
        view::difficulty_of,
    },
    config::{ClientConfig, EnvVars, ValueKind},
    domain::Difficulty as Named,
    pb::{
        admin::v1::{
            BatchGenerateTipsRequest, BatchGenerateTipsResponse, BatchGenerateTipsSummary,
            ChallengeIds, GeneratedTip, GeneratedTipFailure, GeneratedTipOutcome, GenerationEnd,
            ResumeProvidersRequest, batch_generate_tips_request::Scope,
            tips_admin_client::TipsAdminClient,
        },
        catalog::v1::{Difficulty, TipProviderFailure},
    },
};

/// `admin tips` with its commands.
pub(super) fn command() -> Command {
    group("tips", "Generates tips beforehand, and resumes providers")
        .subcommands([generate(), resume()])
}

fn generate() -> Command {
    let ids = Arg::new("id")
        .value_name("ID")
        .num_args(1..)
        .value_parser(id::typed)
        .help("Challenges by their UUIDs, or the first 8 digits or more of these");
    let difficulty = option("difficulty", "DIFFICULTY")
        .value_parser(Named::ALL.map(Named::as_str))
        .help("All challenges of this difficulty");
    let scope = ArgGroup::new("scope").args(["id", "difficulty", "all"]);
    Command::new("generate")
        .about("Generates the tips of many challenges; current ones are kept")
        .args([ids, difficulty, switch("all", "All challenges")])
        .group(scope.required(true))
        .args(terms())
        .args(settings::call_args())
        .after_help(
            "Stopping the command ends the run; what was written stays. \
             The same command again goes on with what is missing.",
        )
}

fn resume() -> Command {
    Command::new("resume")
        .about("Makes the fleet send requests again to providers that asked for a pause, failed, or refused a key")
        .args(settings::call_args())
        .after_help(
            "All replicas do so within seconds, by way of Redis; without Redis only the one that is asked. \
             A provider that still refuses gets no more than one request.",
        )
}

const BUDGET: ValueKind = ValueKind::Money(1, i64::MAX.unsigned_abs());

fn terms() -> [Arg; 6] {
    let pace = option("tips-per-minute", "NUMBER")
        .value_parser(whole::<i32>(1..=600))
        .help("How many tips are begun in a minute, 1 to 600; default: 30");
    let budget = option("budget", "AMOUNT")
        .value_parser(|text: &str| BUDGET.number(text))
        .help("The most that this run may spend, such as 0.50usd; a bare number is millionths of a US dollar");
    let [locale, persona] = tips::wording();
    [
        locale,
        persona,
        pace,
        budget,
        switch("refresh", "Writes every tip anew"),
        switch(
            "validate-only",
            "Only tells how many would be written, and the most that may cost",
        ),
    ]
}

/// Does what was typed behind `admin tips`.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("generate", matches)) => run_generation(matches, environment),
        Some(("resume", matches)) => run_resumption(matches, environment),
        Some(_) | None => Err(Failure::quiet(2)),
    }
}

fn run_generation(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let request = request(matches, id::all_whole(&config, matches)?);
    runtime::command()?.block_on(async {
        let mut admin = TipsAdminClient::new(client::connect(&config).await?);
        let call = admin.batch_generate_tips(client::streamed(&config, request));
        let progress = client::begun(&config, call).await?;
        follow(output, &config, progress).await
    })
}

fn request(matches: &ArgMatches, ids: Vec<String>) -> BatchGenerateTipsRequest {
    let scope = match difficulty_of(matches.get_one("difficulty")) {
        Difficulty::Unspecified if ids.is_empty() => Scope::All(matches.get_flag("all")),
        Difficulty::Unspecified => Scope::Challenges(ChallengeIds { ids }),
        difficulty @ (Difficulty::Beginner | Difficulty::Intermediate | Difficulty::Advanced) => {
            Scope::Difficulty(difficulty.into())
        }
    };
    let (pace, budget) = (
        matches.get_one::<i32>("tips-per-minute").copied(),
        matches.get_one::<u64>("budget").copied(),
    );
    BatchGenerateTipsRequest {
        scope: Some(scope),
        locale: text(matches, "locale"),
        persona: text(matches, "persona"),
        refresh: matches.get_flag("refresh"),
        tips_per_minute: pace.unwrap_or_default(),
        validate_only: matches.get_flag("validate-only"),
        budget_micro_usd: budget.unwrap_or_default(),
    }
}

/// Reads to the end. The server says something every 10 s, so a shorter silence is none.
async fn follow(
    output: Output,
    config: &ClientConfig,
    mut messages: Streaming<BatchGenerateTipsResponse>,
) -> Result<(), Failure> {
    let limit = config.timeout.max(2 * SIGN_OF_LIFE);
    loop {
        let Some(message) = client::next(limit, &mut messages).await? else {
            return Err(Failure::failed("the run ended without a summary"));
        };
        show(output, &message)?;
        if let Some(summary) = &message.summary {
            return match (summary.end(), summary.failed) {
                (GenerationEnd::Complete | GenerationEnd::Validated, 0) => Ok(()),
                _ => Err(Failure::quiet(1)),
            };
        }
    }
}

/// How often a server says that it is at it, as the contract has it.
const SIGN_OF_LIFE: std::time::Duration = std::time::Duration::from_secs(10);

/// One line for each challenge, and the sums at the end.
fn show(output: Output, message: &BatchGenerateTipsResponse) -> Result<(), Failure> {
    if output.is_data() {
        return output.data_item(&json(message)?);
    }
    if let Some(last) = &message.last {
        let (color, word) = match last.outcome() {
            GeneratedTipOutcome::Written => (Color::Green, "written"),
            GeneratedTipOutcome::Kept => (Color::Green, "kept"),
            GeneratedTipOutcome::Failed | GeneratedTipOutcome::Unspecified => {
                (Color::Red, "failed")
            }
        };
        let (id, reason) = (clean(&last.challenge_id), reason(last));
        let line = format!(
            "{}/{}\t{id}\t{}\t{reason}",
            message.done,
            message.total,
            output.paint(color, word)
        );
        output::line(line.trim_end())?;
    }
    match &message.summary {
        Some(summary) => output.pairs(["SUMMARY", ""], summary_rows(summary)),
        None => Ok(()),
    }
}

/// Why a tip was not written, in a word.
fn reason(tip: &GeneratedTip) -> String {
    match (tip.provider_failure(), tip.failure()) {
        (TipProviderFailure::Unspecified, GeneratedTipFailure::Unspecified) => String::new(),
        (TipProviderFailure::Unspecified, failure) => {
            word(failure.as_str_name(), "GENERATED_TIP_FAILURE_")
        }
        (failure, _) => word(failure.as_str_name(), "TIP_PROVIDER_FAILURE_"),
    }
}

/// The sums, for people.
fn summary_rows(summary: &BatchGenerateTipsSummary) -> Vec<(&'static str, String)> {
    let usage = summary.usage.unwrap_or_default();
    let estimated = if usage.estimated { ", estimated" } else { "" };
    let tokens = format!(
        "{} read, {} written{estimated}",
        usage.input_tokens, usage.output_tokens
    );
    let mut rows = vec![
        ("end", word(summary.end().as_str_name(), "GENERATION_END_")),
        ("written", summary.written.to_string()),
        ("kept", summary.kept.to_string()),
        ("failed", summary.failed.to_string()),
        ("untried", summary.untried.to_string()),
        ("attempts", summary.attempts.to_string()),
        ("tokens", tokens),
        ("cost", dollars(summary.cost_micro_usd)),
    ];
    if summary.most_cost_micro_usd > 0 {
        rows.push(("most cost", dollars(summary.most_cost_micro_usd)));
    }
    if let Some(took) = summary.took {
        rows.push(("took", time(Some(&took))));
    }
    rows
}

/// An amount for people, to the last millionth.
fn dollars(micro_usd: u64) -> String {
    format!("${}.{:06}", micro_usd / 1_000_000, micro_usd % 1_000_000)
}

fn run_resumption(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let resumed = client::call(&config, async |channel| {
        let request = client::request(&config, ResumeProvidersRequest {});
        TipsAdminClient::new(channel)
            .resume_providers(request)
            .await
    })?;
    if output.is_data() {
        return output.data(&json(&resumed)?);
    }
    let rows = resumed.providers.iter().map(|provider| {
        let left = provider.pause_left.as_ref();
        [
            clean(&provider.provider),
            clean(&provider.model),
            if provider.was_left_alone { "yes" } else { "no" }.to_owned(),
            left.map_or_else(String::new, |left| time(Some(left))),
        ]
    });
    output.rows(["PROVIDER", "MODEL", "LEFT ALONE", "PAUSE LEFT"], rows)?;
    output.text(if resumed.fleet_wide {
        "All replicas send requests again within seconds."
    } else {
        "Only the replica that was asked sends requests again: it shares nothing with others."
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_dollars() {
        let summary = BatchGenerateTipsSummary {
            end: GenerationEnd::RunBudget.into(),
            cost_micro_usd: 1_200_034,
            ..Default::default()
        };
        let rows = summary_rows(&summary);
        assert!(rows.contains(&("cost", "$1.200034".to_owned())));
    }
}
