//! `admin settings list|get|set|unset`.
use clap::{Arg, ArgMatches, Command, builder::StringValueParser};
use serde::Serialize;
use tonic::{Response, Status};

use super::control_view::{self, RowView, change_args, comment_arg};
use crate::{
    cli::{
        author::Author,
        client,
        command::examples,
        escape::clean,
        failure::Failure,
        names::suggest,
        output::{self, Color, Output},
        runtime, settings,
    },
    config::{EnvVars, SETTINGS, Setting, ValueKind},
    domain::RuntimeSetting as KnownSetting,
    pb::admin::v1::{
        ListRuntimeSettingsRequest, ResetRuntimeSettingRequest, RuntimeSetting,
        UpdateRuntimeSettingRequest, runtime_settings_client::RuntimeSettingsClient,
    },
};

/// The family.
pub(super) fn command() -> Command {
    let name = || {
        Arg::new("name")
            .value_name("SETTING")
            .required(true)
            .value_parser(suggest(
                StringValueParser::new(),
                KnownSetting::ALL.map(|tunable| tunable.definition().name),
            ))
            .help("Which one; the unit at the end may be left out, as in cache_ttl")
    };
    let list = Command::new("list").about("Shows every setting as it stands on the server");
    let get = Command::new("get")
        .about("Shows one setting with its row")
        .arg(name());
    let value = Arg::new("value")
        .value_name("VALUE")
        .required(true)
        .allow_negative_numbers(true)
        .help("Such as 10m, 5usd or 600, in the range that `get` shows; a bare number is in the setting's own unit");
    let set = Command::new("set")
        .about("Changes a setting, for the whole fleet within 2 s")
        .args([name(), value, comment_arg()])
        .args(change_args())
        .after_help(examples(
            &[
                (
                    "challenges-catalog admin settings set cache_ttl 10m",
                    "answers that are loaded from now on stay for ten minutes",
                ),
                (
                    "challenges-catalog admin settings set tip_daily_budget 5usd",
                    "all replicas together may spend five dollars a day",
                ),
            ],
            "",
        ));
    let unset = Command::new("unset")
        .about("Takes out a setting's row: what counts next holds again")
        .arg(name())
        .args(change_args());
    Command::new("settings")
        .about("Settings that are changed while the service runs")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(
            [list, get, set, unset]
                .map(|verb| verb.arg(output::arg()).args(settings::client_args())),
        )
}

/// One setting, with the field names of the proto.
#[derive(Debug, Serialize)]
struct SettingView {
    name: String,
    value: i64,
    source: &'static str,
    /// As people are told.
    #[serde(skip)]
    from: &'static str,
    description: String,
    min: i64,
    max: i64,
    environment_variable: String,
    value_without_row: i64,
    #[serde(flatten)]
    row: RowView,
}

/// All settings, or one; and the version that they stand at.
#[derive(Debug, Serialize)]
struct SettingsView {
    settings: Vec<SettingView>,
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
    let update = match verb {
        "set" => update(matches)?,
        _ => UpdateRuntimeSettingRequest::default(),
    };
    if verb == "set" && text(matches, "value").parse().ok() == update.value {
        let number = update.value.unwrap_or_default();
        let meant = shown(&update.name, number);
        if meant != number.to_string() {
            let remark = format!("note: {number} without a unit is {meant} here");
            output::remark(&clean(&remark), environment);
        }
    }
    let view = runtime::command()?.block_on(async {
        let mut client = RuntimeSettingsClient::new(client::connect(&config).await?);
        match verb {
            "set" => {
                let request = control_view::request(&config, &author, update.clone());
                let answer = client.update_runtime_setting(request).await;
                view(answer, |a| (a.setting.into_iter().collect(), a.version))
            }
            "unset" => {
                let request = control_view::request(&config, &author, reset(matches));
                let answer = client.reset_runtime_setting(request).await;
                view(answer, |a| (a.setting.into_iter().collect(), a.version))
            }
            _ => {
                let request = client::request(&config, ListRuntimeSettingsRequest {});
                let answer = client.list_runtime_settings(request).await;
                view(answer, |a| (a.settings, a.version))
            }
        }
    })?;
    if verb == "get" {
        return show_one(output, view, &full_name(matches));
    }
    show(output, &view)
}

fn view<T>(
    answer: Result<Response<T>, Status>,
    parts: impl FnOnce(T) -> (Vec<RuntimeSetting>, String),
) -> Result<SettingsView, Failure> {
    let answer = answer.map_err(|status| client::refused(&status))?;
    let (settings, version) = parts(answer.into_inner());
    Ok(SettingsView {
        settings: settings.into_iter().map(Into::into).collect(),
        version,
    })
}

fn update(matches: &ArgMatches) -> Result<UpdateRuntimeSettingRequest, Failure> {
    let (typed, name) = (text(matches, "name"), full_name(matches));
    Ok(UpdateRuntimeSettingRequest {
        value: Some(number(&name, name == typed, &text(matches, "value"))?),
        name,
        comment: matches.get_one::<String>("comment").cloned(),
        environment: matches.get_one::<String>("environment").cloned(),
        etag: text(matches, "etag"),
    })
}

