//! The flag `--as`: the author of a change.
use clap::{Arg, ArgMatches};
use tonic::{Request, metadata::AsciiMetadataValue};

use super::args::{given, option};
use crate::{config::EnvVars, domain::CallerId};

/// `--as`, for every command whose change is kept with a name.
pub(super) fn arg() -> Arg {
    option("as", "NAME")
        .value_parser(name)
        .help("Who changes it, for the record; default: the user of this terminal")
}

/// A name, by the rule of the server.
fn name(text: &str) -> Result<String, String> {
    CallerId::is_name(text)
        .then(|| text.to_owned())
        .ok_or_else(|| CallerId::NAME_RULE.to_owned())
}

/// Who changes something; nobody when neither `--as` nor the terminal names somebody.
#[derive(Clone, Debug)]
pub(super) struct Author(Option<AsciiMetadataValue>);

impl Author {
    /// Whom `--as` names, or else $USER where the server can take that name.
    pub(super) fn of(matches: &ArgMatches, environment: &EnvVars) -> Self {
        let typed = given(matches, "as");
        let named = typed.or_else(|| name(environment.get("USER")?).ok());
        Self(named.and_then(|name| name.parse().ok()))
    }

    /// Puts the name on a call.
    pub(super) fn sign<T>(&self, request: &mut Request<T>) {
        if let Some(name) = &self.0 {
            request.metadata_mut().insert("x-caller-id", name.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    fn signed(arguments: &[&str], user: &str) -> Option<String> {
        let command = Command::new("x").no_binary_name(true).arg(arg());
        let matches = command.try_get_matches_from(arguments).unwrap();
        let environment: EnvVars = [("USER", user)].into_iter().collect();
        let mut request = Request::new(());
        Author::of(&matches, &environment).sign(&mut request);
        let name = request.metadata().get("x-caller-id")?;
        name.to_str().ok().map(str::to_owned)
    }

    #[test]
    fn a_call_is_signed_by_whom_as_names_or_else_by_the_user() {
        assert_eq!(
            signed(&["--as", "bo@x.org"], "ann").as_deref(),
            Some("bo@x.org")
        );
        assert_eq!(signed(&[], "ann").as_deref(), Some("ann"));
        for unusable in ["", "two words", "a\nb"] {
            assert_eq!(signed(&[], unusable), None, "{unusable:?}");
        }
    }

    #[test]
    fn a_name_that_the_server_would_refuse_is_refused_here() {
        for bad in ["", "two words", "a\nb", "ä", &"x".repeat(129)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
