//! `man`: manual pages, from the definitions that the help texts come from.
use std::{fs, path::PathBuf};

use clap::ArgMatches;
use clap_mangen::Man;

use super::{command::command, failure::Failure, output};

/// `man`.
pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.get_one::<PathBuf>("folder") {
        None => output::line(page()?.trim_end()),
        Some(folder) => {
            let written = fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command(), folder));
            let what = format!("cannot write to {}", folder.display());
            written.map_err(|error| Failure::caused(&what, &error))
        }
    }
}

fn page() -> Result<String, Failure> {
    let mut page = Vec::new();
    // As `--folder` does it: `help` has no page.
    let program = command().disable_help_subcommand(true);
    let rendered = Man::new(program).render(&mut page);
    rendered.map_err(|error| Failure::caused("cannot write the page", &error))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
