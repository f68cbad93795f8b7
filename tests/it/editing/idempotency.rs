//! A call that its caller named is carried out once, however often it is made.
use std::time::Duration;

use challenges_catalog::pb::admin::v1 as pb;
use tonic::Code;

use super::client::{
    Client, SEEDED, challenge, client, creating, history, id, import, rows, update, updating,
};
use crate::support::{
    fleet::{Fleet, migrate},
    postgres,
    proxy::Proxy,
    refusal::{Refusal, refusal},
    replica::Replica,
    wait::eventually,
};

/// Whoever holds this advisory lock stops commits of the table that waits for it.
const GATE: i64 = 7;

fn named(name: &str, challenge: pb::EditedChallenge) -> pb::CreateChallengeRequest {
    pb::CreateChallengeRequest {
        request_id: name.to_owned(),
        ..creating(challenge)
    }
}

async fn created(
    client: &mut Client,
    request: pb::CreateChallengeRequest,
) -> pb::CreateChallengeResponse {
    client.create_challenge(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_create_that_is_repeated_adds_one_challenge_and_has_one_version() {
    let fleet = Fleet::start(2).await;
    let anonymous = pb::EditedChallenge {
        id: String::new(),
        ..challenge(1, "One")
    };
    let mut first = client(&fleet.replicas[0]).await;
    let mut second = client(&fleet.replicas[1]).await;
    let made = created(&mut first, named("a", anonymous.clone())).await;
    let again = created(&mut second, named("a", anonymous.clone())).await;
    assert_eq!(again, made);
    let other = created(&mut second, named("b", anonymous)).await;
    assert_ne!(other.challenge.unwrap().id, made.challenge.unwrap().id);
    let count = "SELECT count(*) FROM approach_challenges WHERE title = 'One'";
    assert_eq!(fleet.database.query_i64(count).await, 2);
}

#[tokio::test]
async fn of_many_who_ask_the_same_at_once_one_changes_something() {
    let fleet = Fleet::start(2).await;
    let ask = async |replica: usize| {
        let mut client = client(&fleet.replicas[replica]).await;
        created(&mut client, named("a", challenge(1, "One"))).await
    };
    let (a, b, c, d) = tokio::join!(ask(0), ask(1), ask(0), ask(1));
    assert!(b == a && c == a && d == a);
    assert_eq!(
        history(&mut client(&fleet.replicas[0]).await, &id(1))
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn a_name_that_comes_with_something_else_is_refused() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    created(&mut client, named("a", challenge(1, "One"))).await;
    let reused = || Refusal::new(Code::InvalidArgument, "REQUEST_ID_REUSED", &[]);
    let other = client
        .create_challenge(named("a", challenge(1, "Two")))
        .await;
    assert_eq!(refusal(other), reused());
    let request = pb::UpdateChallengeRequest {
        request_id: "a".to_owned(),
        ..updating(challenge(1, "One"))
    };
    assert_eq!(refusal(update(&mut client, request).await), reused());
    let options = pb::ImportOptions {
        request_id: "a".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        refusal(import(&mut client, options, rows(2..4)).await),
        reused()
    );
    assert_eq!(history(&mut client, &id(2)).await.len(), 0);
}

#[tokio::test]
async fn a_delete_an_update_and_an_import_are_carried_out_once_too() {
    let fleet = Fleet::start(1).await;
    let mut client = client(&fleet.replicas[0]).await;
    let options = pb::ImportOptions {
        request_id: "import".to_owned(),
        ..Default::default()
    };
    let first = import(&mut client, options.clone(), rows(1..4))
        .await
        .unwrap();
    let again = import(&mut client, options, rows(1..4)).await.unwrap();
    assert_eq!((again.created, &again.version), (3, &first.version));
    assert!(again.outcomes.is_empty());
    let request = pb::UpdateChallengeRequest {
        request_id: "update".to_owned(),
        ..updating(challenge(1, "New"))
    };
    let first = update(&mut client, request.clone()).await.unwrap();
    update(&mut client, updating(challenge(1, "Newer")))
        .await
        .unwrap();
    let again = update(&mut client, request).await.unwrap();
    assert_eq!(again.version, first.version);
    assert_eq!(again.challenge.unwrap().title, "Newer", "as it is now");
    let request = pb::DeleteChallengeRequest {
        id: SEEDED.to_owned(),
        request_id: "delete".to_owned(),
        ..Default::default()
    };
    let first = client
        .delete_challenge(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = client.delete_challenge(request).await.unwrap().into_inner();
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_said_so_and_its_repeat_is_right() {
    let database = postgres::fresh().await;
    migrate(&database).await;
    let proxy = Proxy::to(database.port()).await;
    let environment = [("DATABASE_URL", database.url_via(proxy.port()))];
    let replica = Replica::start(&environment).await;
    let mut client = client(&replica).await;
    database.commits_wait_for(GATE, "approach_challenges").await;
    let mut seal = database.connect().await;
    let hold = sqlx::query("SELECT pg_advisory_lock($1)").bind(GATE);
    hold.execute(&mut seal).await.unwrap();
    let request = || named("once", challenge(1, "One"));
    let losing = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        eventually("it commits", Duration::from_secs(4), async || {
            database.query_i64(waiting).await == 1
        })
        .await;
        proxy.cut();
    };
    let (lost, ()) = tokio::join!(client.create_challenge(request()), losing);
    let unknown = Refusal::new(Code::Unavailable, "OUTCOME_UNKNOWN", &[]);
    assert_eq!(refusal(lost), unknown);
    let release = sqlx::query("SELECT pg_advisory_unlock($1)").bind(GATE);
    release.execute(&mut seal).await.unwrap();
    let made = created(&mut client, request()).await;
    assert_ne!(made.version, "");
    assert_eq!(history(&mut client, &id(1)).await.len(), 1);
}
