//! `cargo xtask bench`: the comparison with other tools (the package in benches/), or the crates' own micro-benchmarks.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Runs what the words after `bench` ask for.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Result<bool> {
    match words.split_first() {
        Some((first, filter)) if first == "--micro" => micro(workspace, filter),
        _ => compare(workspace, words),
    }
}

/// Builds the command line and the harness with optimisation and hands over all words.
fn compare(workspace: &Workspace, words: &[String]) -> Result<bool> {
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--package", "backup-cli", "--package", "backup-benches"]);
    if !process::status(&mut build)?.success() {
        return Ok(false);
    }
    let release = workspace.target.join("release");
    let mut harness = Command::new(release.join("backup-benches"));
    harness.current_dir(&workspace.root).args(["--backup".as_ref(), release.join("backup").as_os_str()]);
    harness.args(["--work".as_ref(), workspace.target.join("bench").as_os_str()]).args(words);
    Ok(process::status(&mut harness)?.success())
}

/// Runs every benchmark target of every package; a filter is criterion's.
fn micro(workspace: &Workspace, filter: &[String]) -> Result<bool> {
    let mut found = false;
    for package in &workspace.packages {
        for target in package.targets.iter().filter(|target| target.kind == "bench") {
            found = true;
            let mut command = workspace.cargo();
            command.args(["bench", "--package", &package.name, "--bench", &target.name, "--"]).args(filter);
            if !process::status(&mut command)?.success() {
                return Ok(false);
            }
        }
    }
    anyhow::ensure!(found, "no package has a benchmark");
    Ok(true)
}
