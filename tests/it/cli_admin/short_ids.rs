//! Ids of challenges as short as a table shows them, wherever a command takes ids.
use crate::{
    startup::ended::run,
    support::{program::run_well, replica::Replica},
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
