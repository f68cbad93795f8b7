//! The command `history`: prints the revisions of a challenge.
use clap::ArgMatches;

use crate::{
    cli::{
        client,
        escape::clean,
        failure::Failure,
        humanize::ago,
        id,
        json::{json, word},
        output::{self, Color, Output},
        runtime, settings,
    },
    config::{ClientConfig, EnvVars},
    pb::admin::v1::{
        ListChallengeRevisionsRequest, ListChallengeRevisionsResponse, RevisionOperation,
        challenges_admin_client::ChallengesAdminClient,
    },
};

/// The most that the server gives at once.
const PAGE_MAX: u32 = 100;

/// Shows who changed what and when.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let limit = matches.get_one::<u32>("limit").copied().unwrap_or(PAGE_MAX);
    let id = id::whole(&config, matches)?;
    let mut history = runtime::command()?.block_on(ask(&config, id, limit))?;
    for revision in &mut history.revisions {
        // An address says that it is one; all else is a name.
        if let Some(name) = revision.editor.strip_prefix("name ") {
            revision.editor = name.to_owned();
        }
    }
    show(output, &history)
}

async fn ask(
    config: &ClientConfig,
    challenge_id: String,
    limit: u32,
) -> Result<ListChallengeRevisionsResponse, Failure> {
    let mut client = ChallengesAdminClient::new(client::connect(config).await?);
    let mut request = ListChallengeRevisionsRequest {
        challenge_id,
        ..Default::default()
    };
    let (mut left, mut found) = (limit, ListChallengeRevisionsResponse::default());
    while left > 0 {
        request.page_size = i32::try_from(left.min(PAGE_MAX)).unwrap_or(0);
        let answer = client.list_challenge_revisions(client::request(config, request.clone()));
        let answer = client::answer(answer.await)?;
        left = left.saturating_sub(left.min(PAGE_MAX));
        found.revisions.extend(answer.revisions);
        found.older_pruned = answer.older_pruned;
        if answer.next_page_token.is_empty() {
            break;
        }
        request.page_token = answer.next_page_token;
    }
    Ok(found)
}

/// The database's role, which is sure, behind whom its session named, who is only said to be.
fn who(editor: &str, database_role: &str) -> String {
    match (editor, database_role) {
        ("", "") => "–".to_owned(),
        ("", name) | (name, "") => clean(name),
        (editor, role) => format!("{} ({})", clean(editor), clean(role)),
    }
}

fn show(output: Output, history: &ListChallengeRevisionsResponse) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(&json(history)?);
    }
    let rows = history.revisions.iter().map(|revision| {
        let challenge = revision.challenge.as_ref();
        let id = challenge.map_or_else(String::new, |it| clean(&it.id));
        let title = challenge.map_or_else(String::new, |it| clean(&it.title));
        let time = revision.time.as_ref();
        [
            revision.revision.to_string(),
            if output.is_table() {
                ago(time)
            } else {
                time.map(ToString::to_string).unwrap_or_default()
            },
            word(revision.operation().as_str_name(), "REVISION_OPERATION_"),
            who(&revision.editor, &revision.database_role),
            id,
            match revision.operation() {
                RevisionOperation::Deleted => output.paint(Color::Red, &title),
                RevisionOperation::Created => output.paint(Color::Green, &title),
                RevisionOperation::Unspecified
                | RevisionOperation::Found
                | RevisionOperation::Updated => title,
            },
        ]
    });
    let headings = ["NUMBER", "TIME", "CHANGE", "WHO", "CHALLENGE", "TITLE"];
    output.rows(headings, rows)?;
    if history.older_pruned && output.is_table() {
        output::line("\nolder revisions were pruned")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_is_shown_whatever_name_its_session_took() {
        for (editor, role, shown) in [
            ("", "", "–"),
            ("name ann", "", "name ann"),
            ("", "writer", "writer"),
            ("name ann", "writer", "name ann (writer)"),
        ] {
            assert_eq!(who(editor, role), shown);
        }
    }
}
