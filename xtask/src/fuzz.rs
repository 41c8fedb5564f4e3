//! The parsers under libFuzzer and AddressSanitizer, by cargo-fuzz. A test runs the same parsers on mutations of real
//! objects; this finds its way into them by what code it reaches.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::steps::Outcome;
use crate::tools::Tool;
use crate::workspace::Workspace;

const CARGO_FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2", arguments: &[] };

/// `cargo xtask fuzz [SECONDS [PARSER]]`.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Result<bool> {
    let (seconds, parser) = match words {
        [] => (60, None),
        [seconds] => (parse(seconds)?, None),
        [seconds, parser] => (parse(seconds)?, Some(parser.as_str())),
        _ => anyhow::bail!("`fuzz` takes a number of seconds and the name of a parser"),
    };
    corpus(workspace)?;
    fuzz(workspace, seconds, parser)
}

/// As a step of the tests.
pub(crate) fn step(workspace: &Workspace, seconds: u64) -> Result<Outcome> {
    corpus(workspace)?;
    Ok(Outcome::of(fuzz(workspace, seconds, None)?, "the input that was found lies in fuzz/artifacts"))
}

fn parse(seconds: &str) -> Result<u64> {
    seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))
}

/// Real objects to begin with.
fn corpus(workspace: &Workspace) -> Result<()> {
    let mut real = workspace.cargo();
    real.env("BACKUP_FUZZ_CORPUS", corpus_of(workspace));
    real.args(["test", "--quiet", "-p", "backup-repository", "--all-features", "--test", "fuzz", "real"]);
    ensure!(process::status(&mut real)?.success(), "no corpus could be made");
    Ok(())
}

fn fuzz(workspace: &Workspace, seconds: u64, parser: Option<&str>) -> Result<bool> {
    let program = CARGO_FUZZ.installed(workspace)?;
    let mut command = Command::new(program);
    command.current_dir(&workspace.root).args(["run", "parser", "--fuzz-dir"]).arg(folder(workspace));
    command.arg("--target-dir").arg(workspace.target.join("fuzz"));
    // The sanitizer is an option of unstable compilers; the stable one has it, too.
    command.env("RUSTC_BOOTSTRAP", "1");
    if let Some(parser) = parser {
        command.env("BACKUP_FUZZ", parser);
    }
    command.arg(corpus_of(workspace)).arg("--").arg(format!("-max_total_time={seconds}"));
    command.args(["-timeout=20", "-rss_limit_mb=2048", "-max_len=1000000", "-print_final_stats=1"]);
    Ok(process::status(&mut command)?.success())
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("fuzz")
}

fn corpus_of(workspace: &Workspace) -> PathBuf {
    workspace.kept().join("corpus")
}
