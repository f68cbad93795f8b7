//! Edits that the database forbids: by its rights, or by row level security.
use challenges_catalog::pb::admin::v1 as pb;
use tonic::{Code, Status};

use super::client::{
    Client, SEEDED, challenge, client, create, delete, history, id, import, rows, update, updating,
};
use crate::support::{
    fleet::{grant, migrate_at},
    postgres::{self, Database},
    refusal::{Refusal, refusal},
    replica::Replica,
};

const CONTENT: &str =
    "SELECT md5(string_agg(c::text, '' ORDER BY c.id)) FROM approach_challenges AS c";

/// A replica that serves with the least rights, from a table whose owner is no superuser.
struct Scene {
    database: Database,
    owner: String,
    role: String,
    client: Client,
    /// Of the challenge that [`edits`] change; it is another one by now.
    revision: i64,
    _replica: Replica,
}

impl Scene {
    async fn start() -> Self {
        let database = postgres::fresh().await;
        let owner = database.create_role("owner").await;
        let may_create = format!(
            "GRANT CREATE ON SCHEMA public TO {owner};
            DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {owner}', current_database()); END $$"
        );
        database.execute(&may_create).await;
        migrate_at(database.url_as(&owner)).await;
        let role = database.create_role("serve").await;
        grant(&database, &role).await;
        let replica = Replica::start(&[("DATABASE_URL", database.url_as(&role))]).await;
        let mut client = client(&replica).await;
        create(&mut client, challenge(1, "One")).await.unwrap();
        let revision = history(&mut client, &id(1)).await[0].revision;
        update(&mut client, updating(challenge(1, "Two")))
            .await
            .unwrap();
        Self {
            database,
            owner,
            role,
            client,
            revision,
            _replica: replica,
        }
    }

    /// What comes of one edit of each kind, by its name.
    async fn edits(&mut self) -> Vec<(&'static str, Status)> {
        let client = &mut self.client;
        let back = pb::RevertChallengeRequest {
            id: id(1),
            revision: self.revision,
            ..Default::default()
        };
        let upsert = pb::ImportOptions {
            mode: pb::ImportMode::Upsert.into(),
            ..Default::default()
        };
        let created = create(client, challenge(2, "Two")).await.map(drop);
        let updated = update(client, updating(challenge(1, "Three")))
            .await
            .map(drop);
        let deleted = delete(client, SEEDED).await.map(drop);
        let reverted = client.revert_challenge(back).await.map(drop);
        let imported = import(client, upsert, rows(1..4)).await.map(drop);
        let ends = [
            ("create", created),
            ("update", updated),
            ("delete", deleted),
            ("revert", reverted),
            ("import", imported),
        ];
        ends.map(|(name, end)| (name, end.expect_err(name))).into()
    }

    /// Every edit is refused as forbidden, in our words, and changes nothing.
    async fn every_edit_is_forbidden(&mut self, why: &str) {
        let before = self.database.query_text(CONTENT).await;
        for (name, status) in self.edits().await {
            let message = status.message();
            assert!(
                message.starts_with("the database does not let this service make the edit"),
                "{why}, {name}: {message}"
            );
            let forbidden = Refusal::new(Code::FailedPrecondition, "EDIT_FORBIDDEN", &[]);
            assert_eq!(Refusal::from(status), forbidden, "{why}, {name}");
        }
        assert_eq!(self.database.query_text(CONTENT).await, before, "{why}");
    }
}

/// The table has one policy from its migration: anyone can read.
const FORCE: &str = "ALTER TABLE approach_challenges ENABLE ROW LEVEL SECURITY;
    ALTER TABLE approach_challenges FORCE ROW LEVEL SECURITY";

#[tokio::test]
async fn where_policies_let_rows_be_read_only_every_edit_is_forbidden() {
    let mut scene = Scene::start().await;
    scene.database.execute(FORCE).await;
    scene.every_edit_is_forbidden("no policy for edits").await;
}

#[tokio::test]
async fn without_a_policy_nothing_can_be_added_and_there_is_nothing_to_change() {
    let mut scene = Scene::start().await;
    let no_policy = r#"DROP POLICY "Anyone can read challenges" ON approach_challenges"#;
    scene.database.execute(FORCE).await;
    scene.database.execute(no_policy).await;
    let before = scene.database.query_text(CONTENT).await;
    let forbidden = ("EDIT_FORBIDDEN", Code::FailedPrecondition);
    let not_found = ("CHALLENGE_NOT_FOUND", Code::NotFound);
    let expected = [
        // The id is free for all that can be seen.
        ("create", forbidden),
        ("update", not_found),
        ("delete", not_found),
        // Its history is hidden with it.
        ("revert", ("REVISION_NOT_FOUND", Code::NotFound)),
        ("import", forbidden),
    ];
    for ((name, status), (same, (reason, code))) in scene.edits().await.into_iter().zip(expected) {
        assert_eq!(name, same);
        assert_eq!(
            Refusal::from(status),
            Refusal::new(code, reason, &[]),
            "{name}"
        );
    }
    assert_eq!(scene.database.query_text(CONTENT).await, before);
}

