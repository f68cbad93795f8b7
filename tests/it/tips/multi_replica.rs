//! `StreamTips` at several replicas of the program: one tip for all.
use std::time::Duration;

use bb8_redis::redis::cmd;
use challenges_catalog::pb::catalog::v1::{
    StreamTipsRequest, TipMode, TipRole, TipSource, stream_tips_response::Event,
};
use futures_util::future::join_all;

use super::{
    provider::{PIECES, TIP, finish, gated, ordering_at, tip},
    wire_stream::{Hearing, ask, go_on, hear, question},
};
use crate::{
    ops::scene::{OPS, metric, metrics},
    support::{
        fleet::Fleet,
        replica::Replica,
        scripted::{Act, Scripted},
        wait::eventually,
    },
};

const SOON: Duration = Duration::from_secs(10);

/// Over the wire: callers of three replicas who come before, while and after the tip is
/// written cost one request, and have the same text, byte for byte.
#[tokio::test]
async fn a_thousand_callers_of_three_replicas_cost_one_request() {
    let slowly = Act::Pause(Duration::from_millis(300));
    let provider = Scripted::playing(tip(&PIECES, &slowly)).await;
    let url = provider.url();
    let fleet = Fleet::start_with(3, &ordering_at(&url)).await;
    let connections = fleet.replicas.iter().cycle().take(12);
    let clients = join_all(connections.map(Replica::client)).await;
    let callers = (0..1_000).map(async |number| {
        // The tip takes 1.8 s.
        let moment = Duration::from_micros(rand::random_range(0..2_500_000));
        tokio::time::sleep(moment).await;
        ask(clients[number % clients.len()].clone(), question()).await
    });
    let hearings: Vec<Hearing> = join_all(callers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(provider.exchanges().len(), 1);
    for hearing in &hearings {
        // That its text has this hash was checked as it was read.
        assert_eq!(
            (hearing.text.as_str(), &hearing.done.sha256),
            (TIP, &hearings[0].done.sha256)
        );
        assert!(hearing.resets.is_empty());
    }
    let count = |role| {
        hearings
            .iter()
            .filter(|hearing| hearing.role == role)
            .count()
    };
    assert_eq!(count(TipRole::Leader), 1);
    assert!(
        count(TipRole::Follower) > 100,
        "they came while it was written"
    );
}

/// Across replicas: a caller goes on at another one, while the tip is written and after.
#[tokio::test]
async fn a_caller_goes_on_at_another_replica() {
    let provider = gated().await;
    let url = provider.url();
    let fleet = Fleet::start_with(2, &ordering_at(&url)).await;
    let [here, there] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    let mut client = here.client().await;
    let mut stream = client.stream_tips(question()).await.unwrap().into_inner();
    provider.open(2);
    let (mut held, mut token) = (String::new(), Vec::new());
    while held.len() < PIECES[0].len() + PIECES[1].len() {
        let message = stream.message().await.unwrap().unwrap();
        if let Some(Event::Delta(delta)) = message.event {
            held.push_str(&delta.text);
            token = message.resume_token;
        }
    }
    drop(stream);
    let resume = StreamTipsRequest {
        resume_token: token,
        ..question()
    };
    // Somebody reads there already, so the text is there.
    let reader = hear(there, question());
    let resumed = async {
        eventually("the text is there", SOON, async || {
            there.log().contains("tip joined")
        })
        .await;
        let mut client = there.client().await;
        let mut stream = client.stream_tips(question()).await.unwrap().into_inner();
        while !matches!(
            stream.message().await.unwrap().unwrap().event,
            Some(Event::Delta(_))
        ) {}
        let rest = go_on(there, &held, resume.clone());
        let (rest, ()) = tokio::join!(rest, async { finish(&provider) });
        rest
    };
    let (whole, rest) = tokio::join!(reader, resumed);
    assert_eq!((whole.text.as_str(), rest.text.as_str()), (TIP, TIP));
    assert!(rest.resets.is_empty());
    assert_eq!(go_on(there, &held, resume).await.text, TIP);
    assert_eq!(provider.exchanges().len(), 1);
}

/// A tip that was written once is there for good: for other replicas, and without Redis.
#[tokio::test]
async fn a_tip_that_was_written_is_kept_for_every_replica() {
    let provider = gated().await;
    let url = provider.url();
    let fleet = Fleet::start_with(2, &ordering_at(&url)).await;
    finish(&provider);
    assert_eq!(hear(&fleet.replicas[0], question()).await.text, TIP);
    eventually_saved(&fleet).await;
    fleet.redis.restart_empty();
    let hearing = hear(&fleet.replicas[1], cached_only()).await;
    assert_eq!(
        (hearing.text.as_str(), hearing.done.source()),
        (TIP, TipSource::Cache)
    );
    assert_eq!(provider.exchanges().len(), 1);
}

/// A leader that dies between Redis and the database leaves its tip in Redis alone, and Redis forgets. Each way in
/// which another replica gets it saves it.
#[tokio::test]
async fn a_tip_that_redis_alone_has_is_saved_by_the_replica_that_finds_it() {
    let provider = gated().await;
    let url = provider.url();
    let fleet = Fleet::start_with(3, &ordering_at(&url)).await;
    finish(&provider);
    let [leader, others @ ..] = &fleet.replicas[..] else {
        panic!("three replicas");
    };
    assert_eq!(hear(leader, question()).await.text, TIP);
    eventually_saved(&fleet).await;
    for (replica, request) in others.iter().zip([question(), cached_only()]) {
        let forget = "DELETE FROM challenges_catalog.challenge_tips";
        fleet.database.execute(forget).await;
        assert_eq!(hear(replica, request).await.text, TIP);
        eventually_saved(&fleet).await;
    }
    assert_eq!(provider.exchanges().len(), 1);
}

#[tokio::test]
async fn a_follower_saves_the_tip_that_it_followed_to_its_end() {
    let provider = gated().await;
    let url = provider.url();
    let fleet = Fleet::start_with(2, &ordering_at(&url)).await;
    let [leader, follower] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    let read = async |replica| assert_eq!(hear(replica, question()).await.text, TIP);
    let follow = async {
        eventually("one leads", SOON, async || !provider.exchanges().is_empty()).await;
        read(follower).await;
    };
    let write = async {
        eventually("the other one follows", SOON, async || {
            follower.log().contains("tip joined")
        })
        .await;
        finish(&provider);
    };
    tokio::join!(read(leader), follow, write);
    eventually("it saved it too", SOON, async || {
        follower.log().contains("tip saved")
    })
    .await;
    assert_eq!(provider.exchanges().len(), 1);
}

/// The tip of one generation is in the memory of its replica, in Redis, and in the database.
#[tokio::test]
async fn a_cached_tip_counts_as_a_hit_of_the_tier_that_had_it() {
    let provider = gated().await;
    let url = provider.url();
    let mut settings = ordering_at(&url);
    settings.push(OPS);
    let fleet = Fleet::start_with(3, &settings).await;
    let [writer, reader, late] = &fleet.replicas[..] else {
        panic!("three replicas");
    };
    finish(&provider);
    assert_eq!(hear(writer, question()).await.text, TIP);
    eventually_saved(&fleet).await;
    eventually("Redis has it", SOON, async || {
        let keys: Vec<String> = fleet.redis.ask(cmd("KEYS").arg("tip:*:done"));
        keys.len() == 1
    })
    .await;

    assert_eq!(hits(writer).await, ["0", "0", "0"]);
    hear(writer, cached_only()).await;
    assert_eq!(hits(writer).await, ["1", "0", "0"]);
    hear(reader, cached_only()).await;
    assert_eq!(hits(reader).await, ["0", "1", "0"]);
    hear(reader, cached_only()).await;
    assert_eq!(hits(reader).await, ["1", "1", "0"]);
    fleet.redis.restart_empty();
    hear(late, cached_only()).await;
    assert_eq!(hits(late).await, ["0", "0", "1"]);
}

/// How many tips a replica found in memory, in Redis, and in the database.
async fn hits(replica: &Replica) -> [String; 3] {
    let page = metrics(replica).await;
    ["memory", "shared", "store"].map(|tier| {
        let name = format!("catalog_tips_finds_total{{tier=\"{tier}\"}}");
        metric(&page, &name).to_string()
    })
}

fn cached_only() -> StreamTipsRequest {
    StreamTipsRequest {
        mode: TipMode::CachedOnly.into(),
        ..question()
    }
}

/// Waits until the database has the one tip.
async fn eventually_saved(fleet: &Fleet) {
    eventually("it is kept", SOON, async || {
        let mut database = fleet.database.connect().await;
        let count = sqlx::query_scalar("SELECT count(*) FROM challenges_catalog.challenge_tips");
        count.fetch_one(&mut database).await.unwrap_or(0_i64) == 1
    })
    .await;
}
