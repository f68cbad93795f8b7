//! One challenge at a time: added, changed, deleted, brought back.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{self as pb, challenges_admin_client::ChallengesAdminClient},
    catalog::v1::Difficulty,
};
use prost_types::FieldMask;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tonic::{Code, Response, Status, transport::Channel};
use tonic_types::StatusExt;

use super::client::{
    SEEDED, challenge, client, create, creating, delete, get, history, id, update, updating,
};
use crate::{
    support::{
        process::PATIENCE,
        refusal::{Refusal, refusal},
        replica::Replica,
        wait::eventually,
    },
    tips::{
        provider::{self as tips, replica_of},
        wire_stream::{CHALLENGE, hear, question},
    },
};

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask {
        paths: paths.iter().map(ToString::to_string).collect(),
    }
}

/// The challenge `number` with nothing set but its id.
fn bare(number: u32) -> pb::EditedChallenge {
    pb::EditedChallenge {
        id: id(number),
        ..Default::default()
    }
}

#[tokio::test]
async fn what_was_added_is_read_with_its_version_and_the_same_etag() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let given = challenge(1, "Say hello");
    let created = create(&mut client, given.clone()).await.unwrap();
    let challenge = created.challenge.unwrap();
    assert!(challenge.create_time.is_some());
    let read = get(&replica, &given.id, &created.version).await.unwrap();
    assert_eq!(read.etag, challenge.etag);
    let shown = read.challenge.unwrap();
    assert_eq!(
        (
            shown.title,
            Some(shown.description),
            Some(shown.points),
            shown.tips
        ),
        (given.title, given.description, given.points, given.tips)
    );
}

#[tokio::test]
async fn what_is_left_out_has_its_default_and_an_id_is_made() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let least = pb::EditedChallenge {
        difficulty: Difficulty::Advanced.into(),
        title: "Größe".to_owned(),
        ..Default::default()
    };
    let first = create(&mut client, least.clone())
        .await
        .unwrap()
        .challenge
        .unwrap();
    let second = create(&mut client, least).await.unwrap().challenge.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(
        (first.points, first.description.as_deref(), first.tips),
        (Some(10), Some(""), None)
    );
}

#[tokio::test]
async fn an_id_that_is_taken_is_refused() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let mut taken = challenge(1, "Another");
    taken.id = SEEDED.to_uppercase();
    let status = create(&mut client, taken).await.unwrap_err();
    let details = status.get_error_details();
    assert_eq!(details.resource_info().unwrap().resource_name, SEEDED);
    let expected = Refusal::new(Code::AlreadyExists, "CHALLENGE_EXISTS", &[]);
    assert_eq!(Refusal::from(status), expected);
}

#[tokio::test]
async fn an_update_changes_what_is_set_or_what_its_mask_names() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    create(&mut client, challenge(1, "Say hello"))
        .await
        .unwrap();
    let by_fields = pb::EditedChallenge {
        points: Some(0),
        ..bare(1)
    };
    let now = update(&mut client, updating(by_fields)).await.unwrap();
    let now = now.challenge.unwrap();
    assert_eq!((now.points, now.title.as_str()), (Some(0), "Say hello"));
    assert_eq!(now.tips.as_deref(), Some("Breathe."));
    let by_mask = pb::UpdateChallengeRequest {
        update_mask: Some(mask(&["tips", "title"])),
        ..updating(challenge(1, "Say goodbye"))
    };
    let now = update(&mut client, by_mask)
        .await
        .unwrap()
        .challenge
        .unwrap();
    assert_eq!((now.points, now.title.as_str()), (Some(0), "Say goodbye"));
    let emptied = pb::UpdateChallengeRequest {
        update_mask: Some(mask(&["tips", "description"])),
        ..updating(bare(1))
    };
    let now = update(&mut client, emptied)
        .await
        .unwrap()
        .challenge
        .unwrap();
    assert_eq!((now.tips, now.description.as_deref()), (None, Some("")));
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_no_commit() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let given = challenge(1, "Say hello");
    let created = create(&mut client, given.clone()).await.unwrap();
    let same = update(&mut client, updating(given)).await.unwrap();
    assert_eq!(same.version, created.version);
    assert_eq!(same.challenge, created.challenge);
    assert_eq!(history(&mut client, &id(1)).await.len(), 1);
}

