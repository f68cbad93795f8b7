//! The tour as it is printed elsewhere: on other terminals, in a pipe, as JSON.
use std::{env, fmt::Write, fs, path::Path};

use serde_json::{Deserializer, Value};

use super::{
    recording::{Names, Step, masked_json, steps},
    terminal::Terminal,
    tour::{HEADING, SETTINGS, environment, trimmed},
};
use crate::support::fleet::Fleet;

const INTRODUCTION: &str = "\
# What the commands print

The tour in [cli.md](cli.md) is what a terminal of 80 columns shows. Here is the same on other terminals, in a pipe and as
JSON, with what goes to standard error; a test runs every line, and `TOUR=record` in its environment records them anew.
";

/// Where the commands of the tour are run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Narrow,
    Dumb,
    Pipe,
    Json,
}

impl Place {
    const ALL: [Self; 4] = [Self::Narrow, Self::Dumb, Self::Pipe, Self::Json];

    fn heading(self) -> &'static str {
        match self {
            Self::Narrow => "## On a terminal of 40 columns",
            Self::Dumb => "## With TERM=dumb",
            Self::Pipe => "## In a pipe",
            Self::Json => "## With --output json",
        }
    }

    /// The command as it is typed there; none where it would be another one.
    fn typed(self, command: &str) -> Option<String> {
        if self != Self::Json {
            return Some(command.to_owned());
        }
        let has_form = command.contains("--output") || command.contains(" | ");
        (!has_form).then(|| command.replacen("catalog ", "catalog --output json ", 1))
    }

    async fn print(self, line: &str, fleet: &Fleet) -> String {
        let mut environment = environment(fleet);
        let line = match self {
            Self::Narrow => {
                environment.push(("NO_COLOR", "1".to_owned()));
                format!("stty cols 40 rows 24; {line}")
            }
            Self::Dumb => {
                environment.push(("TERM", "dumb".to_owned()));
                format!("stty cols 80 rows 24; {line}")
            }
            Self::Pipe | Self::Json => format!("( {line} ) 2>&1 | cat"),
        };
        let (_, screen) = Terminal::shell(&line, &environment).ended().await;
        trimmed(&screen)
    }

    /// Asserts what must be so whatever is printed.
    fn check(self, step: &Step) {
        // What other programs print, or are given, has their width.
        if step.command.contains(" | ") || step.command.contains("--output yaml") {
            return;
        }
        let columns = match self {
            Self::Narrow => 40,
            Self::Dumb => 80,
            Self::Pipe | Self::Json => usize::MAX,
        };
        for line in step.output.lines() {
            // What somebody may copy stays whole.
            let is_a_word = line
                .split("  ")
                .last()
                .is_some_and(|last| !last.trim().contains(' '));
            let fits = line.chars().count() <= columns || is_a_word;
            assert!(fits, "$ {}\n{line}", step.command);
            assert!(!line.contains('\u{1b}'), "$ {}\n{line:?}", step.command);
        }
    }
}

/// The output in one line, for how a terminal breaks lines depends on the names of replicas; JSON
/// without what differs from run to run.
fn joined(output: &str) -> String {
    let values = Deserializer::from_str(output).into_iter::<Value>();
    let Ok(values) = values.collect::<Result<Vec<_>, _>>() else {
        return output.split_whitespace().collect::<Vec<_>>().join(" ");
    };
    let are_figures = output.contains("\"replicas\"");
    let values = values.into_iter();
    let masked = values.map(|value| masked_json(value, are_figures).to_string());
    masked.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_command_of_the_tour_prints_elsewhere_what_the_page_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tour = steps(
        &fs::read_to_string(root.join("docs/cli.md")).unwrap(),
        HEADING,
    );
    let file = root.join("docs/cli-elsewhere.md");
    let page = fs::read_to_string(&file).unwrap_or_default();
    let is_recording = env::var_os("TOUR").is_some_and(|mode| mode == "record");
    let (mut wrong, mut recorded) = (String::new(), INTRODUCTION.to_owned());
    for place in Place::ALL {
        let mut shown = steps(&page, place.heading()).into_iter();
        let fleet = Fleet::start_with(2, &SETTINGS).await;
        let (mut names, mut names_shown) = (Names::default(), Names::default());
        write!(recorded, "\n{}\n```console\n", place.heading()).unwrap();
        let mut gap = "";
        for step in &tour {
            let Some(typed) = place.typed(&step.command) else {
                continue;
            };
            let command = names.in_command(&typed);
            let output = place.print(&command, &fleet).await;
            names.learn(&step.output, &output);
            let step = Step { command, output };
            place.check(&step);
            write!(recorded, "{gap}$ {}\n{}\n", step.command, step.output).unwrap();
            gap = "\n";
            let Some(shown) = shown.next().filter(|_| !is_recording) else {
                writeln!(wrong, "$ {}: is not shown", step.command).unwrap();
                continue;
            };
            let (before, now) = (joined(&shown.output), joined(&step.output));
            let differences = names_shown.differences(&before, &now);
            if differences.is_some() {
                writeln!(wrong, "$ {typed}\n- {}\n+ {}", shown.output, step.output).unwrap();
            }
        }
        recorded.push_str("```\n");
        assert!(
            is_recording || shown.next().is_none(),
            "{} shows more",
            place.heading()
        );
    }
    if is_recording {
        fs::write(&file, recorded).unwrap();
        return;
    }
    assert!(
        wrong.is_empty(),
        "docs/cli-elsewhere.md (-) shows something else than is printed (+); \
         TOUR=record in the environment of this test records it anew:\n{wrong}"
    );
}
