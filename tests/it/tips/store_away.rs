//! The database is away when a tip ends: nothing of it is lost.
use std::time::Duration;

use super::{
    provider::{TIP, finish, gated, replica_of},
    wire_stream::{hear, question},
};
use crate::support::{
    fleet,
    postgres::{self, Postgres},
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_tip_that_ended_while_the_database_was_away_is_kept_when_it_is_back_and_so_is_its_price()
{
    let server: Postgres = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let provider = gated().await;
    let replica = replica_of(&provider, &[("DATABASE_URL", &database.url())]).await;
    let lose_the_database = async {
        eventually("the provider writes", SOON, async || {
            !provider.exchanges().is_empty()
        })
        .await;
        server.kill();
        finish(&provider);
    };
    let (hearing, ()) = tokio::join!(hear(&replica, question()), lose_the_database);
    assert_eq!(hearing.text, TIP);

    server.restart();
    for count in [
        "SELECT count(*) FROM challenges_catalog.challenge_tips",
        "SELECT count(*) FROM challenges_catalog.tip_attempts WHERE outcome = 'success'",
    ] {
        eventually(count, SOON, async || database.query_i64(count).await == 1).await;
    }
}
