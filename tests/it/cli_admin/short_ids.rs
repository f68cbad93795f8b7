//! Ids of challenges as short as a table shows them, wherever a command takes ids.
use crate::{
    startup::ended::run,
    support::{
        fleet, postgres,
        process::PATIENCE,
        program::run_well,
        proxy::{Mode, Proxy},
        replica::Replica,
        wait::eventually,
    },
};

const SEEDED: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";
const OTHER: &str = "0c62b582-cc47-4509-96ce-a6a37c913d9d";
/// Ids that begin alike.
const TWINS: [&str; 2] = [
    "aaaaaaaa-0000-4000-8000-000000000001",
    "aaaaaaaa-0000-4000-8000-000000000002",
];

#[tokio::test]
async fn a_short_id_is_taken_by_every_command_that_takes_ids() {
    let replica = Replica::start(&[]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    let invalidate = [
        "admin",
        "cache",
        "invalidate",
        "--id",
        "7368dad2",
        "-o",
        "json",
    ];
    let receipt = run_well(&invalidate, &here).await;
    assert!(
        receipt.contains(&format!("challenge:{SEEDED}")),
        "{receipt}"
    );
    let both = ["admin", "cache", "warm", "--id", "7368dad2", OTHER];
    run_well(&both, &here).await;
    let generate = [
        "admin",
        "tips",
        "generate",
        "7368dad2",
        "--validate-only",
        "-o",
        "json",
    ];
    let ended = run(&generate, &here).await;
    // Nobody would write it, and it is the one that was meant.
    ended.with(1, &[]);
    assert!(ended.out.contains("\"untried\":1,"), "{ended:?}");
}

#[tokio::test]
async fn a_short_id_of_none_or_of_several_is_refused_and_the_several_are_told() {
    let replica = Replica::start(&[]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    for id in TWINS {
        let create = ["admin", "challenges", "create", "--id", id, "--title", "x"];
        run_well(
            &[&create[..], &["--difficulty", "beginner"]].concat(),
            &here,
        )
        .await;
    }
    let warm = ["admin", "cache", "warm", "--id", "7368dad2"];
    let several = run(&[&warm[..], &["aaaaaaaa"]].concat(), &here).await;
    several.with(1, &["several ids begin with aaaaaaaa", TWINS[0], TWINS[1]]);
    let none = run(&[&warm[..], &["bbbbbbbb"]].concat(), &here).await;
    none.with(1, &["no challenge", "bbbbbbbb"]);
}

#[tokio::test]
async fn digits_without_hyphens_are_a_beginning_and_too_few_are_told() {
    let replica = Replica::start(&[]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    for typed in [
        "7368dad24",
        "7368dad243a3",
        "7368dad243a3435995c92405f700f00e",
    ] {
        run(&["get", typed], &here).await.with(0, &[]);
    }
    let few = run(&["get", "7368dad"], &here).await;
    few.with(2, &["at least 8 digits are needed"]);
}

#[tokio::test]
async fn of_many_ids_that_begin_alike_ten_are_told_and_how_many_more() {
    let replica = Replica::start(&[]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("many.json");
    let row = |number| {
        format!(
            r#"{{"id":"deadbeef-0000-4000-8000-{number:012}","difficulty":"beginner","title":"x","points":1}}"#
        )
    };
    let rows: Vec<_> = (0..25).map(row).collect();
    std::fs::write(&file, rows.join("\n")).unwrap();
    let import = ["admin", "challenges", "import", file.to_str().unwrap()];
    run_well(&import, &here).await;
    let several = run(&["get", "deadbeef"], &here).await;
    several.with(1, &["several ids", "-000000000009", "and 15 more"]);
    assert!(!several.err.contains("-000000000010"), "{several:?}");
}

#[tokio::test]
async fn an_id_that_a_stale_list_lacks_may_be_one_of_a_newer_challenge() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let mut proxy = Proxy::to(server.port()).await;
    let url = ("DATABASE_URL", database.url_via(proxy.port()));
    let replica = Replica::start(&[url]).await;
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    // The page in which ids are looked for.
    run_well(&["list", "--all"], &here).await;
    proxy.lose();
    proxy.set(Mode::Blackhole).await;
    eventually("the list is stale", PATIENCE, async || {
        run(&["list", "--all"], &here).await.err.contains("stale")
    })
    .await;
    let absent = run(&["get", "00000000"], &here).await;
    absent.with(
        1,
        &["stale copy", "may be newer", "cannot read its database"],
    );
}
