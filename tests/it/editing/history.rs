//! Who changed what and when, whatever it was changed with; and back.
use challenges_catalog::pb::admin::v1::{self as pb, RevisionOperation as Op};

use super::client::{
    SEEDED, by, challenge, client, create, creating, delete, get, history, id, operations, update,
    updating,
};
use crate::support::{fleet::Fleet, replica::Replica};

#[tokio::test]
async fn each_edit_is_listed_with_its_editor_and_its_version() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let created = client.create_challenge(by("ann@example.org", creating(challenge(1, "One"))));
    let created = created.await.unwrap().into_inner();
    update(&mut client, updating(challenge(1, "Two")))
        .await
        .unwrap();
    delete(&mut client, &id(1)).await.unwrap();
    let found = history(&mut client, &id(1)).await;
    assert_eq!(operations(&found), [Op::Deleted, Op::Updated, Op::Created]);
    let titles: Vec<_> = found
        .iter()
        .map(|it| &it.challenge.as_ref().unwrap().title)
        .collect();
    assert_eq!(titles, ["Two", "Two", "One"]);
    let first = &found[2];
    assert_eq!(first.editor, "name ann@example.org");
    assert_eq!(first.version, created.version);
    assert!(
        found[0].editor.starts_with("address 127.0.0.1"),
        "{found:?}"
    );
    assert!(found.is_sorted_by(|a, b| a.revision > b.revision));
    assert!(found.iter().all(|it| it.time.is_some()));
}

#[tokio::test]
async fn pages_of_the_history_follow_one_another_without_gap_or_repeat() {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let all = history(&mut client, "").await;
    assert_eq!(all.len(), 18, "each seed");
    let mut request = pb::ListChallengeRevisionsRequest {
        page_size: 7,
        ..Default::default()
    };
    let mut paged = Vec::new();
    loop {
        let page = client.list_challenge_revisions(request.clone()).await;
        let page = page.unwrap().into_inner();
        paged.extend(page.revisions);
        // What comes later stands before the first page.
        create(
            &mut client,
            challenge(u32::try_from(paged.len()).unwrap(), "Late"),
        )
        .await
        .unwrap();
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn plain_sql_is_listed_with_its_role_and_whom_it_names() {
    let fleet = Fleet::start(1).await;
    let mut client = client(&fleet.replicas[0]).await;
    let role = fleet.database.create_role("writer").await;
    let rights = format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON approach_challenges TO {role};
        CREATE POLICY writers ON approach_challenges USING (true) WITH CHECK (true)"
    );
    fleet.database.execute(&rights).await;
    let update = format!("UPDATE approach_challenges SET title = 'By SQL' WHERE id = '{SEEDED}'");
    fleet.database.execute_as(&role, &update).await;
    let delete = format!(
        "BEGIN;
        SELECT set_config('challenges_catalog.editor', 'a script', true);
        DELETE FROM approach_challenges WHERE id = '{SEEDED}';
        COMMIT;"
    );
    fleet.database.execute_as(&role, &delete).await;
    let found = history(&mut client, SEEDED).await;
    assert_eq!(operations(&found), [Op::Deleted, Op::Updated, Op::Created]);
    let [deleted, updated, seeded] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (deleted.editor.as_str(), &deleted.database_role),
        ("", &role),
        "any session can set a variable"
    );
    assert_eq!(
        (updated.editor.as_str(), &updated.database_role),
        ("", &role)
    );
    assert_eq!(seeded.database_role, "postgres");
    fleet
        .database
        .execute_as(&role, "TRUNCATE approach_challenges")
        .await;
    let all = history(&mut client, "").await;
    let truncated = all
        .iter()
        .filter(|it| it.operation() == Op::Deleted)
        .count();
    assert_eq!(truncated, 18, "TRUNCATE is a delete of each row");
}

