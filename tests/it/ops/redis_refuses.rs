//! A Redis that answers reads and refuses writes is logged, done without, and used again.
use bb8_redis::redis::cmd;
use challenges_catalog::pb::catalog::v1::Difficulty;

use super::scene::{OPS, get, metric, metrics, ops_addr};
use crate::support::{
    fleet::{self, Fleet, list},
    postgres,
    process::PATIENCE,
    proxy::Proxy,
    redis::{self, Redis},
    replica::Replica,
    wait::eventually,
};

pub const READ_BREAKER_OPEN: &str = "catalog_redis_breaker_open{use=\"cache\",kind=\"read\"}";
const WRITES_BYPASSED: &str = "catalog_redis_breaker_open{use=\"cache\",kind=\"write\"}";
pub const SHARED_HITS: &str = "catalog_cache_lookups_total{tier=\"shared\",result=\"hit\"}";
/// Every read asks Redis.
pub const NO_NEAR_CACHE: (&str, &str) = ("CATALOG_NEAR_CACHE", "false");
/// Long enough for a machine that has much else to do.
pub const TIMEOUT: (&str, &str) = ("CATALOG_REDIS_TIMEOUT", "500ms");

pub async fn read(replica: &Replica) {
    list(replica, Difficulty::Beginner, 20).await.unwrap();
}

pub async fn shows(replica: &Replica, name: &str) -> f64 {
    metric(&metrics(replica).await, name)
}

pub async fn probe_says(replica: &Replica, line: &str) -> bool {
    let told = get(ops_addr(replica), "/readyz?verbose").await.body;
    told.contains(line)
}

/// Gauge and health follow, the log has the `word` of the server, reads of Redis go on; and all is as
/// before once it takes writes again.
async fn is_told_and_endured(
    word: &str,
    refuse: impl FnOnce(&Redis),
    take_again: impl FnOnce(&Redis),
) {
    let fleet = Fleet::start_with(1, &[OPS, NO_NEAR_CACHE, TIMEOUT]).await;
    let replica = &fleet.replicas[0];
    eventually("the list is in Redis", PATIENCE, async || {
        read(replica).await;
        shows(replica, SHARED_HITS).await > 0.0
    })
    .await;

    refuse(&fleet.redis);
    eventually("it is told", PATIENCE, async || {
        read(replica).await;
        shows(replica, WRITES_BYPASSED).await > 0.0
            && probe_says(replica, "[-]dependency/redis failed").await
    })
    .await;
    let log = replica.log();
    let told = "shared cache cannot write to Redis";
    let mut lines = log.lines().filter(|line| line.contains(told));
    let line = lines.next().expect("the log tells it");
    assert!(line.contains(word), "{line}");
    assert_eq!(lines.next(), None, "once");
    eventually("what is there is still read", PATIENCE, async || {
        let hits = shows(replica, SHARED_HITS).await;
        read(replica).await;
        let page = metrics(replica).await;
        metric(&page, SHARED_HITS) > hits && metric(&page, READ_BREAKER_OPEN) < 1.0
    })
    .await;

    take_again(&fleet.redis);
    eventually("it is used again", PATIENCE, async || {
        shows(replica, WRITES_BYPASSED).await < 1.0
            && probe_says(replica, "[+]dependency/redis ok").await
    })
    .await;
    let log = replica.log();
    assert!(log.contains("shared cache can write to Redis again"));
}

#[tokio::test]
async fn a_redis_that_was_demoted_in_place() {
    let demote = |redis: &Redis| redis.ask::<()>(cmd("REPLICAOF").arg(&["127.0.0.1", "1"]));
    let promote = |redis: &Redis| redis.ask::<()>(cmd("REPLICAOF").arg(&["NO", "ONE"]));
    is_told_and_endured("READONLY", demote, promote).await;
}

#[tokio::test]
async fn a_redis_whose_memory_is_full() {
    let limit = |bytes: &'static str| {
        move |redis: &Redis| redis.ask::<()>(cmd("CONFIG").arg(&["SET", "maxmemory", bytes]))
    };
    is_told_and_endured("OOM", limit("1"), limit("0")).await;
}

