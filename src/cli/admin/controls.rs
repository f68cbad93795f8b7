//! `admin flags` and `admin settings`: what operators decide by rows while the service runs.
use clap::{Arg, ArgMatches, Command, builder::StringValueParser};
use prost::{Message, Name};
use serde_json::Value;
use tonic::{Request, Response, Status};

use super::setting_value::{full_name, number, shown};
use crate::{
    cli::{
        args::{given, group, option, suggest, text, whole},
        author::{self, Author},
        client,
        escape::clean,
        failure::Failure,
        json::json,
        output::{Color, Output},
        screen, settings,
    },
    config::{ClientConfig, EnvVars},
    domain::{Flag, RuntimeSetting as KnownSetting},
    pb::admin::v1::{
        FeatureFlag, GetFeatureFlagRequest, ListFeatureFlagsRequest, ListFeatureFlagsResponse,
        ListRuntimeSettingsRequest, ListRuntimeSettingsResponse, ResetFeatureFlagRequest,
        ResetRuntimeSettingRequest, RuntimeSetting, UpdateFeatureFlagRequest,
        UpdateRuntimeSettingRequest, feature_flags_client::FeatureFlagsClient,
        runtime_settings_client::RuntimeSettingsClient,
    },
};

/// `admin flags`.
pub(super) fn flags() -> Command {
    let name = name(
        "FLAG",
        "Which one",
        Flag::ALL.map(|flag| flag.definition().name),
    );
    let state = Arg::new("state")
        .value_name("STATE")
        .value_parser(["on", "off"])
        .help("On or off; default: as it is");
    let rollout = option("rollout", "PERCENT")
        .value_parser(whole::<i32>(0..=100))
        .allow_negative_numbers(true)
        .help("For how many of the callers, 0 to 100; for a flag that has a rollout");
    let set = Command::new("set")
        .about("Switches a flag, for the whole fleet within 2 s")
        .args([name.clone(), state, rollout])
        .after_help(
            "Examples:\n  \
             # refuse calls to the catalog\n  \
             challenges-catalog admin flags set challenges_catalog off\n  \
             # let providers write tips for a tenth of the callers\n  \
             challenges-catalog admin flags set ai_tips on --rollout 10",
        );
    let about = "Feature flags: switches that are thrown while the service runs";
    family("flags", about, &name, set)
}

/// `admin settings`.
pub(super) fn runtime_settings() -> Command {
    let help = "Which one; the unit at the end may be left out, as in cache_ttl";
    let name = name(
        "SETTING",
        help,
        KnownSetting::ALL.map(|setting| setting.definition().name),
    );
    let value = Arg::new("value")
        .value_name("VALUE")
        .required(true)
        .allow_negative_numbers(true)
        .help("Such as 10m, 5usd or 600, in the range that `get` shows; a bare number is in the setting's own unit");
    let set = Command::new("set")
        .about("Changes a setting, for the whole fleet within 2 s")
        .args([name.clone(), value])
        .after_help(
            "Examples:\n  \
             # answers that are loaded from now on stay for ten minutes\n  \
             challenges-catalog admin settings set cache_ttl 10m\n  \
             # all replicas together may spend five dollars a day\n  \
             challenges-catalog admin settings set tip_daily_budget 5usd",
        );
    let about = "Settings that are changed while the service runs";
    family("settings", about, &name, set)
}

fn name<const N: usize>(
    value_name: &'static str,
    help: &'static str,
    names: [&'static str; N],
) -> Arg {
    Arg::new("name")
        .value_name(value_name)
        .required(true)
        .value_parser(suggest(StringValueParser::new(), names))
        .help(help)
}

fn family(names: &'static str, about: &'static str, name: &Arg, set: Command) -> Command {
    let one = names.trim_end_matches('s');
    let list =
        Command::new("list").about(format!("Shows every {one} as it is in force on the server"));
    let get = Command::new("get")
        .about(format!("Shows one {one} with its row"))
        .arg(name);
    let environment = |help| option("environment", "NAME").help(help);
    let etag = option("etag", "ETAG").help("Changes nothing unless this is still its etag");
    let comment = option("comment", "TEXT").help("A remark for people, kept in the row");
    let where_to = "Where the row is to count: an environment, or all; default: where it does";
    let set = set.args([comment, environment(where_to), etag.clone(), author::arg()]);
    let whose = "Whose row to take out: an environment's, or all; default: the one that counts";
    let unset = Command::new("unset")
        .about(format!(
            "Takes out a {one}'s row: what counts next holds again"
        ))
        .args([name.clone(), environment(whose), etag, author::arg()]);
    group(names, about)
        .subcommands([list, get, set, unset].map(|verb| verb.args(settings::call_args())))
}

/// How a command reaches the server, in whose name.
struct SigningClient {
    output: Output,
    config: ClientConfig,
    author: Author,
}

impl SigningClient {
    fn of(matches: &ArgMatches, environment: &EnvVars) -> Result<Self, Failure> {
        Ok(Self {
            output: Output::new(matches, environment),
            config: settings::client(matches, environment)?,
            author: Author::of(matches, environment),
        })
    }

    /// The name of who asks stands in the row that is changed.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = client::request(&self.config, message);
        self.author.sign(&mut request);
        request
    }
}

