//! `admin tips`.
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use tokio::time::timeout;
use tonic::Streaming;

use super::{
    tips_resume,
    tips_view::{ProgressView, counts, reason, summary_rows},
};
use crate::{
    cli::{
        client,
        escape::clean,
        failure::Failure,
        id,
        number::whole,
        output::{self, Color, Output},
        runtime, settings,
    },
    config::{ClientConfig, EnvVars, ValueKind},
    domain::{Difficulty, Locale, PersonaName},
    pb::{
        admin::v1::{
            BatchGenerateTipsRequest, BatchGenerateTipsResponse, ChallengeIds, GeneratedTipOutcome,
            GenerationEnd, batch_generate_tips_request::Scope, tips_admin_client::TipsAdminClient,
        },
        catalog::v1 as catalog,
    },
};

/// `admin tips` with its commands.
pub(super) fn command() -> Command {
    Command::new("tips")
        .about("Has tips written beforehand, and providers asked again")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(generate())
        .subcommand(tips_resume::command())
}

fn generate() -> Command {
    let ids = Arg::new("id")
        .value_name("ID")
        .num_args(1..)
        .value_parser(id::typed)
        .help("Challenges by their UUIDs, or the first 8 digits or more of these");
    let difficulty = Arg::new("difficulty")
        .long("difficulty")
        .value_name("DIFFICULTY")
        .value_parser(Difficulty::ALL.map(Difficulty::as_str))
        .help("All challenges of this difficulty");
    let scope = ArgGroup::new("scope").args(["id", "difficulty", "all"]);
    Command::new("generate")
        .about("Has the tips of many challenges written; what is kept already is left alone")
        .args([ids, difficulty, switch("all", "All challenges")])
        .group(scope.required(true))
        .args(terms())
        .args(settings::client_args())
        .after_help(
            "Stopping the command ends the run; what was written stays. \
             The same command again goes on with what is missing.",
        )
}

const BUDGET: ValueKind = ValueKind::Money(1, i64::MAX.unsigned_abs());

fn terms() -> [Arg; 7] {
    let locale = Arg::new("locale")
        .long("locale")
        .value_name("LOCALE")
        .value_parser(|text: &str| text.parse::<Locale>())
        .help("The language to write in, such as de-AT; default: en");
    let persona = Arg::new("persona")
        .long("persona")
        .value_name("NAME")
        .value_parser(|text: &str| text.parse::<PersonaName>())
        .help("The voice to write in; default: the server's");
    let pace = Arg::new("tips-per-minute")
        .long("tips-per-minute")
        .value_name("NUMBER")
        .value_parser(whole::<i32>(1..=600))
        .help("How many tips are begun in a minute, 1 to 600; default: 30");
    let budget = Arg::new("budget")
        .long("budget")
        .value_name("AMOUNT")
        .value_parser(|text: &str| BUDGET.number(text))
        .help("The most that this run may spend, such as 0.50usd; a bare number is millionths of a US dollar");
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
        output::arg(),
    ]
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// Does what was typed behind `admin tips`.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("generate", matches)) => run_generation(matches, environment),
        Some(("resume", matches)) => tips_resume::run(matches, environment),
        Some(_) | None => Err(Failure::quiet(2)),
    }
}

fn run_generation(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let request = request(matches, id::all_whole(&config, matches)?);
    runtime::command()?.block_on(async {
        let mut admin = TipsAdminClient::new(client::connect(&config).await?);
        let answer = timeout(
            config.timeout,
            admin.batch_generate_tips(client::streamed(&config, request)),
        );
        let answer = answer.await.map_err(|_| silent(&config))?;
        let progress = answer.map_err(|status| client::refused(&status))?;
        follow(output, &config, progress.into_inner()).await
    })
}

fn request(matches: &ArgMatches, ids: Vec<String>) -> BatchGenerateTipsRequest {
    let text = |text: Option<String>| text.unwrap_or_default();
    let difficulty = matches.get_one::<String>("difficulty").map(String::as_str);
    let scope = match difficulty {
        Some("beginner") => Scope::Difficulty(catalog::Difficulty::Beginner.into()),
        Some("intermediate") => Scope::Difficulty(catalog::Difficulty::Intermediate.into()),
        Some("advanced") => Scope::Difficulty(catalog::Difficulty::Advanced.into()),
        Some(_) | None if ids.is_empty() => Scope::All(matches.get_flag("all")),
        Some(_) | None => Scope::Challenges(ChallengeIds { ids }),
    };
    let locale = matches.get_one::<Locale>("locale");
    let persona = matches.get_one::<PersonaName>("persona");
    let (pace, budget) = (
        matches.get_one::<i32>("tips-per-minute").copied(),
        matches.get_one::<u64>("budget").copied(),
    );
    BatchGenerateTipsRequest {
        scope: Some(scope),
        locale: text(locale.map(ToString::to_string)),
        persona: text(persona.map(ToString::to_string)),
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
    let patience = config.timeout.max(2 * SIGN_OF_LIFE);
    loop {
        let next = timeout(patience, messages.message()).await;
        let next = next.map_err(|_| silent(config))?;
        let Some(message) = next.map_err(|status| client::refused(&status))? else {
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
        return output.data_item(&ProgressView::from(message));
    }
    if let Some(last) = &message.last {
        let (color, word) = match last.outcome() {
            GeneratedTipOutcome::Written => (Color::Green, "written"),
            GeneratedTipOutcome::Kept => (Color::Green, "kept"),
            GeneratedTipOutcome::Failed | GeneratedTipOutcome::Unspecified => {
                (Color::Red, "failed")
            }
        };
        let counts = counts(message);
        let (id, reason) = (clean(&last.challenge_id), reason(last));
        let line = format!("{counts}\t{id}\t{}\t{reason}", output.paint(color, word));
        output::line(line.trim_end())?;
    }
    match &message.summary {
        Some(summary) => output.whole_rows(["SUMMARY", ""], summary_rows(summary)),
        None => Ok(()),
    }
}

fn silent(config: &ClientConfig) -> Failure {
    let (addr, timeout) = (&config.addr, config.timeout);
    Failure::failed(format!(
        "{addr} said nothing for {timeout:?}; --timeout grants more"
    ))
}
