//! Counts responses by their status: of all requests, also those that never became a call.
use http::StatusCode;

use crate::telemetry::{Counter, Page};

/// Every status that is answered.
const STATUSES: [u16; 21] = [
    200, 204, 304, 307, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 499, 500, 501, 503,
    504, 0,
];

/// How many responses there were of each status.
#[derive(Debug, Default)]
pub(super) struct HttpStats {
    /// In the order of [`STATUSES`]; the last one is for all others.
    responses: [Counter; STATUSES.len()],
}

impl HttpStats {
    pub(super) fn count(&self, status: StatusCode) {
        let known = STATUSES.iter().position(|known| *known == status.as_u16());
        let counter = known.and_then(|at| self.responses.get(at));
        if let Some(counter) = counter.or(self.responses.last()) {
            counter.add(1);
        }
    }

    /// Writes the metrics.
    pub(super) fn collect(&self, page: &mut Page) {
        let mut responses = page.counter(
            "catalog_http_responses_total",
            "Responses over HTTP, by status; those that are calls count as calls too.",
        );
        for (status, count) in STATUSES.iter().zip(&self.responses) {
            let name = match status {
                0 => "other".to_owned(),
                status => status.to_string(),
            };
            if *status == 200 || count.get() > 0 {
                responses.sample(&[("status", &name)], count.get());
            }
        }
    }
}
