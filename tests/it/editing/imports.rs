//! Many challenges by one call: all of them, or none.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{
        self as pb,
        RowOutcome::{Created, Unchanged, Updated},
    },
    catalog::v1::Difficulty,
};
use futures_util::{StreamExt, stream};
use tonic::Code;
use tonic_types::StatusExt;

use super::client::{SEEDED, challenge, client, get, history, id, import, import_of, rows};
use crate::support::{
    fleet::list,
    refusal::{Refusal, refusal},
    replica::Replica,
    wait::eventually,
};

fn upsert() -> pb::ImportOptions {
    pb::ImportOptions {
        mode: pb::ImportMode::Upsert.into(),
        ..Default::default()
    }
}

async fn count(replica: &Replica) -> i32 {
    let all = list(replica, Difficulty::Unspecified, 1).await.unwrap();
    all.total_count
}

#[tokio::test]
async fn an_import_tells_what_became_of_each_row() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let done = import(&mut client, pb::ImportOptions::default(), rows(1..4)).await;
    let done = done.unwrap();
    assert_eq!((done.created, done.updated, done.unchanged), (3, 0, 0));
    let mut next = rows(2..5);
    next[1].challenge.as_mut().unwrap().points = Some(99);
    let done = import(&mut client, upsert(), next).await.unwrap();
    assert_eq!((done.created, done.updated, done.unchanged), (1, 1, 1));
    let outcomes: Vec<_> = done.outcomes().collect();
    assert_eq!(outcomes, [Unchanged, Updated, Created]);
    let read = get(&replica, &id(3), &done.version).await.unwrap();
    assert_eq!(read.challenge.unwrap().points, 99);
    assert_eq!(history(&mut client, &id(2)).await.len(), 1);
    assert_eq!(history(&mut client, &id(3)).await.len(), 2);
}

#[tokio::test]
async fn one_bad_row_of_ten_thousand_is_named_and_nothing_is_changed() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let before = count(&replica).await;
    let mut all = rows(1..10_001);
    let bad = all[4_710].challenge.as_mut().unwrap();
    bad.title = String::new();
    bad.points = Some(-5);
    let refused = refusal(import(&mut client, pb::ImportOptions::default(), all).await);
    let fields = ["rows[4711].title", "rows[4711].points"];
    assert_eq!(refused, Refusal::invalid(&fields));
    assert_eq!(count(&replica).await, before);
    assert_eq!(
        refusal(get(&replica, &id(1), "").await).code,
        Code::NotFound
    );
    assert!(history(&mut client, &id(1)).await.is_empty());
}

#[tokio::test]
async fn ids_that_repeat_or_exist_are_named_by_their_lines() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let mut all = rows(1..4);
    for (row, line) in all.iter_mut().zip([20, 30, 40]) {
        row.line = line;
    }
    all[1].challenge.as_mut().unwrap().id = SEEDED.to_owned();
    all[2].challenge.as_mut().unwrap().id = id(1);
    let refused = refusal(import(&mut client, pb::ImportOptions::default(), all.clone()).await);
    let both = ["rows[30].id", "rows[40].id"];
    assert_eq!(refused, Refusal::invalid(&both));
    let refused = refusal(import(&mut client, upsert(), all).await);
    assert_eq!(refused, Refusal::invalid(&["rows[40].id"]));
    assert!(history(&mut client, &id(1)).await.is_empty());
}

#[tokio::test]
async fn of_a_thousand_bad_rows_twenty_are_named_and_the_rest_is_counted() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let empty = vec![pb::ImportRow::default(); 400];
    let status = import(&mut client, pb::ImportOptions::default(), empty).await;
    let status = status.unwrap_err();
    // No id, no difficulty, no title.
    assert!(status.message().contains("and 1180 more"), "{status}");
    assert!(status.details().len() < 4096);
    let named = status.get_error_details();
    let named = &named.bad_request().unwrap().field_violations;
    assert_eq!((named.len(), named[0].field.as_str()), (20, "rows[1].id"));
}

#[tokio::test]
async fn an_import_names_what_it_cannot_read() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let nothing = refusal(import(&mut client, pb::ImportOptions::default(), Vec::new()).await);
    assert_eq!(nothing, Refusal::invalid(&["rows"]));
    let options = pb::ImportOptions {
        mode: 9,
        request_id: "ä".to_owned(),
        ..Default::default()
    };
    let refused = refusal(import(&mut client, options, rows(1..2)).await);
    assert_eq!(refused, Refusal::invalid(&["options.mode", "request_id"]));
    let many = import_of(pb::ImportOptions::default(), &rows(1..1_002), 1_001);
    let answer = client.import_challenges(stream::iter(many)).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["rows"]));
    let mut twice = import_of(pb::ImportOptions::default(), &rows(1..3), 1);
    twice[1].options = Some(pb::ImportOptions::default());
    let answer = client.import_challenges(stream::iter(twice)).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["options"]));
    assert!(history(&mut client, &id(1)).await.is_empty());
}

