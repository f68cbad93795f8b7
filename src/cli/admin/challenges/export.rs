//! The command `export`: writes all challenges as lines of JSON.
use std::{
    io::{self, BufWriter, ErrorKind, Write, stdout},
    path::{Path, PathBuf},
};

use clap::ArgMatches;
use tonic::Streaming;

use crate::{
    app::OutputFile,
    cli::{challenge::exported, client, escape, failure::Failure, output, runtime, settings},
    config::{ClientConfig, EnvVars},
    pb::admin::v1::{
        ExportChallengesRequest, ExportChallengesResponse,
        challenges_admin_client::ChallengesAdminClient,
    },
};

/// Writes all challenges, each on a line of its own, so that two exports can be compared.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let config = settings::client(matches, environment)?;
    let file = matches.get_one::<PathBuf>("file");
    let file = file.filter(|file| file.as_path() != Path::new("-"));
    runtime::command()?.block_on(async {
        let pages = ask(&config).await?;
        match file {
            None => write_all(&config, pages, BufWriter::new(stdout().lock()))
                .await
                .map(drop),
            Some(file) => to_file(&config, pages, file).await,
        }
    })
}

async fn ask(config: &ClientConfig) -> Result<Streaming<ExportChallengesResponse>, Failure> {
    let mut admin = ChallengesAdminClient::new(client::connect(config).await?);
    let call = admin.export_challenges(client::streamed(config, ExportChallengesRequest {}));
    client::begun(config, call).await
}

async fn to_file(
    config: &ClientConfig,
    pages: Streaming<ExportChallengesResponse>,
    file: &Path,
) -> Result<(), Failure> {
    let cannot =
        |error: io::Error| Failure::failed(format!("cannot write {}: {error}", file.display()));
    let mut made = OutputFile::create(file).map_err(cannot)?;
    let is_regular = made.is_regular();
    let count = write_all(config, pages, BufWriter::new(&mut made)).await?;
    made.keep().map_err(cannot)?;
    if !is_regular {
        // It may be standard output by another name.
        return Ok(());
    }
    output::line(&format!(
        "{count} challenges exported to {}",
        file.display()
    ))
}

async fn write_all(
    config: &ClientConfig,
    mut pages: Streaming<ExportChallengesResponse>,
    mut out: impl Write,
) -> Result<usize, Failure> {
    let (mut count, mut text) = (0, String::new());
    let mut page = client::next(config.timeout, &mut pages).await?;
    write_text(&mut out, "[")?;
    while let Some(challenges) = page.map(|page| page.challenges) {
        text.clear();
        for challenge in challenges {
            let line = serde_json::to_string(&exported(challenge));
            let line = line.map_err(|error| Failure::caused("cannot write JSON", &error))?;
            let line = escape::json(&line);
            text.push_str(if count == 0 { "\n" } else { ",\n" });
            text.push_str(&line);
            count += 1;
        }
        write_text(&mut out, &text)?;
        page = client::next(config.timeout, &mut pages).await?;
    }
    write_text(&mut out, "\n]\n")?;
    out.flush().map_err(|error| unwritable(&error))?;
    Ok(count)
}

fn write_text(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    let written = out.write_all(text.as_bytes());
    written.map_err(|error| unwritable(&error))
}

/// A reader that went away, such as `head`, has what it wanted: that is no failure.
fn unwritable(error: &io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return Failure::quiet(0);
    }
    Failure::caused("cannot write the export", error)
}
