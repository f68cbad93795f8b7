//! The command `import`: sends a file of challenges to `ImportChallenges`.
use std::{
    fs::File,
    io::{BufRead, BufReader, stdin},
    path::{Path, PathBuf},
};

use clap::ArgMatches;
use tonic::{Code, Status};

use super::{
    args::EditOptions,
    edit::refused,
    file::ChallengeFile,
    upload::{FileProblems, messages},
};
use crate::{
    cli::{
        client,
        escape::clean,
        failure::Failure,
        json::json,
        output::{self, Output},
        progress::Progress,
        runtime,
    },
    config::EnvVars,
    pb::admin::v1::{
        ImportChallengesResponse, ImportMode, ImportOptions,
        challenges_admin_client::ChallengesAdminClient,
    },
};

/// Imports all of a file, or nothing. Ctrl-C ends the process, and with it the call: the server
/// writes nothing before it has heard the end of the file.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let terms = EditOptions::of(matches, environment)?;
    let mode = if matches.get_flag("upsert") {
        ImportMode::Upsert
    } else {
        ImportMode::Unspecified
    };
    let options = ImportOptions {
        mode: mode.into(),
        request_id: terms.request_id.clone(),
        validate_only: terms.validate_only,
    };
    let path = matches.get_one::<PathBuf>("file").map(PathBuf::as_path);
    let (input, length) = open(path.unwrap_or(Path::new("-")))?;
    let file = ChallengeFile::new(input);
    let progress = Progress::new("importing", environment);
    let (rows, problems) = messages(file, options, length, progress);
    let answer = runtime::command()?.block_on(async {
        let mut client = ChallengesAdminClient::new(client::connect(&terms.config).await?);
        tokio::select! {
            answer = client.import_challenges(terms.request(rows)) => {
                answer.map_err(|status| refused_import(&terms, &status))
            }
            Ok(problems) = problems => Err(wrong_file(&problems)),
        }
    })?;
    show(output, &answer.into_inner())
}

fn open(path: &Path) -> Result<(Box<dyn BufRead + Send>, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(stdin())), None));
    }
    let opened = File::open(path).and_then(|file| {
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    let (file, length) = opened.map_err(|error| {
        let message = format!("cannot read {}: {error}", path.display());
        Failure::failed(message).with_code(2)
    })?;
    Ok((Box::new(BufReader::new(file)), Some(length)))
}

fn wrong_file(problems: &FileProblems) -> Failure {
    let failure = Failure::failed(UNUSABLE);
    let failure = problems.first.iter().fold(failure, |failure, problem| {
        failure.with_line(clean(&problem.to_string()))
    });
    if problems.has_more {
        return failure.with_line("and more");
    }
    failure
}

/// The server names rows and modes as its contract does; people count lines and type flags.
fn refused_import(terms: &EditOptions, status: &Status) -> Failure {
    let in_words = |text: String| {
        let text = text.replace("rows[", "line ").replace("].", ", ");
        text.replace("the mode upsert", "--upsert")
    };
    let (violations, has_more) = client::violations(status);
    if !violations.is_empty() {
        let failure = Failure::failed(UNUSABLE);
        let lines = violations.into_iter().map(in_words);
        let failure = lines.fold(failure, Failure::with_line);
        let more = has_more.then_some("and more");
        return more.into_iter().fold(failure, Failure::with_line);
    }
    let failure = refused(terms, status).reworded(in_words);
    if matches!(
        status.code(),
        Code::InvalidArgument | Code::ResourceExhausted
    ) {
        return failure.with_line("nothing was changed");
    }
    failure
}

const UNUSABLE: &str = "the file cannot be imported; nothing was changed";

fn show(output: Output, answer: &ImportChallengesResponse) -> Result<(), Failure> {
    let (created, updated) = (answer.created, answer.updated);
    let unchanged = answer.unchanged;
    if output.is_data() {
        return output.data(&json(answer)?);
    }
    let done = match answer.version.as_str() {
        "" => "nothing was changed: this is what it would do".to_owned(),
        version => format!("version {}", clean(version)),
    };
    output::line(&format!(
        "{created} created, {updated} updated, {unchanged} unchanged; {done}"
    ))
}