#[tokio::test]
async fn without_a_right_that_it_needs_an_edit_is_forbidden() {
    let mut scene = Scene::start().await;
    let (owner, role) = (scene.owner.clone(), scene.role.clone());
    for rights in [
        // The functions of edits have the rights of the owner.
        format!("INSERT, UPDATE, DELETE ON approach_challenges FROM {owner}"),
        format!("EXECUTE ON FUNCTION challenges_catalog.begin_edit FROM {role}"),
    ] {
        scene.database.execute(&format!("REVOKE {rights}")).await;
        scene.every_edit_is_forbidden(&rights).await;
        let back = rights.replace(" FROM ", " TO ");
        scene.database.execute(&format!("GRANT {back}")).await;
    }
}

#[tokio::test]
async fn without_the_right_to_read_it_an_edit_of_a_challenge_is_forbidden() {
    let mut scene = Scene::start().await;
    let blind = format!("REVOKE SELECT ON approach_challenges FROM {}", scene.role);
    scene.database.execute(&blind).await;
    let updated = update(&mut scene.client, updating(challenge(1, "Three"))).await;
    let forbidden = Refusal::new(Code::FailedPrecondition, "EDIT_FORBIDDEN", &[]);
    assert_eq!(refusal(updated), forbidden);
}

/// A challenge whose title begins with it is hidden from the role that serves, and so is a title that is hidden.
const HIDDEN: &str = "Hidden";

impl Scene {
    /// As [`Scene::start`], with challenge 5 hidden from the role that serves, which sees the others.
    async fn with_a_hidden_challenge() -> Self {
        let mut scene = Self::start().await;
        create(&mut scene.client, challenge(5, "Seen"))
            .await
            .unwrap();
        let hide = format!(
            "DROP POLICY \"Anyone can read challenges\" ON approach_challenges;
            CREATE POLICY seen ON approach_challenges FOR SELECT USING (title NOT LIKE '{HIDDEN}%');
            UPDATE approach_challenges SET title = '{HIDDEN}' WHERE id = '{}'",
            id(5)
        );
        scene.database.execute(&hide).await;
        scene
    }
}

#[tokio::test]
async fn an_import_writes_over_no_challenge_that_policies_hide() {
    let mut scene = Scene::with_a_hidden_challenge().await;
    let before = scene.database.query_text(CONTENT).await;
    for mode in [pb::ImportMode::Upsert, pb::ImportMode::Unspecified] {
        for validate_only in [true, false] {
            let options = pb::ImportOptions {
                mode: mode.into(),
                validate_only,
                ..Default::default()
            };
            let refused = import(&mut scene.client, options, rows(4..7)).await;
            assert!(refused.is_err(), "{mode:?} {validate_only}");
            if mode == pb::ImportMode::Upsert {
                let forbidden = Refusal::new(Code::FailedPrecondition, "EDIT_FORBIDDEN", &[]);
                assert_eq!(refusal(refused), forbidden, "{validate_only}");
            }
            assert_eq!(scene.database.query_text(CONTENT).await, before);
        }
    }
    let upsert = pb::ImportOptions {
        mode: pb::ImportMode::Upsert.into(),
        ..Default::default()
    };
    import(&mut scene.client, upsert, rows(6..8)).await.unwrap();
}

#[tokio::test]
async fn an_import_whose_rows_policies_would_hide_is_forbidden() {
    let mut scene = Scene::with_a_hidden_challenge().await;
    let before = scene.database.query_text(CONTENT).await;
    let upsert = pb::ImportOptions {
        mode: pb::ImportMode::Upsert.into(),
        ..Default::default()
    };
    let mut fresh = rows(6..9);
    fresh[1].challenge.as_mut().unwrap().title = HIDDEN.to_owned();
    let refused = import(&mut scene.client, upsert, fresh).await;
    let forbidden = Refusal::new(Code::FailedPrecondition, "EDIT_FORBIDDEN", &[]);
    assert_eq!(refusal(refused), forbidden);
    assert_eq!(scene.database.query_text(CONTENT).await, before);
}

#[tokio::test]
async fn the_history_shows_only_challenges_that_policies_show() {
    let mut scene = Scene::with_a_hidden_challenge().await;
    assert_eq!(history(&mut scene.client, &id(5)).await, []);
    assert_eq!(history(&mut scene.client, &id(1)).await.len(), 2);
    delete(&mut scene.client, &id(1)).await.unwrap();
    // Whether policies would show it is known of no challenge that is gone.
    assert_eq!(history(&mut scene.client, &id(1)).await, []);
    let all = history(&mut scene.client, "").await;
    assert_eq!(all.len(), 18, "the seeds");
    let everything = "ALTER POLICY seen ON approach_challenges USING (true)";
    scene.database.execute(everything).await;
    assert_eq!(history(&mut scene.client, &id(1)).await.len(), 3);
    assert_eq!(history(&mut scene.client, "").await.len(), 18 + 3 + 2);
}
