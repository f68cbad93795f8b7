//! Replicas and Redis are lost while a tip is written, and every caller ends with one.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{
    StreamTipsRequest, StreamTipsResponse, TipResetCause, TipSource,
};
use futures_util::future::{join, join_all};
use tokio::time::sleep;
use tonic::{Code, Streaming};

use super::{
    provider::{TIP, finish, gated, good_end, ordering_at, piece, quick, silence, tip},
    wire_stream::{
        CHALLENGE, OTHERS, hear, hear_some, question, question_about, rest_of, try_hear,
    },
};
use crate::support::{
    fleet::Fleet,
    replica::Replica,
    scripted::{Act, Scripted},
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(20);
/// What a replica that is lost has its provider write.
const OLD: [&str; 2] = ["The text of one", " that is lost."];

/// How far a replica is when it is lost: before any text, amid it, when only the end is missing.
fn phases() -> [Vec<Act>; 3] {
    let text = || OLD.map(piece);
    let [first, _] = text();
    let [one, two] = text();
    [
        vec![silence(), Act::Hold],
        vec![silence(), first, Act::Hold],
        vec![silence(), one, two, Act::Hold],
    ]
}

/// A stream that was accepted, read as far as the text goes.
async fn heard_as_far(
    text: &str,
    replica: &Replica,
    asked: &StreamTipsRequest,
) -> Streaming<StreamTipsResponse> {
    let mut client = replica.client().await;
    let stream = client.stream_tips(asked.clone()).await;
    let mut stream = stream.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    let mut heard = String::new();
    while heard.len() < text.len() {
        heard.push_str(&hear_some(&mut stream).await);
    }
    assert_eq!(heard, text);
    stream
}

/// The replica that has a tip written is killed, in each phase; the callers of the others
/// have another text, whole, for one more request.
#[tokio::test]
async fn whenever_the_writing_replica_is_killed_callers_of_others_have_a_tip() {
    let lost = join_all(phases().map(Scripted::playing)).await;
    let good = quick().await;
    let urls: Vec<_> = lost
        .iter()
        .chain([&good, &good])
        .map(Scripted::url)
        .collect();
    let settings: Vec<_> = urls.iter().map(|url| ordering_at(url)).collect();
    let fleet = Fleet::start_each(&settings).await;
    let (leaders, followers) = fleet.replicas.split_at(lost.len());
    let challenges = [CHALLENGE, OTHERS[0], OTHERS[1]];

    let each = challenges.iter().zip(leaders).zip(&lost).enumerate();
    let each = each.map(async |(phase, ((challenge, leader), provider))| {
        let asked = question_about(challenge);
        let led = try_hear(leader, asked.clone());
        let lost = async {
            eventually("it is requested", SOON, async || {
                provider.exchanges().len() == 1
            })
            .await;
            let old = OLD[..phase].concat();
            let early = followers
                .iter()
                .map(|follower| heard_as_far(&old, follower, &asked));
            let early = join_all(early).await;
            leader.kill().await;
            let early = join_all(early.into_iter().map(|stream| rest_of(&old, stream)));
            let late = join_all(followers.iter().map(|each| hear(each, asked.clone())));
            join(early, late).await
        };
        let (led, (early, late)) = join(led, lost).await;
        assert!(led.is_err(), "its own callers see it go");
        for rest in early {
            assert_eq!(rest.text, TIP, "killed in phase {phase}");
            assert!(
                rest.resets
                    .iter()
                    .all(|cause| *cause == TipResetCause::Takeover)
            );
        }
        assert!(
            late.iter().all(|hearing| hearing.text == TIP),
            "killed in phase {phase}"
        );
    });
    join_all(each).await;
    assert_eq!(
        good.exchanges().len(),
        challenges.len(),
        "one takeover each"
    );
}

/// A replica that stood still for ten seconds publishes nothing of what it was about to say.
#[tokio::test]
async fn a_replica_that_was_stopped_publishes_nothing_old_when_it_goes_on() {
    let mut script = vec![
        silence(),
        piece(OLD[0]),
        Act::Gate,
        piece(OLD[1]),
        good_end(),
    ];
    script.extend([Act::Hold]);
    let old = Scripted::playing(script).await;
    let new = quick().await;
    let urls = [old.url(), new.url()];
    let fleet = Fleet::start_each(&urls.each_ref().map(|url| ordering_at(url))).await;
    let [stopped, other] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    let stream = heard_as_far(OLD[0], stopped, &question()).await;
    stopped.pause();
    let woken = async {
        // All of the old text lies ready for it when it wakes.
        old.open(1);
        sleep(Duration::from_secs(10)).await;
        stopped.resume();
    };
    let (heard, ()) = join(hear(other, question()), woken).await;
    assert_eq!(heard.text, TIP);

    let rest = rest_of(OLD[0], stream).await;
    assert_eq!(
        (rest.text.as_str(), rest.said.as_str()),
        (TIP, TIP),
        "and nothing old"
    );
    assert_eq!(hear(stopped, question()).await.text, TIP);
    assert_eq!(new.exchanges().len(), 1);
}

/// Without Redis every caller ends with a tip, for one request a replica at most.
#[tokio::test]
async fn redis_killed_while_a_tip_is_written_costs_no_caller_its_tip() {
    let providers = [gated().await, gated().await, gated().await];
    let urls = providers.each_ref().map(Scripted::url);
    let fleet = Fleet::start_each(&urls.each_ref().map(|url| ordering_at(url))).await;
    let callers = fleet.replicas.iter().cycle().take(30);
    let hearings = join_all(callers.map(|replica| hear(replica, question())));
    let trouble = async {
        let requests = || {
            providers
                .iter()
                .map(|each| each.exchanges().len())
                .sum::<usize>()
        };
        eventually("it is requested", SOON, async || requests() == 1).await;
        let leader = providers.iter().find(|each| !each.exchanges().is_empty());
        leader.unwrap().open(1);
        fleet.redis.kill();
        providers.iter().for_each(finish);
    };
    let (hearings, ()) = join(hearings, trouble).await;
    for hearing in hearings {
        assert_eq!(hearing.text, TIP);
        // One that comes late finds it kept.
        assert_ne!(hearing.done.source(), TipSource::Static);
    }
    for provider in &providers {
        assert!(provider.exchanges().len() <= 1);
    }
}

/// A replica that drains hands its tip over; callers of other replicas hardly notice.
#[tokio::test]
async fn a_replica_that_leaves_hands_over_what_it_has_written() {
    let old = Scripted::playing(tip(&OLD, &Act::Gate)).await;
    let new = quick().await;
    let urls = [old.url(), new.url()];
    let fleet = Fleet::start_each(&urls.each_ref().map(|url| ordering_at(url))).await;
    let [leaving, other] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    old.open(1);
    let mut stream = heard_as_far(OLD[0], leaving, &question()).await;
    let followed = heard_as_far(OLD[0], other, &question()).await;
    let left = async {
        let status = leaving.sigterm_and_wait().await;
        assert_eq!(status.code(), Some(0));
    };
    let resumed = async {
        let status = stream.message().await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        hear(other, question()).await
    };
    let (followed, ((), resumed)) = join(rest_of(OLD[0], followed), join(left, resumed)).await;
    assert_eq!((followed.text.as_str(), resumed.text.as_str()), (TIP, TIP));
    assert_eq!(new.exchanges().len(), 1);
}
