//! `export`.
use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Write, stdout},
    path::{Path, PathBuf},
};

use clap::ArgMatches;
use tonic::Streaming;

use crate::{
    cli::{client, escape, failure::Failure, output, runtime, settings, view::difficulty},
    config::{ClientConfig, EnvVars},
    domain::ChallengeDraft,
    pb::admin::v1::{
        EditedChallenge, ExportChallengesRequest, ExportChallengesResponse,
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
            None => write_all(pages, BufWriter::new(stdout().lock()))
                .await
                .map(drop),
            Some(file) => to_file(pages, file).await,
        }
    })
}

async fn ask(config: &ClientConfig) -> Result<Streaming<ExportChallengesResponse>, Failure> {
    let mut admin = ChallengesAdminClient::new(client::connect(config).await?);
    let answer = admin
        .export_challenges(client::streamed(config, ExportChallengesRequest {}))
        .await;
    let answer = answer.map_err(|status| client::refused(&status))?;
    Ok(answer.into_inner())
}

/// Under a name of its own first, so that a file of that name is whole, and no link that somebody put
/// there is followed.
async fn to_file(pages: Streaming<ExportChallengesResponse>, file: &Path) -> Result<(), Failure> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    let draft = PathBuf::from(draft);
    let cannot =
        |error: &io::Error| Failure::failed(format!("cannot write {}: {error}", file.display()));
    let made = File::create_new(&draft).map_err(|error| cannot(&error))?;
    let written = write_all(pages, BufWriter::new(made)).await;
    let count = match written {
        Ok(count) => count,
        Err(failure) => {
            // It is half of something; that it may stay behind is said by the failure itself.
            fs::remove_file(&draft).ok();
            return Err(failure);
        }
    };
    fs::rename(&draft, file).map_err(|error| {
        fs::remove_file(&draft).ok();
        cannot(&error)
    })?;
    output::line(&format!(
        "{count} challenges exported to {}",
        file.display()
    ))
}

async fn write_all(
    mut pages: Streaming<ExportChallengesResponse>,
    mut out: impl Write,
) -> Result<usize, Failure> {
    let (mut count, mut text) = (0, String::new());
    let next = pages.message().await;
    let mut page = next.map_err(|status| client::refused(&status))?;
    write_text(&mut out, "[")?;
    while let Some(challenges) = page.map(|page| page.challenges) {
        text.clear();
        for challenge in challenges {
            let line = serde_json::to_string(&draft(challenge));
            let line = line.map_err(|error| Failure::caused("cannot write JSON", &error))?;
            let line = escape::json(&line);
            text.push_str(if count == 0 { "\n" } else { ",\n" });
            text.push_str(&line);
            count += 1;
        }
        write_text(&mut out, &text)?;
        page = pages
            .message()
            .await
            .map_err(|status| client::refused(&status))?;
    }
    write_text(&mut out, "\n]\n")?;
    out.flush().map_err(|error| unwritable(&error))?;
    Ok(count)
}

fn draft(challenge: EditedChallenge) -> ChallengeDraft {
    ChallengeDraft {
        difficulty: difficulty(challenge.difficulty()),
        description: challenge.description().to_owned(),
        points: challenge.points().into(),
        id: challenge.id,
        title: challenge.title,
        tips: challenge.tips,
    }
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
