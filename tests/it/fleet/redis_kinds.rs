//! Redis as operators run it: watched by sentinels, under TLS, and with a user that may do no more than it must.
use std::{collections::BTreeSet, fs, path::Path};

use bb8_redis::redis::{Value, cmd};
use challenges_catalog::pb::catalog::v1::Difficulty;
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::{
    support::{
        fleet::{Fleet, list},
        process::{self, PATIENCE},
        program,
        redis::{self, Redis, SERVICE, Sentinel},
        replica::Replica,
        wait::eventually,
    },
    tips::{
        provider::{ordering_at, quick},
        wire_stream::{OTHERS, hear, question, question_about},
    },
};

/// A password that is in no text of ours.
const PASSWORD: &str = "sesame";
/// Every read asks Redis.
pub const NO_NEAR_CACHE: (&str, &str) = ("CATALOG_NEAR_CACHE", "false");
/// Long enough for a machine that has much else to do.
pub const TIMEOUT: (&str, &str) = ("CATALOG_REDIS_TIMEOUT", "500ms");

pub async fn read(replica: &Replica, page_size: i32) {
    list(replica, Difficulty::Advanced, page_size)
        .await
        .unwrap();
}

pub fn has(redis: &Redis, page_size: i32) -> bool {
    has_in(redis, 0, page_size)
}

fn has_in(redis: &Redis, database: u8, page_size: i32) -> bool {
    let pattern = format!("catalog:*:list:advanced:{page_size}}}");
    let script = "redis.call('SELECT', ARGV[1]) return redis.call('KEYS', ARGV[2])";
    let keys: Vec<String> = redis.ask(cmd("EVAL").arg(&[script, "0"]).arg(database).arg(pattern));
    !keys.is_empty()
}

/// Reads until an entry of this size is in Redis.
pub async fn comes_to(redis: &Redis, replica: &Replica, page_size: i32) {
    eventually("an entry is in Redis", PATIENCE, async || {
        read(replica, page_size).await;
        has(redis, page_size)
    })
    .await;
}

#[tokio::test]
async fn a_failover_by_sentinels_is_followed() {
    let primary = redis::start();
    let port = primary.port().to_string();
    let standby = redis::start_with(&["--replicaof", "127.0.0.1", &port]);
    let sentinel = Sentinel::watching(primary.port(), &format!("requirepass {PASSWORD}"));
    eventually("the sentinel knows the standby", PATIENCE, async || {
        sentinel.log().contains("+slave slave")
    })
    .await;
    let url = format!(
        "redis-sentinel://127.0.0.1:{}/{SERVICE}?sentinel_password={PASSWORD}",
        sentinel.port()
    );
    let fleet = Fleet::start_with(1, &[NO_NEAR_CACHE, TIMEOUT, ("REDIS_URL", &url)]).await;
    let replica = &fleet.replicas[0];
    comes_to(&primary, replica, 20).await;
    primary.kill();
    // Whoever is promoted ends the connections of its clients.
    eventually("the standby takes over", PATIENCE, async || {
        let told = standby.try_ask::<String>(cmd("INFO").arg("replication"));
        told.is_ok_and(|told| told.contains("role:master"))
    })
    .await;
    comes_to(&standby, replica, 40).await;
}

/// What a server needs to speak TLS on this port.
fn tls(folder: &Path, port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    [
        ("--tls-port", port.to_string()),
        ("--tls-cert-file", file("cert.pem")),
        ("--tls-key-file", file("key.pem")),
        ("--tls-ca-cert-file", file("cert.pem")),
        ("--tls-auth-clients", "no".to_owned()),
    ]
    .into_iter()
    .flat_map(|(name, value)| [name.to_owned(), value])
    .collect()
}

#[tokio::test]
async fn without_sentinels_the_primary_that_they_named_is_used_on() {
    let primary = redis::start();
    let sentinel = Sentinel::watching(primary.port(), "");
    let url = format!("redis-sentinel://127.0.0.1:{}/{SERVICE}", sentinel.port());
    let fleet = Fleet::start_with(1, &[NO_NEAR_CACHE, TIMEOUT, ("REDIS_URL", &url)]).await;
    let replica = &fleet.replicas[0];
    comes_to(&primary, replica, 20).await;
    drop(sentinel);
    primary.ask::<i64>(cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]));
    comes_to(&primary, replica, 40).await;
}

#[tokio::test]
async fn servers_and_sentinels_may_be_certified_by_an_authority_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let authority = folder.path().join("cert.pem");
    fs::write(&authority, cert.pem()).unwrap();
    fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    let tls_port = process::free_port();
    let arguments = tls(folder.path(), tls_port);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let redis = redis::start_with(&arguments);

    let sentinel_port = process::free_port();
    let mut settings = tls(folder.path(), sentinel_port)
        .chunks(2)
        .map(|setting| setting.join(" ").replacen("--", "", 1))
        .collect::<Vec<_>>();
    settings.push("tls-replication yes".to_owned());
    let _sentinel = Sentinel::watching(tls_port, &settings.join("\n"));

    let authority = authority.display().to_string();
    for (url, page_size) in [
        (format!("rediss://127.0.0.1:{tls_port}"), 20),
        (
            format!("rediss-sentinel://127.0.0.1:{sentinel_port}/{SERVICE}"),
            40,
        ),
    ] {
        let settings = [
            NO_NEAR_CACHE,
            TIMEOUT,
            ("REDIS_URL", url.as_str()),
            ("REDIS_TLS_CA", &authority),
        ];
        let fleet = Fleet::start_with(1, &settings).await;
        comes_to(&redis, &fleet.replicas[0], page_size).await;
    }
    let url = format!("rediss://127.0.0.1:{tls_port}");
    let fleet = Fleet::start_with(1, &[NO_NEAR_CACHE, TIMEOUT, ("REDIS_URL", &url)]).await;
    let replica = &fleet.replicas[0];
    eventually(
        "without it, the log tells the cause",
        PATIENCE,
        async || {
            read(replica, 60).await;
            let log = replica.log();
            log.contains("shared cache does not answer") && log.contains("certificate")
        },
    )
    .await;
}

