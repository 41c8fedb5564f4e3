//! `cargo xtask`: the one door to everything that a developer or CI runs.

mod bench;
mod built;
mod counts;
mod deny;
mod examples;
mod floors;
mod fuzz;
mod peers;
mod process;
mod setup;
mod steps;
mod suite;
mod toolchain;
mod tools;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

const USAGE: &str = "\
cargo xtask <COMMAND>

  test [--all] [--raise-floors]
               set up what the tests need, then run all that CI runs; --all adds what is slow
  ci           the same as `test`
  fuzz [SECONDS [PARSER]]
               run the parsers under libFuzzer, a minute if nothing is said
  setup        only set up what the tests need
  bench [...]  compare with other tools; `bench --help` lists the options
  bench --micro [FILTER]
               the crates' criterion benchmarks
  peers        install the tools to compare with, as far as the system has them";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything that was asked for succeeded.
fn run() -> Result<bool> {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    match command.as_str() {
        "test" | "ci" => suite::run(&Workspace::load()?, suite::Options::parse(&rest)?),
        "setup" => {
            no_arguments(&rest)?;
            setup::run(&Workspace::load()?).map(|_| true)
        }
        "fuzz" => fuzz::run(&Workspace::load()?, &rest),
        "bench" => bench::run(&Workspace::load()?, &rest),
        "peers" => {
            no_arguments(&rest)?;
            peers::run()
        }
        "" | "help" | "-h" | "--help" => {
            println!("{USAGE}");
            Ok(!command.is_empty())
        }
        other => bail!("unknown command `{other}`\n\n{USAGE}"),
    }
}

fn no_arguments(rest: &[String]) -> Result<()> {
    match rest.first() {
        Some(argument) => bail!("unknown argument `{argument}`\n\n{USAGE}"),
        None => Ok(()),
    }
}
