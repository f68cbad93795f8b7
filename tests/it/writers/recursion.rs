//! Triggers of others that write the same table, or other ones, beside ours.
use super::fixtures::{Scene, insert, retitle, run, told};

/// Challenges 1 and 2, and a trigger of others that runs `body` at `moment`.
async fn with_trigger(moment: &str, body: &str) -> Scene {
    let mut scene = Scene::new().await;
    scene.database.execute(&insert(1)).await;
    scene.database.execute(&insert(2)).await;
    let trigger = format!(
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
        CREATE TRIGGER theirs {moment} ON approach_challenges FOR EACH ROW EXECUTE FUNCTION theirs();"
    );
    scene.database.execute(&trigger).await;
    scene.told().await;
    scene
}

/// Changes the other row, once.
const OTHER: &str = "IF pg_trigger_depth() = 1 THEN
    UPDATE public.approach_challenges SET description = NEW.title WHERE id <> NEW.id;
END IF;";

fn both() -> Vec<String> {
    let [one, beginner] = told(1);
    let [two, _] = told(2);
    vec![one, two, beginner]
}

/// Of what was last noted of the two challenges: titles and descriptions.
const NOTED: &str =
    "SELECT string_agg(concat_ws(' ', n.title, n.description), ', ' ORDER BY n.challenge)
    FROM (
        SELECT DISTINCT ON (r.challenge) r.challenge, r.title, r.description
        FROM challenges_catalog.changed_challenges AS r
        ORDER BY r.challenge, r.id DESC
    ) AS n";

#[tokio::test]
async fn what_a_trigger_writes_to_the_same_table_is_told_with_what_set_it_off() {
    for moment in ["BEFORE UPDATE", "AFTER UPDATE"] {
        let mut scene = with_trigger(moment, OTHER).await;
        run(&mut scene.writer().await, &retitle(1, "other")).await;
        assert_eq!(scene.told().await, both(), "{moment}");
        assert_eq!(
            scene.database.query_text(NOTED).await,
            "other, new other",
            "{moment}"
        );
    }
}

#[tokio::test]
async fn a_row_that_a_trigger_changes_on_its_way_is_noted_as_it_is_stored() {
    let mut scene = with_trigger(
        "BEFORE UPDATE",
        "NEW.title := upper(NEW.title); NEW.difficulty := 'advanced';",
    )
    .await;
    run(&mut scene.writer().await, &retitle(1, "other")).await;
    let [one, beginner] = told(1);
    assert_eq!(
        scene.told().await,
        [one, "difficulty:advanced".to_owned(), beginner]
    );
    assert_eq!(scene.database.query_text(NOTED).await, "OTHER, new");
}

#[tokio::test]
async fn a_row_that_a_trigger_changes_back_is_told() {
    let body = "IF pg_trigger_depth() = 1 THEN
        UPDATE public.approach_challenges SET title = OLD.title WHERE id = NEW.id;
    END IF;";
    let mut scene = with_trigger("AFTER UPDATE", body).await;
    run(&mut scene.writer().await, &retitle(1, "other")).await;
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn a_trigger_that_keeps_a_row_as_it_is_leaves_nothing_to_tell() {
    let mut scene = with_trigger("BEFORE UPDATE", "RETURN NULL;").await;
    run(&mut scene.writer().await, &retitle(1, "other")).await;
    assert!(scene.told().await.is_empty());
}