#[tokio::test]
async fn who_edits_what_was_changed_meanwhile_is_told_and_changes_nothing() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let seen = get(&replica, SEEDED, "").await.unwrap().etag;
    let mine = |title: &str, etag: &str| pb::UpdateChallengeRequest {
        challenge: Some(pb::EditedChallenge {
            id: SEEDED.to_owned(),
            title: title.to_owned(),
            ..Default::default()
        }),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let first = update(&mut client, mine("First", &seen)).await.unwrap();
    let now = first.challenge.unwrap().etag;
    let status = update(&mut client, mine("Second", &seen))
        .await
        .unwrap_err();
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["current_etag"], now);
    let mismatch = || Refusal::new(Code::Aborted, "ETAG_MISMATCH", &[]);
    assert_eq!(Refusal::from(status), mismatch());
    let deleting = pb::DeleteChallengeRequest {
        id: SEEDED.to_owned(),
        etag: seen.clone(),
        ..Default::default()
    };
    assert_eq!(refusal(client.delete_challenge(deleting).await), mismatch());
    update(&mut client, mine("Second", &now)).await.unwrap();
    eventually("the edit shows", Duration::from_secs(2), async || {
        get(&replica, SEEDED, "").await.unwrap().etag != seen
    })
    .await;
}

/// The challenge as an editor reads it.
async fn read_to_edit(
    client: &mut ChallengesAdminClient<Channel>,
    id: &str,
) -> Result<pb::GetChallengeResponse, Status> {
    let request = pb::GetChallengeRequest { id: id.to_owned() };
    client
        .get_challenge(request)
        .await
        .map(Response::into_inner)
}

#[tokio::test]
async fn what_an_editor_reads_changes_and_sends_back_loses_no_other_edit() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let created = create(&mut client, challenge(1, "Say hello"))
        .await
        .unwrap();
    let read = read_to_edit(&mut client, &id(1)).await.unwrap();
    assert_eq!(read.challenge, created.challenge);
    assert_eq!(
        (read.version, read.written_tip),
        (created.version, String::new())
    );

    let mut mine = read.challenge.unwrap();
    let theirs = pb::EditedChallenge {
        points: Some(0),
        ..bare(1)
    };
    update(&mut client, updating(theirs)).await.unwrap();
    mine.title = "Say goodbye".to_owned();
    let lost = update(&mut client, updating(mine)).await.unwrap_err();
    let mismatch = Refusal::new(Code::Aborted, "ETAG_MISMATCH", &[]);
    assert_eq!(Refusal::from(lost), mismatch);

    let read = read_to_edit(&mut client, &id(1)).await.unwrap();
    let mut mine = read.challenge.unwrap();
    assert_eq!(mine.points, Some(0));
    mine.title = "Say goodbye".to_owned();
    let now = update(&mut client, updating(mine)).await.unwrap().challenge;
    let now = now.unwrap();
    assert_eq!((now.points, now.title.as_str()), (Some(0), "Say goodbye"));

    let two = pb::UpdateChallengeRequest {
        etag: created.challenge.unwrap().etag,
        ..updating(now)
    };
    let refused = update(&mut client, two).await.unwrap_err();
    assert_eq!(Refusal::from(refused), Refusal::invalid(&["etag"]));
}

#[tokio::test]
async fn an_editor_reads_the_tip_of_the_row_apart_from_the_one_that_is_shown() {
    let provider = tips::quick().await;
    let replica = replica_of(&provider, &[]).await;
    let mut client = client(&replica).await;
    let before = read_to_edit(&mut client, CHALLENGE).await.unwrap();
    hear(&replica, question()).await;
    eventually("the tip is shown", PATIENCE, async || {
        let read = read_to_edit(&mut client.clone(), CHALLENGE).await.unwrap();
        read.written_tip == tips::TIP
    })
    .await;
    let after = read_to_edit(&mut client, CHALLENGE).await.unwrap();
    let (before, after) = (before.challenge.unwrap(), after.challenge.unwrap());
    assert_eq!(after.tips, before.tips);
    assert_ne!(after.etag, before.etag, "another tip is shown");
}

