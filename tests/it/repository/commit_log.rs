//! Whatever a program without rights of ours does to the table enters the log, once it is committed.
use challenges_catalog::{
    domain::{Changes, Tag, Tell},
    repository::{Location, MigrateSettings, migrate_up, verify},
};
use sqlx::Row;

use super::fixture::{ANYONE, id_text, open, run, session, tag, tags};
use crate::support::postgres::{self, Database};

/// A migrated database, and a role that may write the table and nothing else.
pub struct Writer {
    pub database: Database,
    role: String,
}

impl Writer {
    pub async fn new() -> Self {
        let database = postgres::fresh().await;
        let url = database.url();
        migrate_up(Location::Postgres(&url), &MigrateSettings::default())
            .await
            .unwrap();
        let role = database.create_role("writer").await;
        let grant = format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON approach_challenges TO {role};
             CREATE POLICY write ON approach_challenges TO {role} USING (true) WITH CHECK (true)"
        );
        database.execute(&grant).await;
        Self { database, role }
    }

    pub async fn head(&self) -> i64 {
        let head = "SELECT max(seq) FROM challenges_catalog.commit_log";
        self.database
            .execute("SELECT challenges_catalog.number(2000)")
            .await;
        self.database.query_i64(head).await
    }

    /// The tags of all that was committed while the role ran `sql`, and how many commits.
    pub async fn tags_of(&self, sql: &str) -> (Vec<String>, usize) {
        self.tags_as(&self.role, sql).await
    }

    async fn tags_as(&self, role: &str, sql: &str) -> (Vec<String>, usize) {
        let before = u64::try_from(self.head().await).unwrap();
        let mut writer = session(&self.database.url_as(role)).await;
        run(&mut writer, sql).await;
        let store = open(Location::Postgres(&self.database.url()));
        let changes = store
            .poll(before, ANYONE, Tell::Nothing)
            .await
            .unwrap()
            .changes;
        let mut commits: Vec<_> = match &changes {
            Changes::All(changes) => changes.iter().map(|change| change.seq).collect(),
            Changes::Lost => Vec::new(),
        };
        commits.dedup();
        (tags(&changes), commits.len())
    }
}

pub fn insert(number: u32, difficulty: &str) -> String {
    let id = id_text(number);
    format!(
        "INSERT INTO approach_challenges (id, difficulty, title) VALUES ('{id}', '{difficulty}', 'x');"
    )
}

pub fn some(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|&tag| tag.to_owned()).collect()
}

#[tokio::test]
async fn insert_update_upsert_delete_and_copy_are_told() {
    let writer = Writer::new().await;
    let beginner = "difficulty:beginner";
    let (one, two) = (tag(1), tag(2));
    let first = some(&[&one, beginner]);
    assert_eq!(
        writer.tags_of(&insert(1, "beginner")).await,
        (first.clone(), 1)
    );
    let update = "UPDATE approach_challenges SET title = 'y'";
    assert_eq!(writer.tags_of(update).await, (first, 1));
    let upsert = format!(
        "INSERT INTO approach_challenges (id, difficulty, title)
        VALUES ('{}', 'advanced', 'x'), ('{}', 'beginner', 'z')
        ON CONFLICT (id) DO UPDATE SET difficulty = excluded.difficulty",
        id_text(1),
        id_text(2)
    );
    let moved = some(&[&one, &two, "difficulty:advanced", beginner]);
    assert_eq!(writer.tags_of(&upsert).await, (moved, 1));
    let merge = format!(
        "MERGE INTO approach_challenges AS t USING (SELECT '{}'::uuid AS id) AS s ON t.id = s.id
        WHEN MATCHED THEN DELETE",
        id_text(1)
    );
    let gone = some(&[&one, "difficulty:advanced"]);
    assert_eq!(writer.tags_of(&merge).await, (gone, 1));
    let delete = "DELETE FROM approach_challenges";
    assert_eq!(writer.tags_of(delete).await, (some(&[&two, beginner]), 1));
}

#[tokio::test]
async fn copy_is_told() {
    let writer = Writer::new().await;
    let before = writer.head().await;
    // COPY FROM is refused under row level security, so the copier is one whom it does not bind.
    let bypass = format!("ALTER ROLE {} BYPASSRLS", writer.role);
    writer.database.execute(&bypass).await;
    let mut copier = session(&writer.database.url_as(&writer.role)).await;
    let mut copy = copier
        .copy_in_raw("COPY approach_challenges (id, difficulty, title) FROM STDIN")
        .await
        .unwrap();
    let line = format!("{}\tadvanced\tcopied\n", id_text(7));
    copy.send(line.as_bytes()).await.unwrap();
    copy.finish().await.unwrap();
    let store = open(Location::Postgres(&writer.database.url()));
    let page = store
        .poll(u64::try_from(before).unwrap(), ANYONE, Tell::Nothing)
        .await
        .unwrap();
    assert_eq!(tags(&page.changes), [&tag(7), "difficulty:advanced"]);
}

