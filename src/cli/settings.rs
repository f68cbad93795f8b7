//! Makes flags from the table of settings, and reads their values back.
use clap::{Arg, ArgMatches, builder::StringValueParser};

use super::{
    args::suggest,
    escape::clean,
    failure::{Failure, SERVE_HELP},
    output, screen,
};
use crate::config::{
    CLIENT_SETTINGS, CONFIG_FILE, ClientConfig, EnvVars, Flags, Loaded, SETTINGS, Section, Setting,
    ValueKind, load,
};

/// Every setting of the server.
pub(super) fn serve_args() -> Vec<Arg> {
    args(|_| true)
}

/// The settings of commands that need the database only.
pub(super) fn database_args() -> Vec<Arg> {
    args(|section| matches!(section, Section::Database | Section::Log))
}

/// What commands that call a server take: `--output`, and how the server is reached.
pub(super) fn call_args() -> Vec<Arg> {
    let settings = CLIENT_SETTINGS.iter().map(arg);
    std::iter::once(output::arg()).chain(settings).collect()
}

/// The settings in force for a command of the server's side.
pub(super) fn loaded(matches: &ArgMatches, environment: &EnvVars) -> Result<Loaded, Failure> {
    load(&flags(matches), environment).map_err(|problems| Failure::settings(&problems, SERVE_HELP))
}

/// The settings in force for a command that calls a server.
pub(super) fn client(matches: &ArgMatches, environment: &EnvVars) -> Result<ClientConfig, Failure> {
    let config = ClientConfig::load(&flags(matches), environment)
        .map_err(|problems| Failure::settings(&problems, "--help of this command"))?;
    for warning in &config.warnings {
        screen::remark(&clean(&format!("warning: {warning}")), environment);
    }
    Ok(config)
}

/// What was typed, for [`load`].
pub(super) fn flags(matches: &ArgMatches) -> Flags {
    let settings = std::iter::once(&CONFIG_FILE)
        .chain(SETTINGS.iter())
        .chain(CLIENT_SETTINGS);
    let typed = settings.filter_map(|setting| {
        let flag = setting.flag();
        let text = matches.try_get_one::<String>(&flag).ok().flatten()?.clone();
        Some((flag, text))
    });
    typed.collect()
}

fn args(wanted: fn(Section) -> bool) -> Vec<Arg> {
    let settings = SETTINGS.iter().filter(|setting| wanted(setting.section));
    settings.chain([&CONFIG_FILE]).map(arg).collect()
}

fn arg(setting: &'static Setting) -> Arg {
    let env = match setting.env_file() {
        Some(file) => format!("{} or {file}", setting.env),
        None => setting.env.to_owned(),
    };
    let default = match setting.default {
        "" => String::new(),
        default => format!("[default: {default}] "),
    };
    let arg = Arg::new(setting.flag())
        .long(setting.flag())
        .hide_possible_values(true)
        .value_name(setting.kind.value_name())
        .help_heading(setting.section.heading())
        .help(setting.help)
        .long_help(format!(
            "{}\n{default}[env: {env}] [accepts: {}]",
            setting.help,
            setting.kind.range()
        ));
    if matches!(setting.kind, ValueKind::Switch) {
        return arg
            .value_parser(suggest(StringValueParser::new(), ["true", "false"]))
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true");
    }
    match setting.kind.words() {
        Some(words) => arg.value_parser(suggest(StringValueParser::new(), words)),
        // What begins with a sign is a wrong value, and no flag.
        None => arg.allow_hyphen_values(!matches!(setting.kind, ValueKind::Text { .. })),
    }
}
