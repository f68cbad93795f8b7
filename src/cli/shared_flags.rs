//! Flags that may stand before a command as well as behind it.
use std::ffi::{OsStr, OsString};

use clap::Command;

/// Those that nearly all commands share, with what they take.
const SHARED: [&str; 8] = [
    "--addr",
    "--timeout",
    "--token-file",
    "--tls-ca",
    "--client-cert",
    "--client-key",
    "--output",
    "-o",
];

/// The arguments with what stands before a command put behind it, where its definition is.
pub(super) fn placed(args: impl IntoIterator<Item = OsString>, root: &Command) -> Vec<OsString> {
    let mut args = args.into_iter().peekable();
    let (mut path, mut moved): (Vec<_>, Vec<_>) = (args.next().into_iter().collect(), Vec::new());
    let mut command = root;
    while let Some(arg) = args.peek() {
        if let Some(next) = command.find_subcommand(arg) {
            command = next;
            path.extend(args.next());
        } else if command.has_subcommands() && is_shared(arg) {
            let has_value = !SHARED.iter().any(|name| arg == name);
            moved.extend(args.next());
            if !has_value {
                moved.extend(args.next());
            }
        } else {
            break;
        }
    }
    path.into_iter().chain(moved).chain(args).collect()
}

/// Alone, or with its value behind a sign.
pub(super) fn is_shared(arg: &OsStr) -> bool {
    let arg = arg.to_string_lossy();
    let name = arg.split_once('=').map_or(&*arg, |(name, _)| name);
    SHARED.contains(&name) || arg.starts_with("-o") && !arg.starts_with("--")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::command;

    fn placed(line: &str) -> String {
        let args = line.split(' ').map(OsString::from);
        let placed = super::placed(args, &command()).into_iter();
        let words: Vec<_> = placed.map(|arg| arg.into_string().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn what_all_commands_share_may_stand_before_the_command() {
        for (typed, meant) in [
            ("c --addr h:1 list --all", "c list --addr h:1 --all"),
            (
                "c admin --addr=h:1 cache status",
                "c admin cache status --addr=h:1",
            ),
            ("c -o json admin flags list", "c admin flags list -o json"),
            ("c -ojson --timeout 1s list", "c list -ojson --timeout 1s"),
        ] {
            assert_eq!(placed(typed), meant);
        }
        for unchanged in [
            "c",
            "c --grpc-addr h:1 --addr x",
            "c list --addr h:1",
            "c get -- --addr",
            "c serve --log debug",
        ] {
            assert_eq!(placed(unchanged), unchanged);
        }
    }
}
