//! The examples: each is run, and each asserts its own result.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::counts::Tally;
use crate::process;
use crate::steps::Outcome;
use crate::suite::cargo_test;
use crate::workspace::{Package, Workspace};

/// The name under which the number of examples that ran is pinned.
const PINNED_AS: &str = "(examples)";

/// Runs every example target of every package, and counts them into the tally.
pub(crate) fn run_all(workspace: &Workspace, tally: &mut Tally) -> Result<Outcome> {
    let mut failed = Vec::new();
    let counts = tally.by_package.entry(PINNED_AS.to_owned()).or_default();
    for package in &workspace.packages {
        for target in package.targets.iter().filter(|target| target.kind == "example") {
            let mut command = workspace.cargo();
            command.args(["run", "--quiet", "--package", &package.name, "--example", &target.name]);
            if !target.required_features.is_empty() {
                command.args(["--features", &target.required_features.join(",")]);
            }
            if process::status(&mut command)?.success() {
                counts.passed += 1;
            } else {
                counts.failed += 1;
                failed.push(target.name.as_str());
            }
        }
    }
    let remark = format!("{} ran", counts.passed + counts.failed);
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
        tally.merge(Tally { by_package: [(PINNED_OUTSIDE.to_owned(), found.total())].into(), crashed: Vec::new() });
    }
    let remark = format!("{} packages", outside.len());
    Ok(if failed.is_empty() { Outcome::Passed(remark) } else { Outcome::Failed(failed.join(", ")) })
}

/// The name under which the number of tests outside the workspace is pinned.
const PINNED_OUTSIDE: &str = "(outside)";

fn outside(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let folder = workspace.root.join("examples");
    let is_member = |manifest: &PathBuf| workspace.packages.iter().any(|Package { manifest: own, .. }| own == manifest);
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let manifest = entry?.path().join("Cargo.toml");
        if manifest.is_file() && !is_member(&manifest) {
            found.push(manifest);
        }
    }
    found.sort();
    Ok(found)
}
