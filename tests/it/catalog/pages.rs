//! Pages: together they are the list, whatever others write meanwhile.
use challenges_catalog::pb::catalog::v1::{Difficulty, ListChallengesRequest};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tonic::Code;
use uuid::Uuid;

use crate::support::refusal::{Refusal, refusal};
use crate::support::{
    fleet::{Fleet, list},
    replica::Replica,
};

const PAGE_SIZE: i32 = 5;

/// The ids on each page, from first to last; `between` runs after every page.
async fn pages(replica: &Replica, between: impl AsyncFn()) -> Vec<Vec<String>> {
    let mut client = replica.client().await;
    let mut request = ListChallengesRequest {
        page_size: PAGE_SIZE,
        ..Default::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = client.list_challenges(request.clone()).await.unwrap();
        let page = page.into_inner();
        pages.push(page.challenges.into_iter().map(|c| c.id).collect());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return pages;
        }
        between().await;
    }
}

async fn all_ids(replica: &Replica) -> Vec<String> {
    let all = list(replica, Difficulty::Unspecified, 100).await.unwrap();
    all.challenges.into_iter().map(|c| c.id).collect()
}

/// Rows for the top, the middle and the end of the list.
fn insert() -> String {
    let row = |difficulty: &str, points: i32| {
        let id = Uuid::new_v4();
        format!("('{id}', '{difficulty}', 'New {id}', {points})")
    };
    format!(
        "INSERT INTO approach_challenges (id, difficulty, title, points) VALUES {}, {}, {}",
        row("beginner", 0),
        row("intermediate", 25),
        row("advanced", 100),
    )
}

/// Every row that was there from the start comes once, in order, and none comes twice.
fn hold_once(pages: &[Vec<String>], from_the_start: &[String]) {
    let shown: Vec<_> = pages.iter().flatten().collect();
    let old: Vec<_> = shown
        .iter()
        .filter(|id| from_the_start.contains(id))
        .copied()
        .collect();
    assert_eq!(old, from_the_start.iter().collect::<Vec<_>>());
    let mut different = shown.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), shown.len(), "a row came twice");
}

#[tokio::test]
async fn the_pages_together_are_the_list() {
    let replica = Replica::start(&[]).await;
    let pages = pages(&replica, async || ()).await;
    let all = all_ids(&replica).await;
    assert_eq!(pages.concat(), all);
    let (last, full) = pages.split_last().unwrap();
    assert!(full.iter().all(|page| page.len() == PAGE_SIZE as usize));
    assert!((1..=PAGE_SIZE as usize).contains(&last.len()));
}

#[tokio::test]
async fn inserts_between_pages_make_no_gap_and_no_repeat_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.sqlite").display());
    let replica = Replica::start(&[("DATABASE_URL", url.clone())]).await;
    let from_the_start = all_ids(&replica).await;
    let pages = pages(&replica, async || {
        let mut other = SqliteConnection::connect(&url).await.unwrap();
        let insert = sqlx::raw_sql(AssertSqlSafe(insert()));
        insert.execute(&mut other).await.unwrap();
    })
    .await;
    hold_once(&pages, &from_the_start);
}

#[tokio::test]
async fn inserts_between_pages_make_no_gap_and_no_repeat_on_postgres() {
    let fleet = Fleet::start(2).await;
    let from_the_start = all_ids(&fleet.replicas[0]).await;
    let pages = pages(&fleet.replicas[0], async || {
        fleet.database.execute(&insert()).await;
    })
    .await;
    hold_once(&pages, &from_the_start);
}

#[tokio::test]
async fn a_page_token_of_one_replica_works_on_another_and_after_a_restart() {
    let fleet = Fleet::start(2).await;
    let [first, second] = &fleet.replicas[..] else {
        panic!("two replicas")
    };
    let page = list(first, Difficulty::Unspecified, PAGE_SIZE).await;
    let request = ListChallengesRequest {
        page_size: PAGE_SIZE,
        page_token: page.unwrap().next_page_token,
        ..Default::default()
    };
    first.kill().await;
    let restarted = Replica::start(&[("DATABASE_URL", fleet.database.url())]).await;
    for replica in [second, &restarted] {
        let mut client = replica.client().await;
        let next = client.list_challenges(request.clone()).await.unwrap();
        assert_eq!(next.get_ref().challenges.len(), 5);
    }
}

/// As AIP-158 has it: the token says where to go on, and no more.
#[tokio::test]
async fn a_page_may_be_of_another_size_than_the_one_before() {
    let replica = Replica::start(&[]).await;
    let all = list(&replica, Difficulty::Unspecified, 100).await.unwrap();
    let (mut listed, mut page_token) = (Vec::new(), String::new());
    for page_size in [1, 7, 2, 100] {
        let request = ListChallengesRequest {
            page_size,
            page_token,
            ..Default::default()
        };
        let page = replica.client().await.list_challenges(request).await;
        let page = page.unwrap().into_inner();
        listed.extend(page.challenges);
        page_token = page.next_page_token;
    }
    assert_eq!((listed, page_token.as_str()), (all.challenges, ""));
}

#[tokio::test]
async fn a_page_token_belongs_to_its_difficulty_and_catalog() {
    let (replica, other) = tokio::join!(Replica::start(&[]), Replica::start(&[]));
    let page = list(&replica, Difficulty::Beginner, 2).await.unwrap();
    let good = ListChallengesRequest {
        difficulty: Difficulty::Beginner.into(),
        page_size: 2,
        page_token: page.next_page_token,
        ..Default::default()
    };
    let ask = async |replica: &Replica, request: ListChallengesRequest| {
        let mut client = replica.client().await;
        client.list_challenges(request).await
    };
    assert!(ask(&replica, good.clone()).await.is_ok());
    let refused = || Refusal::new(Code::InvalidArgument, "INVALID_PAGE_TOKEN", &["page_token"]);
    assert_eq!(refusal(ask(&other, good.clone()).await), refused());
    let other_difficulty = ListChallengesRequest {
        difficulty: Difficulty::Advanced.into(),
        ..good.clone()
    };
    assert_eq!(refusal(ask(&replica, other_difficulty).await), refused());
    let token = &good.page_token;
    let changed = match token.strip_prefix('A') {
        Some(rest) => format!("B{rest}"),
        None => format!("A{}", &token[1..]),
    };
    let bad = [
        changed,
        token[..token.len() - 1].to_owned(),
        token[..10].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        "A".to_owned(),
        "no token / at all ✗".to_owned(),
        "A".repeat(10_000),
    ];
    for page_token in bad {
        let request = ListChallengesRequest {
            page_token,
            ..good.clone()
        };
        assert_eq!(refusal(ask(&replica, request).await), refused());
    }
}
