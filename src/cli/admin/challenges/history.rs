//! `history`.
use clap::ArgMatches;
use prost_types::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{args, view::EditedView};
use crate::{
    cli::{
        client,
        escape::clean,
        failure::Failure,
        figures::ago,
        output::{self, Color, Output},
        runtime, settings,
    },
    config::{ClientConfig, EnvVars},
    pb::admin::v1::{
        ChallengeRevision, ListChallengeRevisionsRequest, RevisionOperation,
        challenges_admin_client::ChallengesAdminClient,
    },
};

/// The most that the server gives at once.
const PAGE_MAX: u32 = 100;

/// One change.
#[derive(Debug, Serialize)]
struct RevisionView {
    revision: i64,
    operation: &'static str,
    time: Option<String>,
    editor: String,
    database_role: String,
    version: String,
    challenge: Option<EditedView>,
    #[serde(skip)]
    told: Option<Timestamp>,
}

/// What there is of it, as far as was asked for.
#[derive(Default)]
struct History {
    revisions: Vec<ChallengeRevision>,
    older_pruned: bool,
}

/// Shows who changed what and when.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let limit = matches.get_one::<u32>("limit").copied().unwrap_or(PAGE_MAX);
    let id = args::challenge_id(matches, &config)?;
    let found = runtime::command()?.block_on(ask(&config, id, limit))?;
    let History {
        revisions,
        older_pruned,
    } = found;
    let views: Vec<_> = revisions.into_iter().map(RevisionView::from).collect();
    show(output, &views, older_pruned)
}

async fn ask(config: &ClientConfig, challenge_id: String, limit: u32) -> Result<History, Failure> {
    let mut client = ChallengesAdminClient::new(client::connect(config).await?);
    let mut request = ListChallengeRevisionsRequest {
        challenge_id,
        ..Default::default()
    };
    let (mut left, mut found) = (limit, History::default());
    while left > 0 {
        request.page_size = i32::try_from(left.min(PAGE_MAX)).unwrap_or(0);
        let answer = client.list_challenge_revisions(client::request(config, request.clone()));
        let answer = answer.await.map_err(|status| client::refused(&status))?;
        let answer = answer.into_inner();
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

impl From<ChallengeRevision> for RevisionView {
    fn from(revision: ChallengeRevision) -> Self {
        Self {
            operation: match revision.operation() {
                RevisionOperation::Unspecified => "unspecified",
                RevisionOperation::Found => "found",
                RevisionOperation::Created => "created",
                RevisionOperation::Updated => "updated",
                RevisionOperation::Deleted => "deleted",
            },
            revision: revision.revision,
            time: revision.time.map(|time| time.to_string()),
            told: revision.time,
            // An address says that it is one; all else is a name.
            editor: revision
                .editor
                .strip_prefix("name ")
                .map_or(revision.editor.clone(), str::to_owned),
            database_role: revision.database_role,
            version: revision.version,
            challenge: revision.challenge.map(Into::into),
        }
    }
}

impl RevisionView {
    /// The database's role, which is sure, behind whom its session named, who is only said to be.
    fn who(&self) -> String {
        match (self.editor.as_str(), self.database_role.as_str()) {
            ("", "") => "–".to_owned(),
            ("", name) | (name, "") => clean(name),
            (editor, role) => format!("{} ({})", clean(editor), clean(role)),
        }
    }
}

fn show(output: Output, views: &[RevisionView], older_pruned: bool) -> Result<(), Failure> {
    if output.is_data() {
        return output.data(&json!({ "revisions": views, "older_pruned": older_pruned }));
    }
    let rows = views.iter().map(|view| {
        let challenge = view.challenge.as_ref();
        let field = |of: fn(&EditedView) -> &str| challenge.map(|it| clean(of(it)));
        let title = field(|it| &it.title).unwrap_or_default();
        [
            view.revision.to_string(),
            if output.is_table() {
                ago(view.told.as_ref())
            } else {
                view.time.clone().unwrap_or_default()
            },
            view.operation.to_owned(),
            view.who(),
            field(|it| &it.id).unwrap_or_default(),
            match view.operation {
                "deleted" => output.paint(Color::Red, &title),
                "created" => output.paint(Color::Green, &title),
                _ => title,
            },
        ]
    });
    let headings = ["NUMBER", "TIME", "CHANGE", "WHO", "CHALLENGE", "TITLE"];
    output.rows(headings, rows)?;
    if older_pruned && output.is_table() {
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
            let view = RevisionView {
                operation: "updated",
                revision: 1,
                time: None,
                editor: editor.to_owned(),
                database_role: role.to_owned(),
                version: String::new(),
                challenge: None,
                told: None,
            };
            assert_eq!(view.who(), shown);
        }
    }
}
