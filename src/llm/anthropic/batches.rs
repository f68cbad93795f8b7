use std::{future::ready, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream::BoxStream};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    batch_result,
    batch_wire::{Batch, Page, Request, Submission},
    writer::{Order, headers},
};
use crate::{
    domain::{
        BatchOrder, BatchResult, BatchStatus, Clock, FailureKind, ProviderBatchId, Route,
        TipBatchWriter, UnixMicros, Usage, WriteFailure,
    },
    llm::{
        ProviderSettings, SetupError,
        endpoint::{Body, Endpoint},
        flaw::Flaw,
        json_lines::lines,
    },
    telemetry::LineLimit,
};

/// A batch of some ten megabytes takes its time on a slow line.
const SUBMIT_LIMIT: Duration = Duration::from_mins(2);
/// All else is a short question and a short answer.
const ASK_LIMIT: Duration = Duration::from_secs(20);
/// An answer about batches is no longer, in bytes; a hundred of them have about a tenth of it.
const ANSWER_BYTES: usize = 1 << 20;
/// So many batches are listed; the API has pages of up to 1 000.
const LISTED: &str = "?limit=100";
/// Lines about results that cannot be read.
static UNREADABLE: LineLimit = LineLimit::new();

/// Orders batches from a model of Anthropic's.
pub struct AnthropicBatches {
    endpoint: Endpoint,
    route: Route,
    temperature: Option<f64>,
    idle: Duration,
}

impl AnthropicBatches {
    /// Orders go to `v1/messages/batches` below the base URL. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// As [`super::AnthropicWriter::new`].
    pub fn new(settings: &ProviderSettings, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let headers = headers(settings)?;
        Ok(Self {
            endpoint: Endpoint::new(settings, "/v1/messages/batches", headers, clock)?,
            route: settings.route("anthropic"),
            temperature: settings.temperature(),
            idle: settings.limits.idle,
        })
    }

    /// From now on orders go out with the key of `settings`; tells whether it is another one.
    ///
    /// # Errors
    ///
    /// [`SetupError::Key`] when it cannot be sent; the key before stays then.
    pub fn renew_key(&self, settings: &ProviderSettings) -> Result<bool, SetupError> {
        Ok(self.endpoint.renew(headers(settings)?))
    }

    fn submission(&self, orders: &[BatchOrder]) -> Vec<u8> {
        let requests = orders.iter().map(|order| Request {
            custom_id: &order.custom_id,
            params: Order::whole(&self.route, self.temperature, &order.prompt),
        });
        let submission = Submission {
            requests: requests.collect(),
        };
        // Text and numbers under fixed names can always be written.
        serde_json::to_vec(&submission).unwrap_or_default()
    }

    /// Asks one question, and reads the answer.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        limit: Duration,
    ) -> Result<T, Refusal> {
        let asked = async {
            let (head, body) = self.endpoint.call(method, path, body).await?;
            if head.status != StatusCode::OK {
                let failure = head.refusal(body, self.endpoint.now()).await;
                return Err(Refusal {
                    is_unknown: head.status == StatusCode::NOT_FOUND,
                    failure,
                });
            }
            let answer = whole(body).await?;
            serde_json::from_slice(&answer).map_err(|error| Flaw::bad_json(&error).into())
        };
        let too_slow = || Flaw::new(FailureKind::TooSlow, "no answer in time").into();
        timeout(limit, asked)
            .await
            .unwrap_or_else(|_| Err(too_slow()))
    }
}

#[async_trait]
impl TipBatchWriter for AnthropicBatches {
    fn route(&self) -> &Route {
        &self.route
    }

    async fn submit(&self, orders: &[BatchOrder]) -> Result<BatchStatus, WriteFailure> {
        let body = self.submission(orders);
        let batch = self.ask(Method::POST, "", body, SUBMIT_LIMIT).await?;
        Ok(status(batch)?)
    }

    async fn status(&self, id: &ProviderBatchId) -> Result<Option<BatchStatus>, WriteFailure> {
        let path = path(id)?;
        match self.ask(Method::GET, &path, Vec::new(), ASK_LIMIT).await {
            Ok(batch) => Ok(Some(status(batch)?)),
            Err(refusal) if refusal.is_unknown => Ok(None),
            Err(refusal) => Err(refusal.failure),
        }
    }

    async fn newest(&self) -> Result<Vec<BatchStatus>, WriteFailure> {
        let page = self.ask(Method::GET, LISTED, Vec::new(), ASK_LIMIT).await;
        let page: Page = page?;
        // Batches of others, with ids of a new kind, are none of ours.
        let batches = page.data.into_iter().filter_map(|batch| status(batch).ok());
        Ok(batches.collect())
    }

