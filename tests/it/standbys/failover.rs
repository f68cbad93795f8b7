//! A promotion is followed; an address that leads to a standby makes nothing fresh.
use std::cell::Cell;

use challenges_catalog::pb::admin::v1::CacheMode;
use challenges_catalog::pb::health::v1::health_check_response::ServingStatus;

use super::fixtures::{
    SOON, health_becomes, lines, look, mode, retitle, settings, shows_fresh, turns_stale,
};
use crate::support::{
    fleet, postgres,
    proxy::{Mode, Proxy},
    replica::Replica,
    wait::eventually,
};

#[tokio::test]
async fn of_several_hosts_the_primary_is_found_and_its_successor_too() {
    let (primary, standby) = postgres::primary_with_standby();
    let database = primary.fresh().await;
    fleet::migrate(&database).await;
    standby.catch_up_with(&primary).await;
    let url = database.url_of_hosts(&[standby.port(), primary.port()]);
    let replica = Replica::start(&settings(url)).await;
    retitle(&database, "of the primary").await;
    shows_fresh(&replica, "of the primary").await;

    standby.catch_up_with(&primary).await;
    primary.kill();
    standby.promote().await;
    retitle(&database.on(&standby), "of its successor").await;
    shows_fresh(&replica, "of its successor").await;
    let moves = lines(&replica, "another database server is in use");
    let last = moves.last().unwrap();
    assert!(last.contains(&standby.port().to_string()), "{last}");
    assert!(last.contains(&primary.port().to_string()), "{last}");
}

#[tokio::test]
async fn a_primary_that_is_silent_is_left_for_the_one_that_took_over() {
    let (primary, standby) = postgres::primary_with_standby();
    let database = primary.fresh().await;
    fleet::migrate(&database).await;
    standby.catch_up_with(&primary).await;
    let mut link = Proxy::to(primary.port()).await;
    let url = database.url_of_hosts(&[link.port(), standby.port()]);
    let replica = Replica::start(&settings(url)).await;
    link.set(Mode::Blackhole).await;
    standby.promote().await;
    retitle(&database.on(&standby), "of its successor").await;
    shows_fresh(&replica, "of its successor").await;
}

#[tokio::test]
async fn an_address_that_leads_to_a_lagging_standby_makes_nothing_fresh_and_is_told_once() {
    let (primary, standby) = postgres::primary_with_standby();
    let database = primary.fresh().await;
    fleet::migrate(&database).await;
    standby.catch_up_with(&primary).await;
    let address = Proxy::to(primary.port()).await;
    let replica = Replica::start(&settings(database.url_via(address.port()))).await;
    look(&replica).await;
    health_becomes(&replica, ServingStatus::Serving).await;

    standby.pause_replay().await;
    address.switch_to(standby.port());
    turns_stale(&replica).await;
    retitle(&database, "unknown to the standby").await;
    let answers = Cell::new(0);
    eventually("health tells of it", SOON, async || {
        assert!(
            look(&replica).await.1.stale,
            "an old answer is called fresh"
        );
        answers.set(answers.get() + 1);
        answers.get() > 200 && mode(&replica).await == CacheMode::DatabaseLost
    })
    .await;
    health_becomes(&replica, ServingStatus::NotServing).await;

    address.switch_to(primary.port());
    shows_fresh(&replica, "unknown to the standby").await;
    health_becomes(&replica, ServingStatus::Serving).await;
    let lost = lines(&replica, "a poll of the database failed");
    assert_eq!(lost.len(), 1, "{lost:?}");
    let server = format!("127.0.0.1:{} is a standby", address.port());
    assert!(lost[0].contains(&server), "{lost:?}");
    assert_eq!(lines(&replica, "the database is back").len(), 1);
    assert_eq!(lines(&replica, "ERROR"), Vec::<String>::new());
}
