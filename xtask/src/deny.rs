//! cargo-deny: licences, bans and sources of all dependencies, and known vulnerabilities where their database can be
//! had.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::steps::Outcome;
use crate::workspace::Workspace;

const VERSION: &str = "0.20.2";

/// Checks licences, bans and sources.
pub(crate) fn rules(workspace: &Workspace) -> Result<Outcome> {
    let deny = installed(workspace)?;
    let mut command = check(workspace, &deny);
    command.args(["bans", "licenses", "sources"]);
    Ok(Outcome::of(process::status(&mut command)?.success(), "see above"))
}

/// Checks the known vulnerabilities; not run where the database cannot be fetched.
pub(crate) fn advisories(workspace: &Workspace) -> Result<Outcome> {
    let deny = installed(workspace)?;
    let mut fetch = Command::new(&deny);
    fetch.current_dir(&workspace.root).args(["--log-level", "off", "fetch", "db"]);
    if !process::succeeds(&mut fetch) {
        return Ok(Outcome::NotRun("the advisory database cannot be fetched".to_owned()));
    }
    let mut command = check(workspace, &deny);
    command.args(["--disable-fetch", "advisories"]);
    Ok(Outcome::of(process::status(&mut command)?.success(), "see above"))
}

fn check(workspace: &Workspace, deny: &Path) -> Command {
    let mut command = Command::new(deny);
    // A licence or duplicate that is only remarked upon is noise: the run says what is wrong, nothing else.
    command.current_dir(&workspace.root).args(["--log-level", "error", "--workspace", "--all-features", "check"]);
    command
}

/// The pinned cargo-deny, built once into the target directory. Another version, with other rules, may be installed
/// on the machine: it stays as it is.
fn installed(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.kept().join("tools");
    let deny = folder.join("bin/cargo-deny");
    let version = process::output(Command::new(&deny).arg("--version")).unwrap_or_default();
    if version.split_whitespace().last() == Some(VERSION) {
        return Ok(deny);
    }
    let mut install = workspace.cargo();
    // Without optimisation: it runs for a second, and would take twice as long to build.
    install.args(["install", "cargo-deny", "--locked", "--no-default-features", "--debug", "--quiet", "--version"]);
    install.arg(format!("={VERSION}")).arg("--root").arg(&folder);
    install.arg("--target-dir").arg(workspace.target.join("tools"));
    anyhow::ensure!(process::status(&mut install)?.success(), "cannot install cargo-deny {VERSION}");
    Ok(deny)
}