    fn results(
        &self,
        id: &ProviderBatchId,
    ) -> BoxStream<'static, Result<BatchResult, WriteFailure>> {
        let (endpoint, model, idle) = (self.endpoint.clone(), self.route.model.clone(), self.idle);
        let path = path(id).map(|path| format!("{path}/results"));
        let open = async move {
            let opened = timeout(ASK_LIMIT, endpoint.call(Method::GET, &path?, Vec::new())).await;
            let too_slow = |_| Flaw::new(FailureKind::TooSlow, "no results in time");
            let (head, body) = opened.map_err(too_slow)??;
            if head.status != StatusCode::OK {
                return Err(head.refusal(body, endpoint.now()).await);
            }
            let mut has_read = false;
            let read = move |line: Bytes| match batch_result::read(&line, &model) {
                Ok(result) => {
                    has_read = true;
                    Some(Ok(result))
                }
                // One line that cannot be read must not keep the others away; a page of something
                // else must not pass for a batch without results.
                Err(flaw) if has_read => {
                    if let Some(left_out) = UNREADABLE.admit() {
                        let detail = flaw.detail;
                        tracing::warn!(detail, left_out, "a result cannot be read");
                    }
                    None
                }
                Err(flaw) => Some(Err(flaw)),
            };
            let results = lines(body, idle).map_ok(read);
            let results = results.filter_map(|result| ready(result.transpose()));
            Ok(results.map(|result| Ok(result??)))
        };
        open.try_flatten_stream().boxed()
    }

    async fn delete(&self, id: &ProviderBatchId) -> Result<(), WriteFailure> {
        let path = path(id)?;
        let deleted = self.ask(Method::DELETE, &path, Vec::new(), ASK_LIMIT).await;
        match deleted {
            Ok(serde::de::IgnoredAny) => Ok(()),
            Err(refusal) if refusal.is_unknown => Ok(()),
            Err(refusal) => Err(refusal.failure),
        }
    }
}

/// Why a question has no answer.
struct Refusal {
    failure: WriteFailure,
    /// There is no such thing.
    is_unknown: bool,
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        Self {
            failure: flaw.into(),
            is_unknown: false,
        }
    }
}

impl From<Refusal> for WriteFailure {
    fn from(refusal: Refusal) -> Self {
        refusal.failure
    }
}

impl From<Flaw> for WriteFailure {
    fn from(flaw: Flaw) -> Self {
        flaw.into_failure(None, Usage::default())
    }
}

fn status(batch: Batch) -> Result<BatchStatus, Flaw> {
    let id = ProviderBatchId(batch.id);
    path(&id)?;
    Ok(BatchStatus {
        id,
        orders: batch.request_counts.sum(),
        has_ended: batch.processing_status == "ended",
        ended_at: batch.ended_at.as_deref().and_then(moment),
    })
}

/// An id as a part of a path, if it is one: it must not lead anywhere else.
fn path(id: &ProviderBatchId) -> Result<String, Flaw> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (1..=128).contains(&id.0.len()) && id.0.bytes().all(is_plain) {
        Ok(format!("/{}", id.0))
    } else {
        Err(Flaw::new(FailureKind::Malformed, "a batch with an odd id"))
    }
}

/// A moment in RFC 3339.
fn moment(text: &str) -> Option<UnixMicros> {
    let at = humantime::parse_rfc3339(text).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(UnixMicros)
}

/// All of an answer that is short.
async fn whole(mut body: Body) -> Result<Vec<u8>, Flaw> {
    let mut answer = Vec::new();
    while let Some(chunk) = body.next().await {
        answer.extend_from_slice(&chunk?);
        if answer.len() > ANSWER_BYTES {
            return Err(Flaw::new(FailureKind::Malformed, "an answer has no end"));
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_nowhere_else() {
        let path = |id: &str| path(&ProviderBatchId(id.to_owned())).ok();
        assert_eq!(path("msgbatch_01-a").as_deref(), Some("/msgbatch_01-a"));
        for id in ["", "..", "a/b", "a?b", "a%2e", "é", &"x".repeat(129)] {
            assert_eq!(path(id), None, "{id}");
        }
    }

    #[test]
    fn a_moment_is_read_to_the_microsecond() {
        let at = moment("2026-01-01T00:00:00.000001Z");
        assert_eq!(at, Some(UnixMicros(1_767_225_600_000_001)));
        assert_eq!(moment("yesterday"), None);
    }
}