/// Lets a user of these rights in, whom `config redis-acl` describes for `url`.
async fn admit(redis: &Redis, url: &str) {
    let environment = [("REDIS_URL", url.to_owned())];
    let rules = program::run_well(&["config", "redis-acl"], &environment).await;
    let password = format!(">{PASSWORD}");
    let mut command = cmd("ACL");
    command.arg(&["SETUSER", "catalog", "on", &password]);
    command.arg(rules.split_whitespace().collect::<Vec<_>>());
    redis.ask::<()>(&command);
    redis.ask::<()>(cmd("ACL").arg(&["LOG", "RESET"]));
}

/// Lists are loaded and found, tips written, followed and found again, limits and budgets kept, and
/// nothing that was tried is denied.
async fn nothing_is_denied(servers: &[&Redis], url: &str, database: u8) {
    for redis in servers {
        admit(redis, url).await;
    }
    let provider = quick().await;
    let provider_url = provider.url();
    let mut settings = ordering_at(&provider_url);
    settings.extend([("REDIS_URL", url), ("CATALOG_TIP_DAILY_BUDGET", "10000000")]);
    let fleet = Fleet::start_each(&[settings.clone(), settings]).await;
    let [first, second] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    for replica in [first, second] {
        read(replica, 20).await;
        hear(replica, question()).await;
    }
    for challenge in OTHERS {
        let both = [first, second].map(|replica| hear(replica, question_about(challenge)));
        futures_util::future::join_all(both).await;
    }
    eventually("entries are in Redis", PATIENCE, async || {
        read(first, 30).await;
        servers.iter().any(|redis| has_in(redis, database, 30))
    })
    .await;
    first.sigterm_and_wait().await;
    for redis in servers {
        let denied: Value = redis.ask(cmd("ACL").arg("LOG"));
        assert_eq!(denied, Value::Array(vec![]));
    }
    for replica in [first, second] {
        let log = replica.log();
        assert!(
            !log.contains("NOPERM") && !log.contains("\"component\":\"redis\""),
            "{log}"
        );
    }
}

#[tokio::test]
async fn the_printed_rights_are_enough_for_a_server() {
    for (database, path) in [(0, ""), (2, "/2")] {
        let redis = redis::start();
        let port = redis.port();
        let url = format!("redis://catalog:{PASSWORD}@127.0.0.1:{port}{path}");
        nothing_is_denied(&[&redis], &url, database).await;
    }
}

#[tokio::test]
async fn the_printed_rights_are_enough_for_a_cluster() {
    let cluster = redis::cluster();
    let nodes = cluster.nodes.each_ref();
    let url = cluster
        .url()
        .replace("://", &format!("://catalog:{PASSWORD}@"));
    nothing_is_denied(&nodes, &url, 0).await;
}

#[tokio::test]
async fn the_printed_rights_are_enough_for_servers_behind_sentinels() {
    let redis = redis::start();
    let sentinel = Sentinel::watching(redis.port(), "");
    let url = format!(
        "redis-sentinel://catalog:{PASSWORD}@127.0.0.1:{}/{SERVICE}",
        sentinel.port()
    );
    nothing_is_denied(&[&redis], &url, 0).await;
}

/// Every command in `code` that is named by the word before it.
fn commands<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = String> + 'a {
    code.split(word).skip(1).filter_map(|rest| {
        let name = rest.split(['\'', '"']).next()?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase());
        is_name.then(|| name.to_ascii_lowercase())
    })
}

/// Every command that scripts and code name.
fn named(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                return named(&path);
            }
            let code = fs::read_to_string(&path).unwrap_or_default();
            let words = [
                "redis.call('",
                "redis.pcall('",
                "cmd(\"",
                "::cmd(\"",
                ".read(\"",
                ".write(\"",
            ];
            words
                .iter()
                .flat_map(|word| commands(&code, word).collect::<Vec<_>>())
                .collect()
        })
        .collect()
}

#[test]
fn the_printed_rights_are_those_that_the_code_needs_and_no_others() {
    let rules = challenges_catalog::redis::acl_rules(false, false, false);
    let granted: BTreeSet<_> = rules
        .split_whitespace()
        .filter_map(|rule| rule.strip_prefix('+').map(str::to_owned))
        .collect();
    let mut needed = named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    // What the client's library and the arguments of scripts name.
    needed.extend(["eval", "evalsha", "publish", "subscribe", "unsubscribe"].map(str::to_owned));
    assert_eq!(granted, needed);
}
