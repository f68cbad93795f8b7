//! A server's dependencies, and every secret that it has with them or is sent.
use std::{fs, net::SocketAddr};

use base64::{Engine, prelude::BASE64_STANDARD};
use bb8_redis::redis::cmd;
use challenges_catalog::config::{CLIENT_SETTINGS, SETTINGS, Setting};
use serde_json::json;

use super::marks::Marks;
use crate::{
    access::scene::{self, token_entry},
    fleet::redis_credentials::{self, start},
    llm::fixture::answer,
    support::{
        fleet,
        issuer::{Issuer, Manner, parts},
        postgres::{self, Database, GUARDED_PASSWORD, Postgres},
        process,
        redis::Redis,
        scripted::{Act, Scripted},
    },
    tips::provider::{piece, silence},
};

/// The role of the database that logs in with a password.
pub const GUARDED: &str = "guarded";
/// What is quiet by default is not, either.
const LOUD: &str = "trace,redis=trace,sqlx_core::pool::inner=trace,sqlx::pool::acquire=trace,\
                    sqlx::postgres::notice=trace,rustls=trace";

/// All that a server depends on, and every secret that it has with them.
pub struct Scene {
    pub marks: Marks,
    pub environment: Vec<(String, String)>,
    pub files: scene::Files,
    redis_files: redis_credentials::Files,
    pub postgres: Postgres,
    pub database: Database,
    pub redis: Redis,
    /// Where the pages for operators are: the log is too long to be searched for it.
    pub pages: SocketAddr,
    /// What callers send as `authorization`.
    pub headers: Vec<String>,
    /// That of an operator.
    pub operator: String,
    _issuers: [Issuer; 2],
    providers: [Scripted; 2],
}

/// Those that are given to a server: new ones too.
pub fn secret_settings() -> impl Iterator<Item = &'static Setting> {
    let all = SETTINGS.iter().chain(CLIENT_SETTINGS);
    all.filter(|setting| setting.secret)
}

/// A line of a private key that no other key has.
fn heart(pem: &str) -> &str {
    pem.lines().nth(2).unwrap()
}

impl Scene {
    pub async fn new() -> Self {
        let mut marks = Marks::default();
        let postgres = postgres::own_server();
        let database = postgres.fresh().await;
        fleet::migrate(&database).await;
        database.url_with_password(GUARDED_PASSWORD).await;
        let (redis_files, tls_port) = (redis_credentials::Files::new(), process::free_port());
        let redis = start(&redis_files.server(tls_port));
        let files = scene::Files::new();
        let issuers = [Issuer::start().await, Issuer::start().await];
        issuers[1].behave(Manner::Broken);
        let (headers, access) = callers(&mut marks, &files, &issuers);
        let (mut environment, mut given) = (Vec::new(), Vec::new());
        for setting in secret_settings() {
            let mark = marks.make(setting.env);
            given.push(mark.clone());
            // A secret that is no plain text needs a line here.
            let value = match setting.env {
                "DATABASE_URL" => {
                    change_password(&database, &mark).await;
                    let at = format!("127.0.0.1:{}/{}", database.port(), database.name());
                    format!("postgres://{GUARDED}:{mark}@{at}")
                }
                "REDIS_URL" => {
                    admit(&redis, &mark);
                    format!("rediss://catalog:{mark}@127.0.0.1:{tls_port}")
                }
                name if name.ends_with("_HEADERS") => format!("x-gateway: {mark}"),
                _ => mark,
            };
            // Files are read again when a server refuses what was in them.
            if setting.env.ends_with("_URL") {
                files.write(setting.env, &value);
                environment.push((setting.env_file().unwrap(), files.path(setting.env)));
            } else {
                environment.push((setting.env.to_owned(), value));
            }
        }
        let providers = providers(&given).await;
        for (what, file) in [
            ("the key of the server", files.path("server.key")),
            ("the key for Redis", redis_files.path("client.key")),
        ] {
            marks.know(what, heart(&fs::read_to_string(file).unwrap()));
        }
        let mut scene = Self {
            marks,
            environment,
            files,
            redis_files,
            postgres,
            database,
            redis,
            pages: ([127, 0, 0, 1], process::free_port()).into(),
            operator: headers[2].clone(),
            headers,
            _issuers: issuers,
            providers,
        };
        scene.complete(&access);
        scene
    }