#[tokio::test]
async fn truncate_is_everything() {
    let writer = Writer::new().await;
    let everything = some(&["challenges"]);
    let told = writer.tags_of("TRUNCATE approach_challenges").await;
    assert_eq!(told, (everything, 1));
}

#[tokio::test]
async fn more_than_a_thousand_rows_are_everything() {
    let writer = Writer::new().await;
    let rows = |count: u32| {
        format!(
            "INSERT INTO approach_challenges (difficulty, title)
            SELECT 'beginner', 'x' FROM generate_series(1, {count})"
        )
    };
    let (told, _) = writer.tags_of(&rows(1_001)).await;
    assert_eq!(told, ["challenges", "flags"]);
    let (told, _) = writer.tags_of("DELETE FROM approach_challenges").await;
    assert_eq!(told, ["challenges", "flags"]);
    let (told, _) = writer.tags_of(&rows(900)).await;
    assert_eq!(told.len(), 901);
}

#[tokio::test]
async fn statements_of_one_transaction_are_one_commit() {
    let writer = Writer::new().await;
    let both = format!(
        "BEGIN; {} {} COMMIT;",
        insert(1, "beginner"),
        insert(2, "advanced")
    );
    let told = some(&[
        &tag(1),
        &tag(2),
        "difficulty:advanced",
        "difficulty:beginner",
    ]);
    assert_eq!(writer.tags_of(&both).await, (told, 1));
}

#[tokio::test]
async fn a_savepoint_that_was_rolled_back_tells_nothing() {
    let writer = Writer::new().await;
    let undone = format!(
        "BEGIN; SAVEPOINT s; {} ROLLBACK TO s; COMMIT;",
        insert(1, "beginner")
    );
    assert_eq!(writer.tags_of(&undone).await, (Vec::new(), 0));
    let rest = format!(
        "BEGIN; SAVEPOINT s; {} ROLLBACK TO s; {} COMMIT;",
        insert(1, "beginner"),
        insert(2, "advanced")
    );
    let told = some(&[&tag(2), "difficulty:advanced"]);
    assert_eq!(writer.tags_of(&rest).await, (told, 1));
}

#[tokio::test]
async fn changes_after_the_number_was_given_early_are_told_too() {
    let writer = Writer::new().await;
    let early = format!(
        "BEGIN; {} SET CONSTRAINTS ALL IMMEDIATE; {} SET CONSTRAINTS ALL DEFERRED; {} COMMIT;",
        insert(1, "beginner"),
        insert(2, "beginner"),
        insert(3, "advanced"),
    );
    let (told, _) = writer.tags_of(&early).await;
    let all = [
        &tag(1),
        &tag(2),
        &tag(3),
        "difficulty:advanced",
        "difficulty:beginner",
    ];
    assert_eq!(told, all);
    let open = "SELECT count(*) FROM challenges_catalog.commit_log WHERE seq IS NULL";
    assert_eq!(writer.database.query_i64(open).await, 0);
}

#[tokio::test]
async fn a_session_that_plays_replica_is_told_too() {
    let writer = Writer::new().await;
    let as_replica = format!(
        "SET session_replication_role = replica; {}",
        insert(1, "beginner")
    );
    let told = some(&[&tag(1), "difficulty:beginner"]);
    assert_eq!(writer.tags_as("postgres", &as_replica).await, (told, 1));
}

#[tokio::test]
async fn ddl_on_the_table_is_everything() {
    let writer = Writer::new().await;
    for ddl in [
        "ALTER TABLE approach_challenges ADD COLUMN note text",
        "CREATE POLICY more ON approach_challenges USING (false)",
        "ALTER POLICY more ON approach_challenges USING (true)",
        "DROP POLICY more ON approach_challenges",
        "ALTER TABLE approach_challenges DISABLE TRIGGER challenges_catalog_insert",
    ] {
        let told = writer.tags_as("postgres", ddl).await;
        assert_eq!(told, (some(&["challenges"]), 1), "{ddl}");
    }
    let elsewhere = "CREATE TABLE thing (id int); ALTER TABLE thing ADD COLUMN note text";
    assert_eq!(writer.tags_as("postgres", elsewhere).await, (Vec::new(), 0));
}

