//! What the product is measured against, each as bare as it can be:
//!
//! ```text
//! limits hyper ADDR ANSWER [FOLDER] HTTP/2 and ready bytes: the limit of this stack; over TLS with the pair in FOLDER
//! limits json  ADDR FILE             HTTP/1.1, HTTP/2 and the ready JSON in FILE
//! limits pair  FOLDER               makes the pair of a server and its authority there
//! limits tonic ADDR ANSWER          stock tonic and ready bytes
//! limits redis ADDR REDIS_URL       stock tonic and one Redis GET for each call
//! limits sql   ADDR DATABASE_URL    stock tonic and the product's own list statement for each call
//! limits walk  ADDR FILE [REDIS_URL]   asks the product for every page of many lists; keeps the requests
//!                                   in FILE, and the answers in Redis for `limits redis`
//! limits load  ADDR METHOD FILE CONNECTIONS STREAMS SECONDS   sends the requests of FILE in turn
//! limits flood ADDR METHOD FILE CONNECTIONS RATE SECONDS   offers so many calls a second, whatever becomes of them
//! limits churn ADDR ID CONNECTIONS SECONDS   keeps so many connections open that come and go in every way there is
//! limits lag   ADDR TARGET MILLISECONDS   a proxy that hands on what TARGET says so much later
//! limits call  ADDR METHOD         sends standard input as a message, and writes the answer to standard output
//! limits frames ADDR METHOD        the same, for all messages of a stream, framed
//! limits stream ADDR ANSWER        stock tonic that streams the ready messages
//! limits provider ADDR PIECES MILLISECONDS   writes tips as Anthropic does, a piece of text at a time
//! limits proxy ADDR PROVIDER       stock tonic that hands on what a provider sends
//! limits tips  ADDR[,ADDR] FILE COUNT AT_ONCE MILLISECONDS   reads streams of tips that begin within that time, and
//!                                   tells when their text came
//! limits seen  ADDR[,ADDR] DATABASE_URL ID COMMITS MILLISECONDS   changes a title by plain SQL so often, that far apart, and
//!                                   tells when every server showed it
//! ```
//!
//! ANSWER is a file with the framed messages that the product answers with. To an ADDR that begins with `https://` a caller
//! speaks TLS, and trusts the authority in the file that `LIMITS_CA` names. Calls bring the token in `LIMITS_TOKEN`, if any.
mod bare_http;
mod bare_json;
mod bare_stream;
mod bare_tonic;
mod caller;
mod churn;
mod flood;
mod lag;
mod load;
mod messages;
mod provider;
mod readers;
mod secure;
mod seen;
mod source;
mod stamp;
mod walk;

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    time::Duration,
};

use bytes::Bytes;
use mimalloc::MiMalloc;
use tokio::net::TcpListener;

use bare_stream::Messenger;
use caller::Caller;
use provider::Pace;
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
    let arguments = arguments.as_slice();
    match *arguments {
        [
            kind @ ("hyper" | "json" | "tonic" | "redis" | "sql" | "stream" | "proxy"),
            addr,
            what,
        ] => serve(kind, TcpListener::bind(addr).await?, what).await,
        ["call", addr, method] => {
            let mut request = Vec::new();
            io::stdin().read_to_end(&mut request)?;
            let mut caller = Caller::connect(addr, method).await?;
            let answer = caller.call(walk::framed(&request)).await?;
            Ok(io::stdout().write_all(&answer)?)
        }
        ["frames", addr, method] => {
            let mut request = Vec::new();
            io::stdin().read_to_end(&mut request)?;
            let mut caller = Caller::connect(addr, method).await?;
            let answer = caller.frames(walk::framed(&request)).await?;
            Ok(io::stdout().write_all(&answer)?)
        }
        ["provider", addr, pieces, interval_ms] => {
            let pace = Pace {
                pieces: pieces.parse()?,
                interval: Duration::from_millis(interval_ms.parse()?),
            };
            provider::serve(TcpListener::bind(addr).await?, pace).await
        }
        ["tips", addrs, file, count, at_once, spread_ms] => {
            let spread = Duration::from_millis(spread_ms.parse()?);
            let counts = (count.parse()?, at_once.parse()?);
            readers::read(addrs, file, counts, spread).await
        }
        ["seen", addrs, database, id, commits, interval_ms] => {
            let interval = Duration::from_millis(interval_ms.parse()?);
            seen::watch(addrs, database, id, commits.parse()?, interval).await
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
        _ => hardship(arguments).await,
    }
}

/// What is done over TLS, and to a server that has too much to do.
async fn hardship(arguments: &[&str]) -> Result<()> {
    match *arguments {
        ["hyper", addr, answer, folder] => {
            let (frame, tls) = (fs::read(answer)?.into(), secure::acceptor(folder)?);
            bare_http::serve(TcpListener::bind(addr).await?, frame, Some(tls)).await
        }
        ["pair", folder] => secure::make_pair(folder),
        ["lag", addr, target, later_ms] => {
            let later = Duration::from_millis(later_ms.parse()?);
            lag::serve(TcpListener::bind(addr).await?, target, later).await
        }
        ["churn", addr, challenge, at_once, seconds] => {
            churn::churn(addr, challenge, at_once.parse()?, seconds.parse()?).await
        }
        ["flood", addr, method, file, connections, rate, seconds] => {
            let pace = (connections.parse()?, rate.parse()?, seconds.parse()?);
            flood::flood(addr, (method, file), pace).await
        }
        _ => Err("see the top of benches/limits/src/main.rs".into()),
    }
}

async fn serve(kind: &str, listener: TcpListener, what: &str) -> Result<()> {
    match kind {
        "hyper" => bare_http::serve(listener, Bytes::from(fs::read(what)?), None).await,
        "json" => bare_json::serve(listener, Bytes::from(fs::read(what)?)).await,
        // tonic writes the frame's five bytes itself.
        "tonic" => {
            let message = Bytes::from(fs::read(what)?).slice(5..);
            bare_tonic::serve(listener, Source::Ready(message)).await
        }
        "redis" => bare_tonic::serve(listener, Source::redis(what).await?).await,
        "sql" => bare_tonic::serve(listener, Source::sql(what).await?).await,
        "stream" => bare_stream::serve(listener, Messenger::ready(fs::read(what)?.into())).await,
        _ => bare_stream::serve(listener, Messenger::Provider(what.to_owned())).await,
    }
}