#[tokio::test]
async fn what_cannot_be_read_to_edit_is_told() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let refused = refusal(read_to_edit(&mut client, "7").await);
    assert_eq!(refused, Refusal::invalid(&["id"]));
    let refused = refusal(read_to_edit(&mut client, &id(1)).await);
    assert_eq!(
        refused,
        Refusal::new(Code::NotFound, "CHALLENGE_NOT_FOUND", &[])
    );
}

#[tokio::test]
async fn what_was_deleted_is_gone_and_comes_back_as_it_was() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let created = create(&mut client, challenge(1, "Say hello"))
        .await
        .unwrap();
    let deleted = delete(&mut client, &id(1)).await.unwrap();
    let gone = refusal(get(&replica, &id(1), &deleted.version).await);
    assert_eq!(gone.code, Code::NotFound);
    let again = refusal(delete(&mut client, &id(1)).await);
    assert_eq!(
        again,
        Refusal::new(Code::NotFound, "CHALLENGE_NOT_FOUND", &[])
    );
    let revision = history(&mut client, &id(1)).await[0].revision;
    let back = pb::RevertChallengeRequest {
        id: id(1),
        revision,
        ..Default::default()
    };
    let back = client.revert_challenge(back).await.unwrap().into_inner();
    let (before, after) = (created.challenge.unwrap(), back.challenge.unwrap());
    assert_eq!(after.create_time, before.create_time);
    assert_eq!((after.title, after.tips), (before.title, before.tips));
    let read = get(&replica, &id(1), &back.version).await.unwrap();
    assert_eq!(read.etag, after.etag);
}

#[tokio::test]
async fn tables_that_refer_to_a_challenge_of_a_file_are_named_too() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.sqlite").display());
    let replica = Replica::start(&[("DATABASE_URL", url.clone())]).await;
    let mut client = client(&replica).await;
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let table = format!(
        "CREATE TABLE done_by_users (challenge TEXT REFERENCES approach_challenges);
        INSERT INTO done_by_users VALUES ('{SEEDED}')"
    );
    let table = sqlx::raw_sql(AssertSqlSafe(table));
    table.execute(&mut other).await.unwrap();
    let status = delete(&mut client, SEEDED).await.unwrap_err();
    let details = status.get_error_details();
    let metadata = &details.error_info().unwrap().metadata;
    assert_eq!(metadata["table"], "done_by_users");
    let in_use = Refusal::new(Code::FailedPrecondition, "CHALLENGE_IN_USE", &[]);
    assert_eq!(Refusal::from(status), in_use);
    get(&replica, SEEDED, "").await.unwrap();
}

#[tokio::test]
async fn what_is_only_checked_is_answered_as_if_and_not_kept() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let request = pb::CreateChallengeRequest {
        validate_only: true,
        ..creating(challenge(1, "Say hello"))
    };
    let answer = client.create_challenge(request).await.unwrap().into_inner();
    assert_eq!(answer.version, "");
    assert_eq!(answer.challenge.unwrap().title, "Say hello");
    assert_eq!(
        refusal(get(&replica, &id(1), "").await).code,
        Code::NotFound
    );
    let request = pb::UpdateChallengeRequest {
        validate_only: true,
        update_mask: Some(mask(&["title"])),
        ..updating(pb::EditedChallenge {
            id: SEEDED.to_owned(),
            title: "Other".to_owned(),
            ..Default::default()
        })
    };
    let answer = update(&mut client, request).await.unwrap();
    assert_eq!(
        (
            answer.version.as_str(),
            answer.challenge.unwrap().title.as_str()
        ),
        ("", "Other")
    );
    let request = pb::DeleteChallengeRequest {
        id: SEEDED.to_owned(),
        validate_only: true,
        ..Default::default()
    };
    let answer = client.delete_challenge(request).await.unwrap();
    assert_eq!(answer.into_inner().version, "");
    let still = get(&replica, SEEDED, "").await.unwrap().challenge.unwrap();
    assert_eq!(still.title, "Greet a neighbour by name");
}
