//! What the README shows of a server is what a newcomer sees, and what callers see without a database.
use std::{env, fs, path::Path, time::Duration};

use super::{
    recording::{Names, Step, steps, with_steps},
    terminal::Terminal,
    tour::{environment_of, trimmed},
};
use crate::support::{fleet::migrate, postgres, replica::Replica, wait::eventually};

const NEWCOMER: &str = "## Run it";
const WITHOUT_DATABASE: &str = "## An answer that knows its age";

/// Run with `TOUR=record`, it writes into the README what is printed now.
#[tokio::test]
async fn every_command_of_the_readme_prints_what_it_shows() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut page = fs::read_to_string(&file).unwrap();
    let newcomer = Replica::start(&[]).await;
    let mut wrong = compare(&mut page, NEWCOMER, &newcomer).await;
    let (_server, without_database) = replica_without_its_database().await;
    wrong += &compare(&mut page, WITHOUT_DATABASE, &without_database).await;
    if env::var_os("TOUR").is_some_and(|mode| mode == "record") {
        fs::write(&file, page).unwrap();
        return;
    }
    assert!(
        wrong.is_empty(),
        "README.md (-) shows something else than is printed (+); \
         TOUR=record in the environment of this test records it anew:\n{wrong}"
    );
}

/// Runs what the section shows. Returns how the output differs, and puts it into the page.
async fn compare(page: &mut String, heading: &str, replica: &Replica) -> String {
    let (mut recorded, mut wrong) = (Vec::new(), String::new());
    let shown = steps(page, heading);
    assert!(!shown.is_empty(), "{heading}");
    for step in shown {
        let output = print(&step.command, replica).await;
        if let Some(differences) = Names::default().differences(&step.output, &output) {
            wrong += &["$ ", &step.command, "\n", &differences, "\n"].concat();
        }
        let command = step.command;
        recorded.push(Step { command, output });
    }
    *page = with_steps(page, heading, &recorded);
    wrong
}

/// What the line prints on a terminal, with the program that is built in the place of cargo, and this
/// replica in the place of the one at the usual address.
async fn print(line: &str, replica: &Replica) -> String {
    let line = line
        .replace("cargo run --locked --", "challenges-catalog")
        .replace("127.0.0.1:50051", &replica.addr().to_string());
    let mut environment = environment_of(replica);
    environment.push(("NO_COLOR", "1".to_owned()));
    let (_, screen) = Terminal::shell(&line, &environment).ended().await;
    trimmed(&screen)
}

/// A replica with a warm cache whose PostgreSQL was killed longer ago than an answer may be old.
async fn replica_without_its_database() -> (postgres::Postgres, Replica) {
    let server = postgres::own_server();
    let database = server.fresh().await;
    migrate(&database).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url())]).await;
    let list = "challenges-catalog list --difficulty beginner --page-size 3";
    print(list, &replica).await;
    server.kill();
    eventually("a stale answer", Duration::from_secs(20), async || {
        print(list, &replica).await.contains("stale")
    })
    .await;
    (server, replica)
}