/// Does what stands behind `admin flags`.
pub(super) fn run_flags(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(Failure::quiet(2));
    };
    let caller = SigningClient::of(matches, environment)?;
    let one = |flag: Option<FeatureFlag>, version| ListFeatureFlagsResponse {
        flags: flag.into_iter().collect(),
        version,
        ..Default::default()
    };
    let (name, etag) = (text(matches, "name"), text(matches, "etag"));
    let whose = given(matches, "environment");
    let answer = client::call(&caller.config, async |channel| {
        let mut client = FeatureFlagsClient::new(channel);
        match verb {
            "set" => {
                let state = given(matches, "state");
                let request = caller.request(UpdateFeatureFlagRequest {
                    name,
                    enabled: state.map(|state| state == "on"),
                    rollout_percentage: matches.get_one::<i32>("rollout").copied(),
                    comment: given(matches, "comment"),
                    environment: whose,
                    update_mask: None,
                    etag,
                });
                let answer = client.update_feature_flag(request).await;
                mapped(answer, |answer| one(answer.flag, answer.version))
            }
            "unset" => {
                let request = caller.request(ResetFeatureFlagRequest {
                    name,
                    etag,
                    environment: whose,
                });
                let answer = client.reset_feature_flag(request).await;
                mapped(answer, |answer| one(answer.flag, answer.version))
            }
            "get" => {
                let request = client::request(&caller.config, GetFeatureFlagRequest { name });
                let answer = client.get_feature_flag(request).await;
                mapped(answer, |answer| ListFeatureFlagsResponse {
                    stale: answer.stale,
                    ..one(answer.flag, answer.version)
                })
            }
            _ => {
                let request = client::request(&caller.config, ListFeatureFlagsRequest {});
                client.list_feature_flags(request).await
            }
        }
    })?;
    warn_if(answer.stale, environment);
    show(caller.output, &answer, "flag", verb == "list")
}

/// Does what stands behind `admin settings`.
pub(super) fn run_settings(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(Failure::quiet(2));
    };
    let caller = SigningClient::of(matches, environment)?;
    let one = |setting: Option<RuntimeSetting>, version| ListRuntimeSettingsResponse {
        settings: setting.into_iter().collect(),
        version,
        ..Default::default()
    };
    let (typed, etag) = (text(matches, "name"), text(matches, "etag"));
    let name = full_name(&typed);
    let value = given(matches, "value");
    let value = value.map(|text| value_of(&name, name == typed, &text, environment));
    let value = value.transpose()?;
    let whose = given(matches, "environment");
    let mut answer = client::call(&caller.config, async |channel| {
        let mut client = RuntimeSettingsClient::new(channel);
        let name = name.clone();
        match verb {
            "set" => {
                let comment = given(matches, "comment");
                let request = caller.request(UpdateRuntimeSettingRequest {
                    name,
                    value,
                    comment,
                    environment: whose,
                    etag,
                });
                let answer = client.update_runtime_setting(request).await;
                mapped(answer, |answer| one(answer.setting, answer.version))
            }
            "unset" => {
                let request = caller.request(ResetRuntimeSettingRequest {
                    name,
                    environment: whose,
                    etag,
                });
                let answer = client.reset_runtime_setting(request).await;
                mapped(answer, |answer| one(answer.setting, answer.version))
            }
            _ => {
                let request = client::request(&caller.config, ListRuntimeSettingsRequest {});
                client.list_runtime_settings(request).await
            }
        }
    })?;
    if verb == "get" {
        let there: Vec<_> = answer.settings.iter().map(|it| clean(&it.name)).collect();
        answer.settings.retain(|setting| setting.name == name);
        if answer.settings.is_empty() {
            let there = there.join(", ");
            let problem = format!("the server has no setting {name:?}; there are {there}");
            return Err(Failure::failed(problem));
        }
    }
    warn_if(answer.stale, environment);
    show(caller.output, &answer, "setting", verb != "get")
}

fn warn_if(is_stale: bool, environment: &EnvVars) {
    if is_stale {
        let warning = "warning: the server cannot read its database; this is how it stood last";
        screen::remark(warning, environment);
    }
}

