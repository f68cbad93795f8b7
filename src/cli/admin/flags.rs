//! `admin flags list|get|set|unset`.
use clap::{Arg, ArgMatches, Command, builder::StringValueParser};
use serde::Serialize;
use tonic::{Response, Status, transport::Channel};

use super::control_view::{self, RowView, change_args, comment_arg, environment_arg, etag_arg};
use crate::{
    cli::{
        author::{self, Author},
        client,
        escape::clean,
        failure::Failure,
        names::suggest,
        number::whole,
        output::{self, Color, Output},
        runtime, settings,
    },
    config::EnvVars,
    domain::Flag,
    pb::admin::v1::{
        FeatureFlag, FeatureFlagElsewhere, GetFeatureFlagRequest, ListFeatureFlagsRequest,
        ResetFeatureFlagRequest, UpdateFeatureFlagRequest,
        feature_flags_client::FeatureFlagsClient,
    },
};

/// The family.
pub(super) fn command() -> Command {
    let name = || {
        Arg::new("name")
            .value_name("FLAG")
            .required(true)
            .value_parser(suggest(
                StringValueParser::new(),
                Flag::ALL.map(|flag| flag.definition().name),
            ))
            .help("Which one")
    };
    let list = Command::new("list").about("Shows how every flag stands on the server");
    let get = Command::new("get")
        .about("Shows one flag with its row")
        .arg(name());
    let state = Arg::new("state")
        .value_name("STATE")
        .value_parser(["on", "off"])
        .help("On or off; default: as it is");
    let rollout = Arg::new("rollout")
        .long("rollout")
        .value_name("PERCENT")
        .value_parser(whole::<i32>(0..=100))
        .allow_negative_numbers(true)
        .help("For how many of the callers, 0 to 100; for a flag that has a rollout");
    let set = Command::new("set")
        .about("Throws a switch, for the whole fleet within 2 s")
        .args([name(), state, rollout, comment_arg()])
        .args(change_args())
        .after_help(
            "Examples:\n  \
             # refuse calls to the catalog\n  \
             challenges-catalog admin flags set challenges_catalog off\n  \
             # let providers write tips for a tenth of the callers\n  \
             challenges-catalog admin flags set ai_tips on --rollout 10",
        );
    let unset = Command::new("unset")
        .about("Takes out a flag's row: what the servers were started with holds again")
        .args([
            name(),
            environment_arg(
                "Whose row to take out: an environment's, or all; default: the one that counts",
            ),
            etag_arg(),
            author::arg(),
        ]);
    Command::new("flags")
        .about("Feature flags: switches that are thrown while the service runs")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(
            [list, get, set, unset]
                .map(|verb| verb.arg(output::arg()).args(settings::client_args())),
        )
}

/// One flag, with the field names of the proto.
#[derive(Debug, Serialize)]
struct FlagView {
    name: String,
    enabled: bool,
    rollout_percentage: i32,
    source: &'static str,
    /// As people are told.
    #[serde(skip)]
    from: &'static str,
    description: String,
    has_rollout: bool,
    environment_variable: String,
    enabled_without_row: bool,
    #[serde(flatten)]
    row: RowView,
    elsewhere: Option<ElsewhereView>,
}

/// What the row says where it counts, which is not here.
#[derive(Debug, Serialize)]
struct ElsewhereView {
    environment: String,
    enabled: bool,
    rollout_percentage: i32,
}

/// All flags, or one; and the version that they stand at.
#[derive(Debug, Serialize)]
struct FlagsView {
    flags: Vec<FlagView>,
    version: String,
}

/// Asks a running server.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(Failure::quiet(2));
    };
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let author = Author::of(matches, environment);
    let view = runtime::command()?.block_on(async {
        let mut flags = FeatureFlagsClient::new(client::connect(&config).await?);
        match verb {
            "set" => {
                let request = control_view::request(&config, &author, update(matches));
                one(flags.update_feature_flag(request).await, |a| {
                    (a.flag, a.version)
                })
            }
            "unset" => {
                let request = control_view::request(&config, &author, reset(matches));
                one(flags.reset_feature_flag(request).await, |a| {
                    (a.flag, a.version)
                })
            }
            "get" => {
                let name = text(matches, "name");
                let request = client::request(&config, GetFeatureFlagRequest { name });
                one(flags.get_feature_flag(request).await, |a| {
                    (a.flag, a.version)
                })
            }
            _ => {
                list(
                    &mut flags,
                    client::request(&config, ListFeatureFlagsRequest {}),
                )
                .await
            }
        }
    })?;
    if verb == "list" {
        show_all(output, &view)
    } else {
        show(output, &view)
    }
}

async fn list(
    flags: &mut FeatureFlagsClient<Channel>,
    request: tonic::Request<ListFeatureFlagsRequest>,
) -> Result<FlagsView, Failure> {
    let answer = flags.list_feature_flags(request).await;
    let answer = answer
        .map_err(|status| client::refused(&status))?
        .into_inner();
    Ok(FlagsView {
        flags: answer.flags.into_iter().map(Into::into).collect(),
        version: answer.version,
    })
}

