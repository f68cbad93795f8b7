//! A provider of tips that speaks Anthropic's protocol, fast: each piece of text is the moment at which it was sent.
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep_until},
};

use crate::{Result, stamp};

type Body = BoxBody<Bytes, Infallible>;

/// How each tip comes.
#[derive(Clone, Copy)]
pub struct Pace {
    /// So many pieces of text.
    pub pieces: usize,
    /// One after so long.
    pub interval: Duration,
}

const HEAD: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"bench\",\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const TAIL: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":50}}\n\n\
event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// Serves until the process is ended. GET returns how many tips were requested.
pub async fn serve(listener: TcpListener, pace: Pace) -> Result<()> {
    let requests = Arc::new(AtomicUsize::new(0));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let requests = Arc::clone(&requests);
        let service = service_fn(move |request| answer(request, Arc::clone(&requests), pace));
        // How a connection ends is the caller's business.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    requests: Arc<AtomicUsize>,
    pace: Pace,
) -> std::result::Result<Response<Body>, hyper::Error> {
    if request.method() == Method::GET {
        let count = requests.load(Relaxed).to_string();
        return Ok(Response::new(count.boxed()));
    }
    request.into_body().collect().await?;
    requests.fetch_add(1, Relaxed);
    let mut response = Response::new(tip(pace));
    response.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("text/event-stream"),
    );
    Ok(response)
}

fn tip(pace: Pace) -> Body {
    let began = Instant::now();
    let events = stream::unfold(0, move |number| async move {
        let event = match number {
            0 => HEAD.to_owned(),
            _ if number <= pace.pieces => {
                let turn = u32::try_from(number).unwrap_or(u32::MAX);
                sleep_until(began + pace.interval * turn).await;
                let word = stamp::word(stamp::now());
                format!(
                    "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{word} \"}}}}\n\n"
                )
            }
            _ if number == pace.pieces + 1 => TAIL.to_owned(),
            _ => return None,
        };
        Some((Ok(Frame::data(Bytes::from(event))), number + 1))
    });
    StreamBody::new(events).boxed()
}
