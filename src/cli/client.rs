//! Calls a running server, and explains failed calls in words.
use std::{error::Error, io, time::Duration};

use secrecy::ExposeSecret;
use tokio::time::timeout;
use tonic::{
    Code, Request, Response, Status, Streaming, TimeoutExpired,
    metadata::AsciiMetadataValue,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_types::StatusExt;

use super::{escape::clean, failure::Failure, humanize::about, runtime};
use crate::{config::ClientConfig, telemetry::root_cause, transport::code_name};

/// Connects to the server, or says why not.
pub(super) async fn connect(config: &ClientConfig) -> Result<Channel, Failure> {
    let unusable = |error| Failure::caused("cannot use the address", &error).with_code(2);
    let mut endpoint = Endpoint::from_shared(config.addr.clone()).map_err(unusable)?;
    if config.addr.starts_with("https://") {
        let unusable =
            |error| Failure::caused("cannot use the certificates for TLS", &error).with_code(2);
        endpoint = endpoint.tls_config(tls(config)).map_err(unusable)?;
    }
    let endpoint = endpoint
        .connect_timeout(config.timeout)
        // A peer that vanished without a word ends a waiting call this way.
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5));
    // The time of the endpoint is for TCP alone; a peer may then be silent in the middle of TLS.
    let connected = timeout(config.timeout, endpoint.connect()).await;
    connected
        .map_err(|_| unanswered(config))?
        .map_err(|error| unreachable_server(config, &error))
}

fn tls(config: &ClientConfig) -> ClientTlsConfig {
    let tls = match &config.identity {
        Some((certificate, key)) => {
            let identity = Identity::from_pem(certificate, key.expose_secret());
            ClientTlsConfig::new().identity(identity)
        }
        None => ClientTlsConfig::new(),
    };
    match &config.tls_ca {
        Some(certificates) => tls.ca_certificate(Certificate::from_pem(certificates)),
        None => tls.with_native_roots(),
    }
}

/// Connects, and makes one call.
pub(super) fn call<T>(
    config: &ClientConfig,
    ask: impl AsyncFnOnce(Channel) -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    runtime::command()?.block_on(async { answer(ask(connect(config).await?).await) })
}

/// What the server answered, or what it said instead.
pub(super) fn answer<T>(answer: Result<Response<T>, Status>) -> Result<T, Failure> {
    answer
        .map(Response::into_inner)
        .map_err(|status| refused(&status))
}

/// Waits until a call that answers bit by bit begins to; silence is a fault.
pub(super) async fn begun<T>(
    config: &ClientConfig,
    call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
) -> Result<Streaming<T>, Failure> {
    answer(timeout(config.timeout, call).await.map_err(|_| silent())?)
}

/// The next message of such an answer, if there is one; a longer silence than `limit` is a fault.
pub(super) async fn next<T>(
    limit: Duration,
    messages: &mut Streaming<T>,
) -> Result<Option<T>, Failure> {
    let next = timeout(limit, messages.message()).await;
    next.map_err(|_| silent())?
        .map_err(|status| refused(&status))
}

/// The message with the time that the caller grants, which the server is told too.
pub(super) fn request<T>(config: &ClientConfig, message: T) -> Request<T> {
    let mut request = streamed(config, message);
    request.set_timeout(config.timeout);
    request
}

/// The message of a call that answers bit by bit, and may take as long as it needs.
pub(super) fn streamed<T>(config: &ClientConfig, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = config
        .token
        .as_ref()
        .and_then(|token| format!("Bearer {}", token.expose_secret()).parse().ok());
    if let Some(bearer) = bearer {
        let mut bearer: AsciiMetadataValue = bearer;
        bearer.set_sensitive(true);
        request.metadata_mut().insert("authorization", bearer);
    }
    request
}

fn silent() -> Failure {
    Failure::failed("the server did not answer in time; --timeout grants more")
}

/// What the server, or the way to it, answered instead of what was asked for.
pub(super) fn refused(status: &Status) -> Failure {
    let cause = status.source().map(root_cause);
    let is_silence = |cause: &(dyn Error + 'static)| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        cause.is::<TimeoutExpired>() || kind == Some(io::ErrorKind::TimedOut)
    };
    if cause.is_some_and(is_silence) {
        return silent();
    }
    if cause.is_some_and(wants_certificate) {
        return Failure::failed(NO_CERTIFICATE);
    }
    let details = status.get_error_details();
    let reason = details
        .error_info()
        .map(|info| format!(" ({})", clean(&info.reason)));
    let message = clean(status.message());
    let (violations, has_more) = violations(status);
    // The message has them as well, one behind the other.
    let message = match violations.len() {
        ..2 => message,
        many if has_more => format!("over {many} fields are wrong"),
        many => format!("{many} fields are wrong"),
    };
    let mut failure = Failure::failed(format!(
        "{}{}: {message}",
        code_name(status.code()),
        reason.unwrap_or_default(),
    ));
    for violation in violations {
        if !failure.message.contains(&violation) {
            failure = failure.with_line(violation);
        }
    }
    if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
        failure = failure.with_line(format!("retry in {}", about(delay)));
    }
    if let Some(cause) = status.source().map(root_cause) {
        failure = failure.with_line(format!("cause: {}", clean(&cause.to_string())));
        // A server sends no cause, so the connection itself broke, and mostly at the first call.
        if matches!(
            status.code(),
            Code::Unknown | Code::Cancelled | Code::Internal
        ) {
            failure = failure.with_line(format!(
                "what listens there may be no gRPC server, may want another certificate (--client-cert), or \
                 has just stopped; {ASK_WHERE}"
            ));
        }
    }
    let id = status
        .metadata()
        .get("x-request-id")
        .and_then(|id| id.to_str().ok());
    match id {
        Some(id) => failure.with_line(format!("request id: {}", clean(id))),
        None => failure,
    }
}

