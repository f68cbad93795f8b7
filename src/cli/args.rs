//! Arguments that most commands share, and the reading of their values.
use std::{ffi::OsStr, ops::RangeInclusive};

use clap::{
    Arg, ArgAction, ArgMatches, Command, Error,
    builder::{PossibleValue, TypedValueParser},
};

/// A command that only has commands of its own.
pub(super) fn group(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
}

/// `--name VALUE`.
pub(super) fn option(name: &'static str, value_name: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value_name)
}

/// `--name`, which is given or not.
pub(super) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// What was typed for the argument, if the command has it and it was given.
pub(super) fn given(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.try_get_one::<String>(name).ok().flatten().cloned()
}

/// The same; empty when it was not given.
pub(super) fn text(matches: &ArgMatches, name: &str) -> String {
    given(matches, name).unwrap_or_default()
}

/// Reads a whole number within `range`, and says what was expected.
pub(super) fn whole<T: TryFrom<i64> + 'static>(
    range: RangeInclusive<i64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text: &str| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("must be {}", expected(&range)))
    }
}

fn expected(range: &RangeInclusive<i64>) -> String {
    match (*range.start(), *range.end()) {
        (i64::MIN, i64::MAX) => "a whole number, such as 60000".to_owned(),
        (least, i64::MAX) => format!("a whole number, {least} or more"),
        (least, most) => format!("a whole number, {least} to {most}"),
    }
}

/// A parser that suggests names. Which of them there are is for the parser to say, or for the server, which may be
/// of another release.
#[derive(Clone)]
pub(super) struct Suggesting<P> {
    parser: P,
    names: Vec<&'static str>,
}

/// What `parser` reads, with `names` to choose from.
pub(super) fn suggest<P: TypedValueParser>(
    parser: P,
    names: impl IntoIterator<Item = &'static str>,
) -> Suggesting<P> {
    Suggesting {
        parser,
        names: names.into_iter().collect(),
    }
}

impl<P: TypedValueParser> TypedValueParser for Suggesting<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, Error> {
        self.parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names.iter().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_too_large_is_told_with_what_is_expected() {
        let percent = whole::<i32>(0..=100);
        assert_eq!((percent("0"), percent("100")), (Ok(0), Ok(100)));
        for bad in ["", "ten", "1.5", "-1", "101", "99999999999999999999"] {
            let problem = percent(bad).unwrap_err();
            assert_eq!(problem, "must be a whole number, 0 to 100", "{bad}");
        }
        assert_eq!(
            whole::<i64>(1..=i64::MAX)("0").unwrap_err(),
            "must be a whole number, 1 or more"
        );
        assert_eq!(
            whole::<i64>(i64::MIN..=i64::MAX)("30s").unwrap_err(),
            "must be a whole number, such as 60000"
        );
    }
}