#[tokio::test]
async fn an_import_that_is_only_checked_tells_what_it_would_do() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let checked = pb::ImportOptions {
        validate_only: true,
        ..Default::default()
    };
    let answer = import(&mut client, checked, rows(1..4)).await.unwrap();
    assert_eq!((answer.created, answer.outcomes.len()), (3, 3));
    assert_eq!(answer.version, "");
    assert!(history(&mut client, &id(1)).await.is_empty());
}

#[tokio::test]
async fn a_call_that_is_dropped_in_the_middle_changes_nothing() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let before = count(&replica).await;
    let some = import_of(pb::ImportOptions::default(), &rows(1..2_001), 100);
    let never_ending = stream::iter(some).chain(stream::pending());
    let call = client.import_challenges(never_ending);
    let dropped = tokio::time::timeout(Duration::from_secs(2), call).await;
    assert!(dropped.is_err(), "it waits for the rest");
    // The seat that it had is free again, and its rows are nowhere.
    for _ in 0..2 {
        let within = Duration::from_secs(5);
        eventually("another import may run", within, async || {
            let mut other = super::client::client(&replica).await;
            let options = pb::ImportOptions {
                validate_only: true,
                ..Default::default()
            };
            import(&mut other, options, rows(1..2)).await.is_ok()
        })
        .await;
    }
    assert_eq!(count(&replica).await, before);
}

#[tokio::test]
async fn an_import_that_stalls_is_ended_and_writes_nothing() {
    let environment = [("CATALOG_STREAM_TIMEOUT", "1s".to_owned())];
    let replica = Replica::start(&environment).await;
    let mut client = client(&replica).await;
    let some = import_of(pb::ImportOptions::default(), &rows(1..11), 5);
    let stalled = stream::iter(some).chain(stream::pending());
    let ended = client.import_challenges(stalled).await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended:?}");
    assert!(history(&mut client, &id(1)).await.is_empty());
}

#[tokio::test]
async fn a_third_import_at_once_is_sent_elsewhere() {
    let replica = Replica::start(&[]).await;
    let overloaded = || Refusal::new(Code::Unavailable, "OVERLOADED", &[]);
    // Holds a seat for ever, once it has one.
    let hold = async || {
        let mut refused = overloaded();
        while refused == overloaded() {
            let mut client = client(&replica).await;
            let messages = import_of(pb::ImportOptions::default(), &rows(1..2), 1);
            let open = stream::iter(messages).chain(stream::pending());
            refused = refusal(client.import_challenges(open).await);
        }
        refused
    };
    let third = async {
        eventually("both seats are taken", Duration::from_secs(5), async || {
            let mut client = client(&replica).await;
            let done = import(&mut client, upsert(), rows(1..2)).await;
            done.is_err_and(|status| Refusal::from(status) == overloaded())
        })
        .await;
    };
    tokio::select! {
        both = async { tokio::join!(hold(), hold()) } => panic!("they ended: {both:?}"),
        () = third => {}
    }
}

#[tokio::test]
async fn what_is_exported_can_be_imported_and_is_of_one_moment() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    import(&mut client, pb::ImportOptions::default(), rows(1..1_201))
        .await
        .unwrap();
    let export = client.export_challenges(pb::ExportChallengesRequest {});
    let mut export = export.await.unwrap().into_inner();
    let mut exported = export.message().await.unwrap().unwrap().challenges;
    assert_eq!(exported.len(), 100);
    super::client::delete(&mut client, &id(1_200))
        .await
        .unwrap();
    super::client::create(&mut client, challenge(5_000, "Later"))
        .await
        .unwrap();
    while let Some(page) = export.message().await.unwrap() {
        exported.extend(page.challenges);
    }
    let ids: Vec<_> = exported
        .iter()
        .map(|challenge| challenge.id.clone())
        .collect();
    assert!(ids.is_sorted() && ids.contains(&id(1_200)) && !ids.contains(&id(5_000)));
    assert_eq!(ids.len(), 1_200 + 18);
    let rows = exported.into_iter().map(|challenge| pb::ImportRow {
        line: 0,
        challenge: Some(challenge),
    });
    let again = import(&mut client, upsert(), rows.collect()).await.unwrap();
    assert_eq!(
        (again.created, again.updated),
        (1, 0),
        "only what was deleted is new"
    );
}