fn one<T>(
    answer: Result<Response<T>, Status>,
    parts: impl FnOnce(T) -> (Option<FeatureFlag>, String),
) -> Result<FlagsView, Failure> {
    let answer = answer.map_err(|status| client::refused(&status))?;
    let (flag, version) = parts(answer.into_inner());
    Ok(FlagsView {
        flags: flag.into_iter().map(Into::into).collect(),
        version,
    })
}

fn update(matches: &ArgMatches) -> UpdateFeatureFlagRequest {
    let state = matches.get_one::<String>("state");
    UpdateFeatureFlagRequest {
        name: text(matches, "name"),
        enabled: state.map(|state| state == "on"),
        rollout_percentage: matches.get_one::<i32>("rollout").copied(),
        comment: matches.get_one::<String>("comment").cloned(),
        environment: matches.get_one::<String>("environment").cloned(),
        update_mask: None,
        etag: text(matches, "etag"),
    }
}

fn reset(matches: &ArgMatches) -> ResetFeatureFlagRequest {
    ResetFeatureFlagRequest {
        name: text(matches, "name"),
        etag: text(matches, "etag"),
        environment: matches.get_one::<String>("environment").cloned(),
    }
}

fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

impl From<FeatureFlag> for FlagView {
    fn from(flag: FeatureFlag) -> Self {
        Self {
            source: control_view::token(flag.source()),
            from: control_view::source(flag.source()),
            name: flag.name,
            enabled: flag.enabled,
            rollout_percentage: flag.rollout_percentage,
            description: flag.description,
            has_rollout: flag.has_rollout,
            environment_variable: flag.environment_variable,
            enabled_without_row: flag.enabled_without_row,
            row: RowView {
                environment: flag.environment,
                comment: flag.comment,
                create_time: flag.create_time.map(|time| time.to_string()),
                update_time: flag.update_time.map(|time| time.to_string()),
                created_by: flag.created_by,
                updated_by: flag.updated_by,
                problem: flag.problem,
                etag: flag.etag,
            },
            elsewhere: flag.elsewhere.map(Into::into),
        }
    }
}

impl From<FeatureFlagElsewhere> for ElsewhereView {
    fn from(row: FeatureFlagElsewhere) -> Self {
        Self {
            environment: row.environment,
            enabled: row.enabled,
            rollout_percentage: row.rollout_percentage,
        }
    }
}

impl FlagView {
    fn state(&self) -> String {
        state(self.enabled, self.rollout_percentage)
    }

    /// What the row says where it counts, if that is elsewhere; else nothing.
    fn elsewhere(&self) -> String {
        self.elsewhere.as_ref().map_or_else(String::new, |row| {
            let state = state(row.enabled, row.rollout_percentage);
            format!("{state} in environment {}", row.environment)
        })
    }
}

fn state(enabled: bool, rollout_percentage: i32) -> String {
    match (enabled, rollout_percentage) {
        (false, _) => "off".to_owned(),
        (true, 100) => "on".to_owned(),
        (true, percentage) => format!("on for {percentage} %"),
    }
}

fn show_all(output: Output, view: &FlagsView) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(view);
    }
    let rows = view.flags.iter().map(|flag| {
        let remark = match (flag.row.problem.as_str(), flag.elsewhere()) {
            ("", elsewhere) if elsewhere.is_empty() => clean(&flag.description),
            ("", elsewhere) => clean(&format!("{} ({elsewhere})", flag.description)),
            (problem, _) => output.paint(Color::Red, &clean(problem)),
        };
        [
            clean(&flag.name),
            flag.state(),
            flag.from.to_owned(),
            remark,
        ]
    });
    output.whole_rows(["FLAG", "STATE", "FROM", "WHAT IT DOES"], rows)
}

fn show(output: Output, view: &FlagsView) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(view);
    }
    let Some(flag) = view.flags.first() else {
        return Err(Failure::failed("the answer holds no flag"));
    };
    let (state, elsewhere) = (flag.state(), flag.elsewhere());
    let rows = [
        ("flag", flag.name.as_str()),
        ("state", state.as_str()),
        ("from", flag.from),
        ("does", flag.description.as_str()),
        ("variable", flag.environment_variable.as_str()),
        ("environment", flag.row.environment.as_str()),
        ("elsewhere", elsewhere.as_str()),
        ("comment", flag.row.comment.as_str()),
        ("updated by", flag.row.updated_by.as_str()),
        (
            "update time",
            flag.row.update_time.as_deref().unwrap_or_default(),
        ),
        ("problem", flag.row.problem.as_str()),
        ("etag", flag.row.etag.as_str()),
        ("version", view.version.as_str()),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    output.whole_rows(
        ["FIELD", "VALUE"],
        rows.map(|(name, value)| [name.to_owned(), clean(value)]),
    )
}
