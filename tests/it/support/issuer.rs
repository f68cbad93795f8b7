//! An issuer of tokens, as `OpenID` Connect has them: a discovery document, keys, and tokens that it signs.
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::LOCATION};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Well,
    /// With an error of its own.
    Broken,
    /// With its keys, a while after they were asked for.
    Slow,
    /// Not at all.
    Silent,
    /// With the address of somebody else.
    Redirecting,
    /// With ten megabytes.
    Huge,
}

/// An issuer, on this machine and without TLS.
pub struct Issuer {
    url: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    manner: Mutex<Manner>,
    keys: Mutex<Vec<(String, EcdsaKeyPair)>>,
    /// How often keys were asked for.
    fetches: AtomicUsize,
}

impl Issuer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            manner: Mutex::new(Manner::Well),
            keys: Mutex::default(),
            fetches: AtomicUsize::new(0),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, url.clone(), Arc::clone(&shared)));
        let issuer = Self {
            url,
            shared,
            _server: server,
        };
        issuer.rotate("first");
        issuer
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    pub fn fetches(&self) -> usize {
        self.shared.fetches.load(SeqCst)
    }

    /// Has a new key of this id, beside those before.
    pub fn rotate(&self, kid: &str) {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        self.shared
            .keys
            .lock()
            .unwrap()
            .push((kid.to_owned(), pair));
    }

    /// The claims of a token for `audience`, valid for an hour.
    pub fn claims(&self, subject: &str, audience: &str) -> Value {
        let now = now_seconds();
        json!({"iss": self.url, "sub": subject, "aud": [audience], "exp": now + 3_600, "nbf": now - 10})
    }

    /// A token with these claims, signed with the newest key.
    pub fn token(&self, claims: &Value) -> String {
        let keys = self.shared.keys.lock().unwrap();
        let (kid, pair) = keys.last().unwrap();
        let signed = parts(&json!({"alg": "ES256", "typ": "JWT", "kid": kid}), claims);
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature.as_ref()))
    }

    /// The public key, as bytes.
    pub fn public_key(&self) -> Vec<u8> {
        let keys = self.shared.keys.lock().unwrap();
        keys.last().unwrap().1.public_key().as_ref().to_vec()
    }
}

pub fn now_seconds() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "claims have the time of the wall"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Header and claims, as they are signed.
pub fn parts(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        encoded(header.to_string().as_bytes()),
        encoded(claims.to_string().as_bytes())
    )
}

pub fn encoded(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

async fn serve(listener: TcpListener, url: String, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (url, shared) = (url.clone(), Arc::clone(&shared));
        let service = service_fn(move |request| answer(request, url.clone(), Arc::clone(&shared)));
        connections.spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    url: String,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_keys = request.uri().path() == "/keys";
    if is_keys {
        shared.fetches.fetch_add(1, SeqCst);
    }
    let manner = *shared.manner.lock().unwrap();
    if is_keys && manner == Manner::Slow {
        sleep(Duration::from_millis(300)).await;
    }
    let text = match manner {
        Manner::Well | Manner::Slow if is_keys => keys(&shared).to_string(),
        Manner::Well | Manner::Slow => {
            json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string()
        }
        Manner::Silent => {
            sleep(Duration::from_mins(10)).await;
            String::new()
        }
        Manner::Broken | Manner::Redirecting => String::new(),
        Manner::Huge => " ".repeat(10 << 20),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    match manner {
        Manner::Broken => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        Manner::Redirecting => {
            *response.status_mut() = StatusCode::FOUND;
            let elsewhere = format!("{url}/elsewhere").parse().unwrap();
            response.headers_mut().insert(LOCATION, elsewhere);
        }
        Manner::Well | Manner::Slow | Manner::Silent | Manner::Huge => {}
    }
    Ok(response)
}

fn keys(shared: &Shared) -> Value {
    let keys = shared.keys.lock().unwrap();
    let keys = keys.iter().map(|(kid, pair)| {
        let public = pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
            "x": encoded(&public[1..33]), "y": encoded(&public[33..65]),
        })
    });
    json!({"keys": keys.collect::<Vec<_>>()})
}