/// The number that was typed; what a bare one is taken for is told.
fn value_of(name: &str, has_unit: bool, text: &str, env: &EnvVars) -> Result<i64, Failure> {
    let number = number(name, has_unit, text)?;
    let meant = shown(name, number);
    if text.parse() == Ok(number) && meant != text {
        let remark = format!("note: {number} without a unit is {meant} here");
        screen::remark(&clean(&remark), env);
    }
    Ok(number)
}

fn mapped<A, B>(
    answer: Result<Response<A>, Status>,
    map: impl FnOnce(A) -> B,
) -> Result<Response<B>, Status> {
    answer.map(|answer| answer.map(map))
}

/// Who decided a value, for people.
fn from(source: &str) -> &str {
    match source {
        "environment_row" => "row",
        "all_row" => "row for all",
        "unspecified" => "unknown",
        other => other,
    }
}

/// What is told of a flag or a setting: the heading, and the field of the message behind it.
const FIELDS: [(&str, &str); 10] = [
    ("does", "description"),
    ("variable", "environment_variable"),
    ("without row", "value_without_row"),
    ("environment", "environment"),
    ("elsewhere", "elsewhere"),
    ("comment", "comment"),
    ("updated by", "updated_by"),
    ("update time", "update_time"),
    ("problem", "problem"),
    ("etag", "etag"),
];

/// Shows an answer that lists flags or settings: `kind` is what one of them is called.
fn show<M: Message + Name>(
    output: Output,
    answer: &M,
    kind: &'static str,
    is_list: bool,
) -> Result<(), Failure> {
    let answer = json(answer)?;
    if output.is_data() {
        return output.data(&answer);
    }
    let answer = serde_json::to_value(answer);
    let answer = answer.map_err(|error| Failure::caused("cannot read the answer", &error))?;
    let controls = answer.get(format!("{kind}s")).and_then(Value::as_array);
    let mut controls = controls.into_iter().flatten();
    let value = if kind == "flag" { "state" } else { "value" };
    if is_list {
        let rows = controls.map(|control| {
            let text = |name| text_of(output, control, name);
            let remark = match (text("problem").as_str(), text("elsewhere").as_str()) {
                ("", "") => text("description"),
                ("", elsewhere) => format!("{} ({elsewhere})", text("description")),
                (problem, _) => output.paint(Color::Red, problem),
            };
            [
                text("name"),
                text(value),
                from(&text("source")).to_owned(),
                remark,
            ]
        });
        let [name, value] = [kind, value].map(str::to_uppercase);
        return output.whole_rows([&name, &value, "FROM", "WHAT IT DOES"], rows);
    }
    let Some(control) = controls.next() else {
        return Err(Failure::failed(format!("the answer holds no {kind}")));
    };
    let text = |name| text_of(output, control, name);
    let mut rows = vec![
        (kind, text("name")),
        (value, text(value)),
        ("from", from(&text("source")).to_owned()),
    ];
    if kind == "setting" {
        rows.push(("range", format!("{} to {}", text("min"), text("max"))));
    }
    rows.extend(FIELDS.map(|(heading, name)| (heading, text(name))));
    rows.push(("version", text_of(output, &answer, "version")));
    rows.retain(|(_, value)| !value.is_empty());
    output.pairs(["FIELD", "VALUE"], rows)
}

/// The text of a field; empty where there is none. Numbers have their unit for people, and are bare for programs.
fn text_of(output: Output, message: &Value, name: &str) -> String {
    match message.get(name) {
        Some(Value::String(text)) => clean(text),
        Some(Value::Number(number)) if output.is_table() => shown(
            &text_of(output, message, "name"),
            number.as_i64().unwrap_or_default(),
        ),
        Some(Value::Number(number)) => number.to_string(),
        Some(elsewhere @ Value::Object(_)) => {
            let environment = text_of(output, elsewhere, "environment");
            format!("{} in environment {environment}", state(elsewhere))
        }
        None if name == "state" => state(message),
        Some(Value::Null | Value::Bool(_) | Value::Array(_)) | None => String::new(),
    }
}

/// A flag's state, here or elsewhere.
fn state(flag: &Value) -> String {
    let is_enabled = flag.get("enabled").and_then(Value::as_bool);
    match (
        is_enabled,
        flag.get("rollout_percentage").and_then(Value::as_i64),
    ) {
        (Some(true), Some(100)) => "on".to_owned(),
        (Some(true), percentage) => format!("on for {} %", percentage.unwrap_or_default()),
        (Some(false) | None, _) => "off".to_owned(),
    }
}