/// What is wrong with which field, and whether the server found more than it tells.
pub(super) fn violations(status: &Status) -> (Vec<String>, bool) {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| &bad.field_violations[..]);
    let told = violations.unwrap_or_default().iter();
    let told = told.map(|told| format!("{}: {}", clean(&told.field), clean(&told.description)));
    (told.collect(), status.message().ends_with(" more"))
}

/// What to look at when somebody else answers.
const ASK_WHERE: &str = "is it the right HOST:PORT, and is http:// or https:// right?";

const NO_CERTIFICATE: &str =
    "the server lets in callers with a certificate only: give --client-cert and --client-key";

/// Whether the server ended TLS for want of a certificate. HTTP/2 keeps only the text of what TLS said.
fn wants_certificate(error: &(dyn Error + 'static)) -> bool {
    error.to_string().contains("CertificateRequired")
}

/// Whether what answered does not speak TLS at all.
fn is_no_tls(error: &(dyn Error + 'static)) -> bool {
    let error = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    let error = error.and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidMessage(_)))
}

fn unanswered(config: &ClientConfig) -> Failure {
    let (addr, timeout) = (&config.addr, config.timeout);
    Failure::failed(format!(
        "{addr} did not answer within {timeout:?}; --timeout grants more"
    ))
}

fn unreachable_server(config: &ClientConfig, error: &(dyn Error + 'static)) -> Failure {
    let addr = &config.addr;
    let cause = root_cause(error);
    let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    Failure::failed(match kind {
        Some(io::ErrorKind::ConnectionRefused) => format!(
            "nothing listens on {addr}: is the server running? Try `challenges-catalog serve`, \
             or name another server with --addr"
        ),
        Some(io::ErrorKind::TimedOut) => return unanswered(config),
        Some(io::ErrorKind::InvalidData) if is_no_tls(cause) => {
            format!("{addr} answers, but not as a gRPC server with TLS; {ASK_WHERE}")
        }
        Some(_) | None if wants_certificate(cause) => NO_CERTIFICATE.to_owned(),
        // What rustls says of a certificate.
        Some(io::ErrorKind::InvalidData) if addr.starts_with("https://") => format!(
            "cannot trust {addr}: {cause}; --tls-ca names the authority, and http:// does without"
        ),
        _ => format!("cannot reach {addr}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_refusal_shows_code_reason_fields_and_request_id() {
        let mut details = ErrorDetails::with_bad_request_violation("page_size", "must be 1 to 100");
        details.set_error_info("INVALID_FIELDS", "challenges-catalog", []);
        let mut status =
            Status::with_error_details(Code::InvalidArgument, "page_size: no\u{1b}", details);
        status
            .metadata_mut()
            .insert("x-request-id", "abc".parse().unwrap());
        assert_eq!(
            refused(&status).message,
            "INVALID_ARGUMENT (INVALID_FIELDS): page_size: no\\u{1b}\n  page_size: must be 1 to 100\n  \
             request id: abc"
        );
    }

    #[test]
    fn a_token_goes_with_every_call_and_is_not_logged() {
        let config = ClientConfig {
            addr: "http://127.0.0.1:1".to_owned(),
            timeout: Duration::from_secs(5),
            token: Some("S3CR3T".into()),
            tls_ca: None,
            identity: None,
            warnings: Vec::new(),
        };
        for request in [request(&config, ()), streamed(&config, ())] {
            assert_eq!(
                request.metadata().get("authorization").unwrap(),
                "Bearer S3CR3T"
            );
            assert!(!format!("{request:?}").contains("S3CR3T"));
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_said_with_what_to_try() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let config = ClientConfig {
            addr: format!("http://{free}"),
            timeout: Duration::from_secs(5),
            token: None,
            tls_ca: None,
            identity: None,
            warnings: Vec::new(),
        };
        let failure = connect(&config).await.unwrap_err();
        assert!(
            failure.message.contains("challenges-catalog serve"),
            "{failure:?}"
        );
    }
}
