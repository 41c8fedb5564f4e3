//! The examples: each is run, and each asserts its own result.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::built::executables;
use crate::counts::Tally;
use crate::process;
use crate::steps::Outcome;
use crate::suite::cargo_test;
use crate::workspace::Workspace;

/// The name under which the tests of packages outside the workspace are counted.
const OUTSIDE: &str = "(outside)";

/// Runs every example of every package, and every program of the packages below examples/. Gives how many succeeded.
pub(crate) fn run_all(workspace: &Workspace, succeeded: &mut u64) -> Result<Outcome> {
    let mut build = workspace.cargo();
    build.args(["build", "--workspace", "--all-features", "--examples", "--bins", "--locked"]);
    let folder = workspace.root.join("examples");
    let mut failed = Vec::new();
    for program in executables(workspace, &mut build)? {
        if program.kind != "example" && !program.package.manifest.starts_with(&folder) {
            continue;
        }
        if process::status(Command::new(&program.path).current_dir(&workspace.root))?.success() {
            *succeeded += 1;
        } else {
            failed.push(program.path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    let remark = format!("{succeeded} ran");
    Ok(if failed.is_empty() { Outcome::Passed(remark) } else { Outcome::Failed(failed.join(", ")) })
}

/// Tests the packages below examples/ that are not members of the workspace, as a stranger would build them: with
/// their own manifest, against the public API.
pub(crate) fn test_outside(workspace: &Workspace, tally: &mut Tally) -> Result<Outcome> {
    let mut failed = Vec::new();
    let outside = outside(workspace)?;
    for manifest in &outside {
        let mut command = workspace.cargo();
        command.args(["test", "--manifest-path"]).arg(manifest);
        command.arg("--target-dir").arg(workspace.target.join("outside"));
        let (status, found) = cargo_test(&mut command, Default::default())?;
        if !status.success() || found.total().passed == 0 {
            failed.push(manifest.display().to_string());
        }
        tally.merge(Tally { by_package: [(OUTSIDE.to_owned(), found.total())].into(), ..Tally::default() });
    }
    let remark = format!("{} packages", outside.len());
    Ok(if failed.is_empty() { Outcome::Passed(remark) } else { Outcome::Failed(failed.join(", ")) })
}

fn outside(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let folder = workspace.root.join("examples");
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let manifest = entry?.path().join("Cargo.toml");
        if manifest.is_file() && workspace.packages.iter().all(|package| package.manifest != manifest) {
            found.push(manifest);
        }
    }
    found.sort();
    Ok(found)
}
