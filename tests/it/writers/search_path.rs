//! Whose names the triggers go by.
use super::fixtures::{Scene, insert, run, told};

#[tokio::test]
async fn nothing_that_a_writers_search_path_finds_runs_with_the_owners_rights() {
    let mut scene = Scene::new().await;
    let trap = format!(
        "CREATE SCHEMA trap;
        GRANT USAGE ON SCHEMA trap TO {role};
        CREATE TABLE trap.caught (who text);
        GRANT ALL ON trap.caught TO PUBLIC;
        CREATE FUNCTION trap.spring() RETURNS boolean LANGUAGE sql AS
            'INSERT INTO trap.caught VALUES (current_user); SELECT true';
        CREATE DOMAIN trap.timestamptz AS pg_catalog.timestamptz CHECK (trap.spring());
        CREATE DOMAIN trap.text AS pg_catalog.text CHECK (trap.spring());
        CREATE FUNCTION trap.equal(a pg_catalog.text, b pg_catalog.text) RETURNS boolean LANGUAGE sql AS 'SELECT trap.spring()';
        CREATE FUNCTION trap.equal(a uuid, b uuid) RETURNS boolean LANGUAGE sql AS 'SELECT trap.spring()';
        CREATE FUNCTION trap.less(a pg_catalog.timestamptz, b pg_catalog.timestamptz) RETURNS boolean LANGUAGE sql AS
            'SELECT trap.spring()';
        CREATE FUNCTION trap.less(a float8, b float8) RETURNS boolean LANGUAGE sql AS 'SELECT trap.spring()';
        CREATE OPERATOR trap.= (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text, FUNCTION = trap.equal);
        CREATE OPERATOR trap.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap.equal);
        CREATE OPERATOR trap.< (LEFTARG = pg_catalog.timestamptz, RIGHTARG = pg_catalog.timestamptz, FUNCTION = trap.less);
        CREATE OPERATOR trap.< (LEFTARG = float8, RIGHTARG = float8, FUNCTION = trap.less);
        CREATE FUNCTION trap.current_setting(name pg_catalog.text) RETURNS pg_catalog.text LANGUAGE sql AS
            'SELECT trap.spring()::pg_catalog.text';",
        role = scene.role
    );
    scene.database.execute(&trap).await;
    let mut writer = scene.writer().await;
    let row = insert(1);
    let written = format!(
        "SET search_path = trap, pg_catalog, public;
        SET check_function_bodies = off;
        {row}
        UPDATE approach_challenges SET title = 'other';
        UPDATE approach_challenges SET id = gen_random_uuid();
        DELETE FROM approach_challenges;"
    );
    run(&mut writer, &written).await;
    let all = scene.told().await;
    assert!(told(1).iter().all(|tag| all.contains(tag)), "{all:?}");
    let as_owner = format!(
        "SELECT count(*) FROM trap.caught WHERE who <> '{}'",
        scene.role
    );
    assert_eq!(scene.database.query_i64(&as_owner).await, 0);
}
