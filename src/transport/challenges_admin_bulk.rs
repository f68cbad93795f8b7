//! Imports and exports: many challenges in one call.
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::HeaderMap;
use prost::Message;
use tonic::{Status, Streaming};

use super::{
    challenges_admin::{ChallengesAdminTransport, editor, request_name, text},
    challenges_admin_messages::draft,
    context::RequestContext,
    convert::same_variants,
};
use crate::{
    domain::{Challenge, Error, FieldViolations, ImportMode, Imported, RowOutcome},
    pb::admin::v1 as pb,
    service::{DraftRow, ImportRequest},
};

/// How large a message of an export may be, unless one challenge alone is larger.
const MESSAGE_BYTES: usize = 1 << 20;
/// The most rows of one message.
const ROWS_MAX: usize = 1_000;

impl ChallengesAdminTransport {
    /// Reads an import message by message, and carries it out at the end.
    pub(super) async fn import(
        &self,
        mut messages: Streaming<pb::ImportChallengesRequest>,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Result<pb::ImportChallengesResponse, Status> {
        let first = messages.message().await?.unwrap_or_default();
        let options = first.options.unwrap_or_default();
        let asked = call.result(import_request(&options, headers, call))?;
        let mut run = call.result(self.service.import(asked).await)?;
        let mut rows = first.rows;
        loop {
            call.result(few(&rows))?;
            let drafts = rows.into_iter().map(draft_row).collect();
            call.result(run.add(drafts).await)?;
            let Some(next) = messages.message().await? else {
                break;
            };
            if next.options.is_some() {
                let problem = "belong to the first message only";
                return Err(call.refused(&Error::invalid("options", problem)));
            }
            rows = next.rows;
        }
        Ok(answer(&call.result(run.finish().await)?))
    }

    /// Streams the catalog of now.
    pub(super) async fn export(
        &self,
        call: &RequestContext,
    ) -> Result<BoxStream<'static, Result<pb::ExportChallengesResponse, Status>>, Status> {
        let exported = self.service.export(call.deadline).await;
        let (version, pages) = call.result(exported)?;
        let (version, call) = (version.to_string(), call.clone());
        let messages = pages.map_ok(move |page| {
            let messages = in_messages(page, &version).into_iter();
            stream::iter(messages.map(Ok))
        });
        let messages = messages.try_flatten();
        Ok(messages.map_err(move |error| call.refused(&error)).boxed())
    }
}

fn import_request(
    options: &pb::ImportOptions,
    headers: &HeaderMap,
    call: &RequestContext,
) -> Result<ImportRequest, Error> {
    let mut violations = FieldViolations::default();
    let mode = match pb::ImportMode::try_from(options.mode) {
        Ok(pb::ImportMode::Unspecified) => Ok(ImportMode::Create),
        Ok(pb::ImportMode::Upsert) => Ok(ImportMode::Upsert),
        Err(_) => Err("must be IMPORT_MODE_UPSERT (2) or unset".to_owned()),
    };
    let mode = violations.field("options.mode", mode);
    let request_id = request_name(&mut violations, &options.request_id);
    let editor = editor(&mut violations, headers, call);
    let (Some(mode), Some(request_id), Some(editor)) = (mode, request_id, editor) else {
        return Err(violations.into());
    };
    Ok(ImportRequest {
        mode,
        editor,
        request_id,
        validate_only: options.validate_only,
        deadline: call.deadline,
    })
}

/// A page in as many messages as it takes for none of them to be large.
fn in_messages(page: Vec<Challenge>, version: &str) -> Vec<pb::ExportChallengesResponse> {
    let (mut messages, mut bytes) = (Vec::new(), usize::MAX);
    for challenge in page {
        let challenge = pb::EditedChallenge::of(challenge, None);
        let own = challenge.encoded_len();
        bytes = bytes.saturating_add(own);
        if bytes > MESSAGE_BYTES {
            bytes = own;
            messages.push(pb::ExportChallengesResponse {
                challenges: Vec::new(),
                version: version.to_owned(),
            });
        }
        if let Some(message) = messages.last_mut() {
            message.challenges.push(challenge);
        }
    }
    messages
}

fn few(rows: &[pb::ImportRow]) -> Result<(), Error> {
    if rows.len() <= ROWS_MAX {
        return Ok(());
    }
    let problem = format!(
        "must be at most {ROWS_MAX} in a message, not {}",
        rows.len()
    );
    Err(Error::invalid("rows", problem))
}

fn draft_row(row: pb::ImportRow) -> DraftRow {
    DraftRow {
        line: row.line,
        draft: draft(row.challenge.unwrap_or_default()),
    }
}

same_variants! {
    RowOutcome => pb::RowOutcome { Created, Updated, Unchanged }
}

fn answer(imported: &Imported) -> pb::ImportChallengesResponse {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let outcome = |outcome: &RowOutcome| pb::RowOutcome::from(*outcome).into();
    pb::ImportChallengesResponse {
        created: count(imported.tally.created),
        updated: count(imported.tally.updated),
        unchanged: count(imported.tally.unchanged),
        outcomes: imported.outcomes.iter().map(outcome).collect(),
        version: text(imported.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ChallengeId, Difficulty};

    fn challenge(bytes: usize) -> Challenge {
        Challenge {
            id: ChallengeId::from(uuid::Uuid::from_u128(1)),
            difficulty: Difficulty::Beginner,
            title: String::new(),
            description: "x".repeat(bytes),
            points: 10,
            tips: None,
            written_tip: None,
            created_at: None,
            updated_at: None,
        }
    }

    #[test]
    fn a_page_of_an_export_is_cut_into_messages_that_any_client_takes() {
        let lengths = |sizes: &[usize]| {
            let page = sizes.iter().map(|size| challenge(*size)).collect();
            let messages = in_messages(page, "v");
            assert!(messages.iter().all(|message| message.version == "v"));
            let lengths = messages.iter().map(|message| message.challenges.len());
            lengths.collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[]), [0_usize; 0]);
        assert_eq!(lengths(&[10, 10, 10]), [3]);
        assert_eq!(lengths(&[600_000, 400_000, 600_000]), [2, 1]);
        assert_eq!(lengths(&[10, 2_000_000, 10]), [1, 1, 1]);
    }
}
