//! Names that are known here, for help texts and completion. Which of them there are is for the
//! parser to say, or for the server, which may be of another release.
use std::ffi::OsStr;

use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, TypedValueParser},
};

/// A parser that suggests names.
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
