//! Bodies of requests, read whole: each within a limit and a time, and all together within a bound of memory.
use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::problem::Problem;
use crate::domain::FieldViolation;

/// How long a body may take to arrive.
const WITHIN: Duration = Duration::from_secs(5);
/// What all bodies that are being read may take together; at least eight of the largest. One that is slow holds what
/// came of it, so that slow callers keep no room from others.
const ALL_BYTES: usize = 64 << 20;
const LARGEST: usize = 8;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyError {
    TooLarge,
    TooSlow,
    BrokenOff,
    NoRoom,
}

/// Reads bodies within their bounds.
#[derive(Clone, Debug)]
pub(super) struct BodyBudget {
    limit_bytes: usize,
    room: Arc<Semaphore>,
}

impl BodyBudget {
    /// For bodies of up to `limit_bytes`.
    pub(super) fn new(limit_bytes: usize) -> Self {
        let all = ALL_BYTES.max(limit_bytes.saturating_mul(LARGEST));
        Self {
            limit_bytes,
            room: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// The most bytes of one body.
    pub(super) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// When it is too large, too slow, breaks off, or there is no room for it.
    pub(super) async fn read<B>(&self, body: B, request_id: &HeaderValue) -> Result<Bytes, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        // One that says that it is too large is not waited for.
        let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if told > self.limit_bytes {
            return Err(Problem::too_large(self.limit_bytes, request_id));
        }
        let read = timeout(WITHIN, self.collect(body)).await;
        read.unwrap_or(Err(BodyError::TooSlow))
            .map_err(|error| match error {
                BodyError::TooLarge => Problem::too_large(self.limit_bytes, request_id),
                BodyError::TooSlow => Problem::too_slow(request_id),
                BodyError::BrokenOff => Problem::malformed("the body broke off", request_id),
                BodyError::NoRoom => {
                    Problem::overloaded("memory for requests is used up", request_id)
                }
            })
    }

    async fn collect<B>(&self, mut body: B) -> Result<Bytes, BodyError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut all = BytesMut::new();
        let mut held: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyError::BrokenOff)?;
            let data = frame.into_data().unwrap_or_default();
            if data.len() > self.limit_bytes.saturating_sub(all.len()) {
                return Err(BodyError::TooLarge);
            }
            let more = self.hold(data.len())?;
            // One, however small the pieces are that the body comes in.
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
            all.extend_from_slice(&data);
        }
        Ok(all.freeze())
    }

    fn hold(&self, bytes: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let held = Arc::clone(&self.room).try_acquire_many_owned(bytes);
        held.map_err(|_| BodyError::NoRoom)
    }

    /// Reads a body that must be empty.
    ///
    /// # Errors
    ///
    /// When it is not, or cannot be read.
    pub(super) async fn expect_none<B>(
        &self,
        body: B,
        request_id: &HeaderValue,
    ) -> Result<(), Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let is_none =
            body.size_hint().lower() == 0 && self.read(body, request_id).await?.is_empty();
        if is_none {
            return Ok(());
        }
        let violation = FieldViolation::new("body", "must be empty".to_owned());
        Err(Problem::invalid(vec![violation], request_id))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    fn pieces(of_bytes: usize, count: usize) -> impl Body<Data = Bytes> + Unpin {
        let piece = Bytes::from(vec![0; of_bytes]);
        let frames = (0..count).map(move |_| Ok::<_, Infallible>(Frame::data(piece.clone())));
        StreamBody::new(stream::iter(frames))
    }

    async fn status(budget: &BodyBudget, body: impl Body<Data = Bytes> + Unpin) -> u16 {
        let read = budget.read(body, &HeaderValue::from_static("id")).await;
        read.map_or_else(|problem| problem.status().as_u16(), |_| 200)
    }

    #[tokio::test]
    async fn a_body_is_read_whole_up_to_its_limit() {
        let budget = BodyBudget::new(1_000);
        assert_eq!(status(&budget, pieces(100, 10)).await, 200);
        assert_eq!(status(&budget, pieces(100, 11)).await, 413);
        assert_eq!(status(&budget, pieces(0, 3)).await, 200);
    }

    #[tokio::test]
    async fn what_all_bodies_take_is_bounded_and_given_back() {
        let budget = BodyBudget::new(ALL_BYTES);
        let held = budget.hold(ALL_BYTES * LARGEST - 10);
        assert_eq!(status(&budget, pieces(1, 11)).await, 503);
        assert_eq!(status(&budget, pieces(1, 10)).await, 200);
        drop(held);
        assert_eq!(status(&budget, pieces(1, 11)).await, 200);
    }
}