#[tokio::test]
async fn a_redis_that_lacks_its_replicas() {
    let need = |count: &'static str| {
        move |redis: &Redis| {
            redis.ask::<()>(cmd("CONFIG").arg(&["SET", "min-replicas-to-write", count]));
        }
    };
    is_told_and_endured("NOREPLICAS", need("1"), need("0")).await;
}

#[tokio::test]
async fn a_redis_whose_dumps_fail() {
    is_told_and_endured("MISCONF", Redis::fail_dumps, Redis::forgo_dumps).await;
}

#[tokio::test]
async fn a_redis_whose_acl_forbids_scripts() {
    let rule = |rule: &'static str| {
        move |redis: &Redis| redis.ask::<()>(cmd("ACL").arg(&["SETUSER", "default", rule]))
    };
    is_told_and_endured("NOPERM", rule("-evalsha"), rule("+evalsha")).await;
}

/// The scripts run, and what they do is refused.
#[tokio::test]
async fn a_redis_whose_acl_forbids_what_scripts_do() {
    let rule = |rule: &'static str| {
        move |redis: &Redis| redis.ask::<()>(cmd("ACL").arg(&["SETUSER", "default", rule]))
    };
    is_told_and_endured("can't run this command", rule("-set"), rule("+set")).await;
}

#[tokio::test]
async fn a_redis_that_holds_writes_back() {
    let pause = |redis: &Redis| redis.ask::<()>(cmd("CLIENT").arg(&["PAUSE", "600000", "WRITE"]));
    let unpause = |redis: &Redis| redis.ask::<()>(cmd("CLIENT").arg("UNPAUSE"));
    is_told_and_endured("no answer within", pause, unpause).await;
}

/// As when an operator of Redis moves its name to the new primary, and the old one lives on.
#[tokio::test]
async fn a_demoted_redis_is_left_for_the_one_that_its_name_leads_to_now() {
    let (old, new) = (redis::start(), redis::start());
    let name = Proxy::to(old.port()).await;
    let url = format!("redis://127.0.0.1:{}", name.port());
    let fleet = Fleet::start_with(1, &[OPS, NO_NEAR_CACHE, TIMEOUT, ("REDIS_URL", &url)]).await;
    let replica = &fleet.replicas[0];
    read(replica).await;
    let new_port = new.port().to_string();
    name.lead_to(new.port());
    old.ask::<()>(cmd("REPLICAOF").arg(&["127.0.0.1", &new_port]));
    eventually("the new primary has the list", PATIENCE, async || {
        list(replica, Difficulty::Advanced, 20).await.unwrap();
        let keys: Vec<String> = new.ask(cmd("KEYS").arg("catalog:*:list:advanced:*}"));
        !keys.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_password_that_was_changed_is_read_again_from_its_file() {
    let (redis, database) = (redis::start(), postgres::fresh().await);
    fleet::migrate(&database).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redis");
    let change_to = |password: &str| {
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
        let url = format!("redis://catalog:{password}@127.0.0.1:{}", redis.port());
        std::fs::write(&file, url).unwrap();
    };
    change_to("before");
    let settings = [OPS, NO_NEAR_CACHE, TIMEOUT].map(|(name, value)| (name, value.to_owned()));
    let mut settings = settings.to_vec();
    settings.push(("DATABASE_URL", database.url()));
    settings.push(("REDIS_URL_FILE", file.display().to_string()));
    let replica = Replica::start(&settings).await;
    let found = async || {
        read(&replica).await;
        shows(&replica, SHARED_HITS).await
    };
    eventually("it is found in Redis", PATIENCE, async || {
        found().await > 0.0
    })
    .await;
    change_to("after");
    redis.ask::<i64>(cmd("CLIENT").arg(&["KILL", "USER", "catalog"]));
    let before = found().await;
    eventually("it is found again", PATIENCE, async || {
        found().await > before
    })
    .await;
}