#[tokio::test]
async fn a_row_from_before_anyone_watched_is_found_as_it_was() {
    let fleet = Fleet::start(1).await;
    let mut client = client(&fleet.replicas[0]).await;
    let unseen = format!(
        "ALTER TABLE approach_challenges DISABLE TRIGGER ALL;
        UPDATE approach_challenges SET title = 'Unseen' WHERE id = '{SEEDED}';
        SELECT challenges_catalog.mend_triggers(clock_timestamp());
        UPDATE approach_challenges SET title = 'Seen' WHERE id = '{SEEDED}';
        UPDATE approach_challenges SET points = points WHERE id = '{SEEDED}';"
    );
    fleet.database.execute(&unseen).await;
    let found = history(&mut client, SEEDED).await;
    assert_eq!(operations(&found), [Op::Updated, Op::Found, Op::Created]);
    let titles: Vec<_> = found
        .iter()
        .map(|it| &it.challenge.as_ref().unwrap().title)
        .collect();
    assert_eq!(titles, ["Seen", "Unseen", "Greet a neighbour by name"]);
}

#[tokio::test]
async fn a_new_id_for_a_row_is_one_that_went_and_one_that_came() {
    let fleet = Fleet::start(1).await;
    let mut client = client(&fleet.replicas[0]).await;
    let moved = format!(
        "UPDATE approach_challenges SET id = '{}' WHERE id = '{SEEDED}'",
        id(7)
    );
    fleet.database.execute(&moved).await;
    assert_eq!(
        operations(&history(&mut client, SEEDED).await)[0],
        Op::Deleted
    );
    assert_eq!(
        operations(&history(&mut client, &id(7)).await),
        [Op::Created]
    );
}

#[tokio::test]
async fn an_edit_is_taken_back_by_its_revision_and_that_is_an_edit_too() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    let mut client = client(replica).await;
    let wipe = "UPDATE approach_challenges SET title = 'Oops', description = NULL, points = NULL, tips = NULL";
    fleet.database.execute(wipe).await;
    let first = history(&mut client, SEEDED).await.pop().unwrap();
    let back = |revision| pb::RevertChallengeRequest {
        id: SEEDED.to_owned(),
        revision,
        ..Default::default()
    };
    let reverted = client
        .revert_challenge(back(first.revision))
        .await
        .unwrap()
        .into_inner();
    let (now, then) = (reverted.challenge.unwrap(), first.challenge.unwrap());
    assert_eq!(
        (&now.title, &now.description, now.points),
        (&then.title, &then.description, then.points)
    );
    assert_eq!(now.tips, then.tips);
    let read = get(replica, SEEDED, &reverted.version).await.unwrap();
    assert_eq!(read.challenge.unwrap().title, "Greet a neighbour by name");
    let found = history(&mut client, SEEDED).await;
    assert_eq!(operations(&found), [Op::Updated, Op::Updated, Op::Created]);
    let again = client
        .revert_challenge(back(first.revision))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.version, reverted.version, "it is so already");
    let oops = client
        .revert_challenge(back(found[1].revision))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(oops.challenge.unwrap().title, "Oops");
}

#[tokio::test]
async fn a_revision_that_breaks_the_rules_is_not_gone_back_to() {
    let fleet = Fleet::start(1).await;
    let mut client = client(&fleet.replicas[0]).await;
    let odd = format!(
        "UPDATE approach_challenges SET points = -5 WHERE id = '{SEEDED}';
        UPDATE approach_challenges SET points = 5 WHERE id = '{SEEDED}';"
    );
    fleet.database.execute(&odd).await;
    let found = history(&mut client, SEEDED).await;
    let request = pb::RevertChallengeRequest {
        id: SEEDED.to_owned(),
        revision: found[1].revision,
        ..Default::default()
    };
    let status = client.revert_challenge(request).await.unwrap_err();
    assert!(
        status
            .message()
            .contains("points: must be 0 to 1000, not -5"),
        "{status}"
    );
}
