//! The tour of the command line is what the program prints.
use std::{env, fs, path::Path};

use super::{
    recording::{Names, Step, steps, with_steps},
    terminal::Terminal,
};
use crate::support::{fleet::Fleet, replica::Replica};

pub const HEADING: &str = "## A tour of the command line";

/// What the tour says about the servers.
pub const SETTINGS: [(&str, &str); 2] = [
    ("ANTHROPIC_API_KEY", "sk-ant-nobody"),
    // Nobody listens there, and no command of the tour needs anybody to.
    ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9"),
];

/// Run with `TOUR=record`, it writes into the page what is printed now.
#[tokio::test]
async fn every_command_of_the_tour_prints_what_the_page_shows() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let page = fs::read_to_string(&file).unwrap();
    let shown = steps(&page, HEADING);
    assert!(shown.len() >= 8, "a tour, not a glimpse: {}", shown.len());
    let fleet = Fleet::start_with(2, &SETTINGS).await;
    let (mut names, mut recorded) = (Names::default(), Vec::new());
    let mut wrong = Vec::new();
    for step in &shown {
        let command = names.in_command(&step.command);
        let output = print(&command, &fleet).await;
        let differences = names.differences(&step.output, &output);
        assert_ne!(output, "", "$ {command}: a tour shows what is printed");
        if let Some(differences) = differences {
            wrong.push(format!("$ {}\n{differences}\n", step.command));
        }
        recorded.push(Step { command, output });
    }
    if env::var_os("TOUR").is_some_and(|mode| mode == "record") {
        fs::write(&file, with_steps(&page, HEADING, &recorded)).unwrap();
        return;
    }
    assert!(
        wrong.is_empty(),
        "docs/cli.md (-) shows something else than is printed (+); \
         TOUR=record in the environment of this test records it anew:\n{}",
        wrong.concat()
    );
}

/// What the line prints on a terminal without colours.
async fn print(line: &str, fleet: &Fleet) -> String {
    let mut environment = environment(fleet);
    environment.push(("NO_COLOR", "1".to_owned()));
    let (_, screen) = Terminal::shell(line, &environment).ended().await;
    trimmed(&screen)
}

/// Without what ends lines and the whole.
pub fn trimmed(screen: &str) -> String {
    let lines: Vec<_> = screen.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

/// With the program in the path, and Ann in front of a fleet.
pub fn environment(fleet: &Fleet) -> Vec<(&'static str, String)> {
    environment_of(&fleet.replicas[0])
}

/// With the program in the path, and Ann in front of a replica.
pub fn environment_of(replica: &Replica) -> Vec<(&'static str, String)> {
    let program = Path::new(env!("CARGO_BIN_EXE_challenges-catalog"));
    let path = env::var_os("PATH").unwrap_or_default();
    let folder = program.parent().map(Path::to_path_buf);
    let path = env::join_paths(folder.into_iter().chain(env::split_paths(&path)));
    vec![
        ("PATH", path.unwrap().into_string().unwrap()),
        ("CATALOG_ADDR", replica.addr().to_string()),
        ("USER", "ann".to_owned()),
    ]
}
