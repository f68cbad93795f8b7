//! What the product is measured against, each as bare as it can be:
//!
//! ```text
//! limits hyper ADDR ANSWER          HTTP/2 and ready bytes: the limit of this stack
//! limits tonic ADDR ANSWER          stock tonic and ready bytes
//! limits redis ADDR REDIS_URL       stock tonic and one Redis GET for each call
//! limits sql   ADDR DATABASE_URL    stock tonic and the product's own list statement for each call
//! limits walk  ADDR FILE [REDIS_URL]   asks the product for every page of many lists; keeps the requests
//!                                   in FILE, and the answers in Redis for `limits redis`
//! limits load  ADDR METHOD FILE CONNECTIONS STREAMS SECONDS   sends the requests of FILE in turn
//! limits call  ADDR METHOD         sends standard input as a message, and writes the answer to standard output
//! ```
//!
//! ANSWER is a file with the framed message that the product answers with.
mod bare_http;
mod bare_tonic;
mod caller;
mod load;
mod messages;
mod source;
mod walk;

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
};

use bytes::Bytes;
use mimalloc::MiMalloc;
use tokio::net::TcpListener;

use caller::Caller;
use source::Source;

/// The product's own, so that the allocator makes no difference.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// An error that ends the program.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["hyper", addr, answer] => {
            bare_http::serve(
                TcpListener::bind(addr).await?,
                Bytes::from(fs::read(answer)?),
            )
            .await
        }
        ["tonic", addr, answer] => {
            // tonic writes the frame's five bytes itself.
            let message = Bytes::from(fs::read(answer)?).slice(5..);
            bare_tonic::serve(TcpListener::bind(addr).await?, Source::Ready(message)).await
        }
        ["redis", addr, url] => {
            bare_tonic::serve(TcpListener::bind(addr).await?, Source::redis(url).await?).await
        }
        ["sql", addr, url] => {
            bare_tonic::serve(TcpListener::bind(addr).await?, Source::sql(url).await?).await
        }
        ["call", addr, method] => {
            let mut request = Vec::new();
            io::stdin().read_to_end(&mut request)?;
            let mut caller = Caller::connect(addr, method).await?;
            let answer = caller.call(walk::framed(&request)).await?;
            Ok(io::stdout().write_all(&answer)?)
        }
        ["walk", addr, file] => walk::walk(addr, file, None).await,
        ["walk", addr, file, redis] => walk::walk(addr, file, Some(redis)).await,
        ["load", addr, method, file, connections, streams, seconds] => {
            load::load(
                addr,
                (method, file),
                connections.parse()?,
                streams.parse()?,
                seconds.parse()?,
            )
            .await
        }
        _ => Err("see the top of benches/limits/src/main.rs".into()),
    }
}