/// The name of the contract for one whose unit was left out.
fn full_name(matches: &ArgMatches) -> String {
    let name = text(matches, "name");
    let short =
        |tunable: &KnownSetting| form(*tunable).is_some_and(|setting| setting.key() == name);
    let meant = KnownSetting::ALL.into_iter().find(short);
    meant.map_or(name, |tunable| tunable.definition().name.to_owned())
}

/// The setting that holds without a row.
fn form(tunable: KnownSetting) -> Option<&'static Setting> {
    SETTINGS
        .iter()
        .find(|setting| setting.env == tunable.definition().env)
}

/// What was typed, in the unit of the contract. A bare number is in that unit already where the name
/// ends in it, and whether it will do is for the server to say.
fn number(name: &str, has_unit: bool, text: &str) -> Result<i64, Failure> {
    if let (true, Ok(number)) = (has_unit, text.parse()) {
        return Ok(number);
    }
    let setting = KnownSetting::named(name).and_then(form);
    let number = match setting.map(|setting| setting.kind) {
        Some(form @ (ValueKind::Duration(..) | ValueKind::Money(..) | ValueKind::Bytes(..))) => {
            form.number(text)
        }
        Some(ValueKind::Text { .. } | ValueKind::Switch | ValueKind::Count(..)) | None => {
            Err(format!("must be a whole number, such as 600, not {text:?}"))
        }
    };
    let number =
        number.map_err(|problem| Failure::failed(format!("{name}: {problem}")).with_code(2))?;
    Ok(i64::try_from(number).unwrap_or(i64::MAX))
}

/// As people write it; the bare number where this program does not know the setting.
fn shown(name: &str, number: i64) -> String {
    let setting = KnownSetting::named(name).and_then(form);
    let whole = u64::try_from(number).ok();
    let shown = setting
        .zip(whole)
        .map(|(setting, number)| setting.kind.show(number));
    shown.unwrap_or_else(|| number.to_string())
}

fn reset(matches: &ArgMatches) -> ResetRuntimeSettingRequest {
    ResetRuntimeSettingRequest {
        name: full_name(matches),
        environment: matches.get_one::<String>("environment").cloned(),
        etag: text(matches, "etag"),
    }
}

fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

impl From<RuntimeSetting> for SettingView {
    fn from(setting: RuntimeSetting) -> Self {
        Self {
            source: control_view::token(setting.source()),
            from: control_view::source(setting.source()),
            name: setting.name,
            value: setting.value,
            description: setting.description,
            min: setting.min,
            max: setting.max,
            environment_variable: setting.environment_variable,
            value_without_row: setting.value_without_row,
            row: RowView {
                environment: setting.environment,
                comment: setting.comment,
                create_time: setting.create_time.map(|time| time.to_string()),
                update_time: setting.update_time.map(|time| time.to_string()),
                created_by: setting.created_by,
                updated_by: setting.updated_by,
                problem: setting.problem,
                etag: setting.etag,
            },
        }
    }
}

impl SettingView {
    /// With its unit for people, and bare for programs.
    fn number(&self, output: Output, number: i64) -> String {
        if output.is_table() {
            shown(&self.name, number)
        } else {
            number.to_string()
        }
    }
}

fn show(output: Output, view: &SettingsView) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(view);
    }
    let rows = view.settings.iter().map(|setting| {
        let remark = if setting.row.problem.is_empty() {
            clean(&setting.description)
        } else {
            output.paint(Color::Red, &clean(&setting.row.problem))
        };
        [
            clean(&setting.name),
            setting.number(output, setting.value),
            setting.from.to_owned(),
            remark,
        ]
    });
    output.whole_rows(["SETTING", "VALUE", "FROM", "WHAT IT DOES"], rows)
}

/// Of all settings the one that was asked for.
fn show_one(output: Output, mut view: SettingsView, name: &str) -> Result<(), Failure> {
    let names: Vec<_> = view.settings.iter().map(|it| clean(&it.name)).collect();
    view.settings.retain(|setting| setting.name == name);
    let Some(setting) = view.settings.first() else {
        let there = names.join(", ");
        return Err(Failure::failed(format!(
            "the server has no setting {name:?}; there are {there}"
        )));
    };
    if output.is_data() {
        return output.data(&view);
    }
    let row = &setting.row;
    let rows = [
        ("setting", setting.name.clone()),
        ("value", setting.number(output, setting.value)),
        ("from", setting.from.to_owned()),
        (
            "range",
            format!(
                "{} to {}",
                setting.number(output, setting.min),
                setting.number(output, setting.max)
            ),
        ),
        ("does", setting.description.clone()),
        ("variable", setting.environment_variable.clone()),
        (
            "without row",
            setting.number(output, setting.value_without_row),
        ),
        ("environment", row.environment.clone()),
        ("comment", row.comment.clone()),
        ("updated by", row.updated_by.clone()),
        ("update time", row.update_time.clone().unwrap_or_default()),
        ("problem", row.problem.clone()),
        ("etag", row.etag.clone()),
        ("version", view.version.clone()),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    output.whole_rows(
        ["FIELD", "VALUE"],
        rows.map(|(name, value)| [name.to_owned(), clean(&value)]),
    )
}
