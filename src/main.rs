//! The program `challenges-catalog`.
use std::process::ExitCode;

use challenges_catalog::{cli, config::EnvVars};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), &EnvVars::of_process())
}
