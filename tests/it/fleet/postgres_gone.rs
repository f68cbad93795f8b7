//! Without the database: copies are served and marked; without copies the call says what is missing.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::Difficulty;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    fleet::{self, list, titles},
    postgres::{self, Postgres},
    replica::Replica,
    wait::eventually,
};

#[tokio::test]
async fn without_the_database_copies_are_marked_stale_and_the_rest_is_unavailable() {
    let server: Postgres = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url())]).await;
    let warm = list(&replica, Difficulty::Beginner, 20).await.unwrap();
    server.kill();

    eventually("answers are marked", Duration::from_secs(5), async || {
        let answer = list(&replica, Difficulty::Beginner, 20).await.unwrap();
        assert_eq!(titles(&answer), titles(&warm));
        answer.freshness.unwrap().stale
    })
    .await;
    let cold = list(&replica, Difficulty::Beginner, 21).await.unwrap_err();
    assert_eq!(cold.code(), Code::Unavailable);
    let details = cold.get_error_details();
    assert_eq!(
        details.error_info().unwrap().reason,
        "DATASTORE_UNAVAILABLE"
    );
    assert!(details.retry_info().is_some());

    server.restart();
    eventually(
        "answers are fresh again",
        Duration::from_secs(5),
        async || {
            let answer = list(&replica, Difficulty::Beginner, 20).await.unwrap();
            !answer.freshness.unwrap().stale
        },
    )
    .await;
    assert!(list(&replica, Difficulty::Beginner, 21).await.is_ok());
}