#[tokio::test]
async fn a_session_that_has_updated_rows_goes_on_after_a_column_changed_its_type() {
    let writer = Writer::new().await;
    let mut session = session(&writer.database.url_as(&writer.role)).await;
    run(&mut session, &insert(1, "beginner")).await;
    for (title, ddl) in [
        ("one", "ALTER COLUMN title TYPE text"),
        ("two", "ALTER COLUMN points TYPE bigint"),
        ("three", "ADD COLUMN note text"),
    ] {
        let update = format!("UPDATE approach_challenges SET title = '{title}', points = 7");
        run(&mut session, &update).await;
        let alter = format!("ALTER TABLE approach_challenges {ddl}");
        writer.database.execute(&alter).await;
        run(&mut session, &format!("{update}, tips = '{title}'")).await;
    }
}

#[tokio::test]
async fn numbers_are_given_in_the_order_of_commits() {
    let writer = Writer::new().await;
    let url = writer.database.url_as(&writer.role);
    let (mut early, mut late) = (session(&url).await, session(&url).await);
    run(&mut early, &format!("BEGIN; {}", insert(1, "beginner"))).await;
    run(&mut late, &insert(2, "advanced")).await;
    let between = writer.head().await;
    run(&mut early, "COMMIT").await;
    let store = open(Location::Postgres(&writer.database.url()));
    let page = store
        .poll(u64::try_from(between).unwrap(), ANYONE, Tell::Nothing)
        .await
        .unwrap();
    assert_eq!(tags(&page.changes), [&tag(1), "difficulty:beginner"]);
}

#[tokio::test]
async fn whoever_sees_a_number_sees_all_before_it() {
    let writer = Writer::new().await;
    let url = writer.database.url_as(&writer.role);
    let write = async |of: u32| {
        let mut session = session(&url).await;
        for n in 0..40 {
            run(&mut session, &insert(of * 1_000 + n, "beginner")).await;
        }
    };
    let watch = async {
        let mut session = session(&writer.database.url()).await;
        let look =
            "SELECT max(seq) AS head, array_agg(seq) AS seqs FROM challenges_catalog.commit_log";
        let (mut seen, mut head) = (Vec::<i64>::new(), 0);
        for _ in 0..300 {
            let row = sqlx::query(look).fetch_one(&mut session).await.unwrap();
            let now: Vec<i64> = row.get("seqs");
            let late: Vec<_> = now
                .iter()
                .filter(|seq| **seq <= head && !seen.contains(seq))
                .collect();
            assert!(late.is_empty(), "{late:?} came after {head}");
            (head, seen) = (row.get("head"), now);
        }
    };
    tokio::join!(write(1), write(2), write(3), write(4), watch);
}

#[tokio::test]
async fn a_two_phase_commit_works_and_is_told_when_it_is_committed() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    let url = database.url();
    database
        .execute("ALTER SYSTEM SET max_prepared_transactions = 5")
        .await;
    server.kill();
    server.restart();
    migrate_up(Location::Postgres(&url), &MigrateSettings::default())
        .await
        .unwrap();
    let store = open(Location::Postgres(&url));
    let before = store.poll(0, ANYONE, Tell::Nothing).await.unwrap().head.seq;
    let mut writer = session(&url).await;
    let prepare = format!(
        "BEGIN; {} PREPARE TRANSACTION 'ours'",
        insert(1, "beginner")
    );
    run(&mut writer, &prepare).await;
    assert_eq!(
        store
            .poll(before, ANYONE, Tell::Nothing)
            .await
            .unwrap()
            .head
            .seq,
        before
    );
    run(&mut writer, "COMMIT PREPARED 'ours'").await;
    let told = tags(
        &store
            .poll(before, ANYONE, Tell::Nothing)
            .await
            .unwrap()
            .changes,
    );
    assert_eq!(told, [&tag(1), "difficulty:beginner"]);
    let report = verify(Location::Postgres(&url), &|_, _| ()).await.unwrap();
    let subjects: Vec<_> = report
        .findings
        .iter()
        .map(|found| found.subject.as_str())
        .collect();
    assert!(subjects.contains(&"server"), "{subjects:?}");
}

#[tokio::test]
async fn an_unknown_tag_is_everything_and_hard_is_kept() {
    let writer = Writer::new().await;
    let before = u64::try_from(writer.head().await).unwrap();
    let emit = "SELECT challenges_catalog.emit(ARRAY['later:thing']);
        SELECT challenges_catalog.emit(ARRAY['later:thing'], true);
        SELECT challenges_catalog.emit(ARRAY[]::text[]);";
    writer
        .database
        .execute(&format!("BEGIN; {emit} COMMIT;"))
        .await;
    let store = open(Location::Postgres(&writer.database.url()));
    let Changes::All(changes) = store
        .poll(before, ANYONE, Tell::Nothing)
        .await
        .unwrap()
        .changes
    else {
        panic!("lost");
    };
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].tag, changes[0].hard), (Tag::Everything, true));
}
