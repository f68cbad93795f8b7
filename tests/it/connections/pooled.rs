//! `PgBouncer` between the service and its database, in both modes, with its defaults.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::Difficulty;

use super::scene::{SOON, Scene};
use crate::{
    editing::client::{challenge, client, create, delete, id, update, updating},
    support::{
        fleet::{self, list},
        pgbouncer::PgBouncer,
        postgres::{self, Database, Postgres},
        program,
        proxy::{Mode, Proxy},
        replica::Replica,
    },
};

struct Pooled {
    scene: Scene,
    pooler: PgBouncer,
}

impl Pooled {
    async fn start(mode: &str) -> Self {
        let (server, database, pooler) = pooled(mode).await;
        let proxy = Proxy::to(pooler.port()).await;
        let settings = [
            ("DATABASE_URL", database.url_via(proxy.port())),
            ("CATALOG_LOG", "info".to_owned()),
        ];
        let replica = Replica::start(&settings).await;
        let scene = Scene {
            replica,
            proxy,
            database,
            server,
            soon: SOON,
        };
        Self { scene, pooler }
    }
}

async fn pooled(mode: &str) -> (Postgres, Database, PgBouncer) {
    let server = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let pooler = PgBouncer::before(server.port(), mode);
    (server, database, pooler)
}

async fn reads_and_edits_pass(mode: &str) -> Pooled {
    let pooled = Pooled::start(mode).await;
    let scene = &pooled.scene;
    scene.shows_a_commit("by plain SQL").await;
    let mut editor = client(&scene.replica).await;
    for number in 1..5 {
        create(&mut editor, challenge(number, "new")).await.unwrap();
        let changed = updating(challenge(number, "changed"));
        update(&mut editor, changed).await.unwrap();
        delete(&mut editor, &id(number)).await.unwrap();
    }
    // Misses, more of them at a time than a pooler has sessions to lend.
    let cold = (1..20).map(|size| list(&scene.replica, Difficulty::Advanced, size));
    for answer in futures_util::future::join_all(cold).await {
        answer.unwrap();
    }
    pooled
}

#[tokio::test]
async fn a_replica_works_through_a_pooler_in_session_mode() {
    reads_and_edits_pass("session").await;
}

#[tokio::test]
async fn a_replica_works_through_a_pooler_in_transaction_mode_and_says_so() {
    let pooled = reads_and_edits_pass("transaction").await;
    let log = pooled.scene.replica.log();
    let told = log
        .lines()
        .filter(|line| line.contains("a pooler in transaction mode"));
    assert_eq!(told.count(), 1, "{log}");
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_may_be_100_ms_away() {
    let mut pooled = Pooled::start("transaction").await;
    let there = Duration::from_millis(50);
    pooled.scene.proxy.set(Mode::Delay(there)).await;
    pooled.scene.shows_a_commit("far").await;
}

#[tokio::test]
async fn nothing_stays_behind_on_the_sessions_of_a_pooler_in_transaction_mode() {
    let pooled = reads_and_edits_pass("transaction").await;
    let database = &pooled.scene.database;
    let listeners = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    assert_eq!(database.query_i64(listeners).await, 0);
    // Somebody else, who is lent each of its sessions in turn.
    let theirs = database.url_via(pooled.pooler.port());
    let mut sessions = Vec::new();
    for _ in 0..8 {
        let mut session = <sqlx::PgConnection as sqlx::Connection>::connect_with(
            &theirs
                .parse::<sqlx::postgres::PgConnectOptions>()
                .unwrap()
                .extra_float_digits(None),
        )
        .await
        .unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut session).await.unwrap();
        let left = "SELECT (SELECT count(*) FROM pg_prepared_statements)::text || ' ' ||
            current_setting('statement_timeout') || ' ' || current_setting('search_path') AS left";
        let row = sqlx::raw_sql(left).fetch_one(&mut session).await.unwrap();
        let left: String = sqlx::Row::get(&row, "left");
        assert_eq!(left, "0 0 \"$user\", public");
        sessions.push(session);
    }
}

#[tokio::test]
async fn commands_that_need_a_session_of_their_own_refuse_a_pooler_in_transaction_mode() {
    let (_server, database, pooler) = pooled("transaction").await;
    let through = [("DATABASE_URL", database.url_via(pooler.port()))];
    for command in [&["migrate", "up"][..], &["migrate", "status"], &["verify"]] {
        let refused = program::run(command, &through).await;
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{command:?}");
        assert!(words.contains("one of their own"), "{command:?}: {words}");
    }
}

#[tokio::test]
async fn commands_pass_a_pooler_in_session_mode() {
    let (_server, database, pooler) = pooled("session").await;
    let through = [("DATABASE_URL", database.url_via(pooler.port()))];
    for command in [&["migrate", "up"][..], &["migrate", "status"], &["verify"]] {
        program::run_well(command, &through).await;
    }
}

#[tokio::test]
async fn an_address_says_itself_that_a_pooler_is_in_transaction_mode() {
    let (_server, database, _pooler) = pooled("session").await;
    // With no pooler in between: nobody could find it out.
    let said = [("DATABASE_URL", database.url() + "?pgbouncer=true")];
    let refused = program::run(&["verify"], &said).await;
    assert!(!refused.status.success());
    let replica = Replica::start(&said).await;
    list(&replica, Difficulty::Beginner, 20).await.unwrap();
}
