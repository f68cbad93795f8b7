//! The checker: replicas as real processes on a real PostgreSQL and a real Redis, other programs that
//! write, callers that read, a nemesis that breaks things; and a judge who looks for an answer that lied.
//! `docs/consistency.md` says what is checked and how to run it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a check that cannot go on stops; its report is for people; nothing here is seen from outside"
)]

mod availability;
mod catalog;
mod change;
mod cluster;
mod controls;
mod edge;
mod failover;
mod history;
mod judge;
mod money;
mod nemesis;
mod numbering;
mod phases;
mod publisher;
mod readers;
mod report;
mod run;
mod servers;
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the behaviour tests, which use the rest"
)]
#[path = "../it/support/mod.rs"]
mod support;
mod timeline;
mod verdict;
mod writers;

use std::{
    env, panic,
    process::{self, ExitCode},
    time::Duration,
};

use edge::{EdgePlan, EdgeProfile};
use nemesis::Harm;
use run::Plan;

/// As Rust's own for a process whose main thread panicked.
const PANICKED: i32 = 101;
const USAGE: &str = "usage: checker run SECONDS SEED | checker edge SECONDS SEED PROFILE | checker controls [NAME] | checker money SECONDS SEED | checker money-controls SEED";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    end_with_the_first_panic();
    // What calls over HTTP finds its cryptography here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let is_well = runtime.block_on(async {
        match arguments.as_slice() {
            ["run", seconds, seed] => check(seconds, seed, None).await,
            ["edge", seconds, seed, profile] => {
                check(seconds, seed, Some(EdgeProfile::of(profile))).await
            }
            ["money", seconds, seed] => money::check(length(seconds), number(seed)).await,
            ["money-controls", seed] => money::all_caught(number(seed)).await,
            ["controls", names @ ..] => controls::all_caught(names).await,
            _ => {
                println!("{USAGE}");
                false
            }
        }
    });
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A part that is gone would be missed by nobody, and the run would prove less than it says.
fn end_with_the_first_panic() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        tell(panic);
        process::exit(PANICKED);
    }));
}

fn number(seed: &str) -> u64 {
    seed.parse().expect("SEED is a number")
}

fn length(seconds: &str) -> Duration {
    Duration::from_secs(seconds.parse().expect("SECONDS is a number"))
}

async fn check(seconds: &str, seed: &str, edge: Option<EdgeProfile>) -> bool {
    let plan = Plan {
        seed: number(seed),
        length: length(seconds),
        // Through the edge, what is looked for is age: writers and readers alone.
        harms: if edge.is_some() {
            [&[], &[]]
        } else {
            [&Harm::REDIS, &Harm::DATABASE]
        },
        fault: None,
        sql_fault: None,
        edge: edge.map(|profile| EdgePlan { profile, fault: "" }),
        until_caught: false,
    };
    let findings = run::run(&plan).await;
    report::print(&plan, &findings)
}
