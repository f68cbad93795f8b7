//! Edits on a fleet: seen on every replica, by whatever role, and never at the cost of other tables.
use std::time::{Duration, Instant};

use challenges_catalog::pb::{admin::v1 as pb, catalog::v1::Difficulty};
use futures_util::StreamExt;
use tonic::Code;
use tonic_types::StatusExt;

use super::client::{
    SEEDED, challenge, client, create, delete, get, history, id, import, rows, update, updating,
};
use crate::support::{
    fleet::{Fleet, list},
    process::PATIENCE,
    refusal::{Refusal, refusal},
    wait::eventually,
};

#[tokio::test]
async fn an_import_of_ten_thousand_takes_seconds_and_shows_on_every_replica() {
    let fleet = Fleet::start(4).await;
    let mut client = client(&fleet.replicas[0]).await;
    let commits = "SELECT count(*) FROM challenges_catalog.commit_log";
    let before = fleet.database.query_i64(commits).await;
    let all = rows(1..10_001);
    let asked = Instant::now();
    let done = import(&mut client, pb::ImportOptions::default(), all)
        .await
        .unwrap();
    let took = asked.elapsed();
    assert_eq!((done.created, done.outcomes.len()), (10_000, 10_000));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(
        fleet.database.query_i64(commits).await,
        before + 1,
        "one commit"
    );
    for replica in &fleet.replicas {
        let last = get(replica, &id(10_000), &done.version).await.unwrap();
        assert_eq!(last.challenge.unwrap().title, "Number 10000");
        let beginners = list(replica, Difficulty::Beginner, 100).await.unwrap();
        assert_eq!(beginners.total_count, 10_006);
    }
    let staged = "SELECT count(*) FROM challenges_catalog.staged_challenges";
    assert_eq!(fleet.database.query_i64(staged).await, 0);
}

#[tokio::test]
async fn an_import_under_way_holds_up_no_other_writer() {
    let fleet = Fleet::start(1).await;
    let mut client = client(&fleet.replicas[0]).await;
    let mut some = super::client::import_of(pb::ImportOptions::default(), &rows(1..201), 100);
    some[0].options = Some(pb::ImportOptions {
        mode: pb::ImportMode::Upsert.into(),
        ..Default::default()
    });
    some[1].rows[0].challenge.as_mut().unwrap().id = SEEDED.to_owned();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let held = async move {
        receiver.await.ok();
        None
    };
    let held = futures_util::stream::once(held).filter_map(std::future::ready);
    let call = client.import_challenges(futures_util::stream::iter(some).chain(held));
    let others = async {
        let staged = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'idle in transaction'";
        crate::support::wait::eventually("it is under way", Duration::from_secs(5), async || {
            fleet.database.query_i64(staged).await == 1
        })
        .await;
        let edit = format!(
            "SET lock_timeout = '1s';
            UPDATE approach_challenges SET title = 'Meanwhile' WHERE id = '{SEEDED}'"
        );
        fleet.database.execute(&edit).await;
        sender.send(()).unwrap();
    };
    let (done, ()) = tokio::join!(call, others);
    assert_eq!(done.unwrap().into_inner().updated, 1);
}

#[tokio::test]
async fn a_challenge_that_other_tables_refer_to_stays_and_the_table_is_named() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    let mut client = client(replica).await;
    for reference in [
        "REFERENCES approach_challenges",
        "REFERENCES approach_challenges ON DELETE CASCADE",
        "REFERENCES approach_challenges ON DELETE SET NULL",
        "REFERENCES approach_challenges DEFERRABLE INITIALLY DEFERRED",
    ] {
        let table = format!(
            "DROP TABLE IF EXISTS done_by_users;
            CREATE TABLE done_by_users (who text, challenge uuid {reference});
            INSERT INTO done_by_users VALUES ('ann', '{SEEDED}')"
        );
        fleet.database.execute(&table).await;
        let status = delete(&mut client, SEEDED).await.unwrap_err();
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            info.metadata["table"], "public.done_by_users",
            "{reference}"
        );
        assert_eq!(details.precondition_failure().unwrap().violations.len(), 1);
        assert!(
            status.message().contains("public.done_by_users"),
            "{status}"
        );
        assert!(
            !status.message().contains("constraint"),
            "a driver's words: {status}"
        );
        let in_use = Refusal::new(Code::FailedPrecondition, "CHALLENGE_IN_USE", &[]);
        assert_eq!(Refusal::from(status), in_use);
        let kept = "SELECT count(*) FROM done_by_users WHERE challenge IS NOT NULL";
        assert_eq!(fleet.database.query_i64(kept).await, 1);
    }
    fleet.database.execute("DELETE FROM done_by_users").await;
    delete(&mut client, SEEDED).await.unwrap();
}

#[tokio::test]
async fn who_edits_reads_it_at_once_on_any_replica() {
    let fleet = Fleet::start(3).await;
    let mut client = client(&fleet.replicas[0]).await;
    create(&mut client, challenge(1, "0")).await.unwrap();
    for round in 1..=10 {
        let title = round.to_string();
        let done = update(&mut client, updating(challenge(1, &title)))
            .await
            .unwrap();
        for replica in &fleet.replicas {
            let read = get(replica, &id(1), &done.version).await.unwrap();
            assert_eq!(read.challenge.unwrap().title, title);
        }
    }
}

#[tokio::test]
async fn the_serving_role_edits_with_the_rights_of_the_grants() {
    let fleet = Fleet::start_with_least_rights().await;
    let mut client = client(&fleet.replicas[0]).await;
    create(&mut client, challenge(1, "One")).await.unwrap();
    update(&mut client, updating(challenge(1, "Two")))
        .await
        .unwrap();
    delete(&mut client, &id(1)).await.unwrap();
    let revision = history(&mut client, &id(1)).await[0].revision;
    let back = pb::RevertChallengeRequest {
        id: id(1),
        revision,
        request_id: "back".to_owned(),
        ..Default::default()
    };
    client.revert_challenge(back).await.unwrap();
    import(&mut client, pb::ImportOptions::default(), rows(2..5))
        .await
        .unwrap();
    let export = client
        .export_challenges(pb::ExportChallengesRequest {})
        .await;
    let page = export
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(page.challenges.len(), 18 + 4);
}

#[tokio::test]
async fn without_a_database_an_edit_is_an_outage_and_changes_nothing() {
    let server = crate::support::postgres::own_server();
    let database = server.fresh().await;
    crate::support::fleet::migrate(&database).await;
    let environment = [("DATABASE_URL", database.url())];
    let replica = crate::support::replica::Replica::start(&environment).await;
    let mut client = client(&replica).await;
    create(&mut client, challenge(1, "One")).await.unwrap();
    server.kill();
    let gone = Refusal::new(Code::Unavailable, "DATASTORE_UNAVAILABLE", &[]);
    assert_eq!(
        refusal(create(&mut client, challenge(2, "Two")).await),
        gone
    );
    assert_eq!(
        refusal(import(&mut client, pb::ImportOptions::default(), rows(3..5)).await),
        gone
    );
    server.restart();
    // A look for a server that began before it was back may yet end without one.
    eventually("the replica has found it again", PATIENCE, async || {
        let all = pb::ListChallengeRevisionsRequest::default();
        client.clone().list_challenge_revisions(all).await.is_ok()
    })
    .await;
    create(&mut client, challenge(2, "Two")).await.unwrap();
    assert_eq!(history(&mut client, &id(3)).await.len(), 0);
}