    /// The settings that are no secrets, and those that name files with some.
    fn complete(&mut self, access: &str) {
        let [anthropic, openai] = self.providers.each_ref().map(Scripted::url);
        let mut settings = self.files.tls();
        settings.push(self.files.access(access));
        settings.extend(self.redis_files.client("").into_iter().skip(1));
        settings.extend([
            ("CATALOG_OPS_ADDR", self.pages.to_string()),
            ("ANTHROPIC_BASE_URL", anthropic),
            ("CATALOG_OPENAI_BASE_URL", openai),
            ("CATALOG_OPENAI_MODEL", "model-1".to_owned()),
            // It cannot be reached, which is told in the log.
            ("CATALOG_EDGE_PURGE", "fastly".to_owned()),
            ("CATALOG_EDGE_PURGE_URL", "http://127.0.0.1:9".to_owned()),
            ("CATALOG_EDGE_PURGE_SERVICE", "service-1".to_owned()),
            ("CATALOG_EDGE_PURGE_ON", "commits".to_owned()),
            ("CATALOG_EDGE_URL", "http://127.0.0.1:9".to_owned()),
            // Every read asks Redis.
            ("CATALOG_NEAR_CACHE", "false".to_owned()),
            ("CATALOG_REDIS_TIMEOUT", "500ms".to_owned()),
            ("CATALOG_LOG", LOUD.to_owned()),
            ("CATALOG_LOG_FORMAT", "json".to_owned()),
        ]);
        let settings = settings.into_iter();
        self.environment
            .extend(settings.map(|(name, value)| (name.to_owned(), value)));
    }

    pub fn environment(&self) -> Vec<(&str, String)> {
        let pairs = self.environment.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect()
    }
}

pub async fn change_password(database: &Database, password: &str) {
    let change = format!("ALTER ROLE {GUARDED} PASSWORD '{password}'");
    database.execute(&change).await;
}

/// Lets the user in with this password alone.
pub fn admit(redis: &Redis, password: &str) {
    let rule = format!(">{password}");
    let user = [
        "SETUSER",
        "catalog",
        "on",
        "resetpass",
        &rule,
        "~*",
        "&*",
        "+@all",
    ];
    redis.ask::<()>(cmd("ACL").arg(&user));
}

/// One provider that repeats what it was sent, as some do, and one that breaks off.
async fn providers(given: &[String]) -> [Scripted; 2] {
    let told = format!("wrong: {}", given.join(" "));
    let error =
        json!({"type": "error", "error": {"type": "authentication_error", "message": told}});
    let headers = format!("content-type: application/json\r\nx-given: {told}\r\n");
    let refusing = vec![answer("401 Unauthorized", &headers, error.to_string())];
    let breaking_off = vec![silence(), piece("Geh "), Act::Reset];
    [
        Scripted::playing(refusing).await,
        Scripted::playing(breaking_off).await,
    ]
}

/// What callers send, the tokens of the three roles first; and the access file that knows some of it.
fn callers(
    marks: &mut Marks,
    files: &scene::Files,
    issuers: &[Issuer; 2],
) -> (Vec<String>, String) {
    let (mut headers, mut access) = (Vec::new(), String::new());
    for role in ["viewer", "editor", "operator"] {
        let token = marks.make(&format!("the token of the {role}"));
        let entry = token_entry(role, &token, role, "");
        marks.know("the hash of a token", entry.split('"').nth(3).unwrap());
        headers.push(format!("Bearer {token}"));
        access += &entry;
    }
    let fetching = marks.make("the token that fetches keys");
    files.write("issuer.token", &fetching);
    for issuer in issuers {
        let entry = format!(
            "[[issuer]]\nurl = \"{}\"\naudience = \"catalog\"\nalgorithms = [\"ES256\"]\ntoken_file = \"{}\"\n\
             [[issuer.grant]]\nclaim = \"sub\"\nvalue = \"shop\"\nrole = \"viewer\"\n",
            issuer.url(),
            files.path("issuer.token"),
        );
        access += &entry;
        let token = issuer.token(&issuer.claims("shop", "catalog"));
        let (_, signature) = token.rsplit_once('.').unwrap();
        marks.know("a signature", signature);
        headers.push(format!("Bearer {token}"));
    }
    let strange = parts(&json!({"alg": "ES256"}), &json!({"iss": "http://a"}));
    let unknown = marks.make("an unknown token");
    let login = BASE64_STANDARD.encode(format!("user:{unknown}"));
    headers.extend([
        format!("Bearer {unknown}"),
        format!("Bearer {unknown} {unknown}"),
        format!("Bearer {strange}.{unknown}"),
        format!("Basic {login}"),
        unknown,
    ]);
    (headers, access)
}
