//! cargo-deny: licences, bans and sources of all dependencies, and known vulnerabilities where their database can be
//! had.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::steps::Outcome;
use crate::tools::Tool;
use crate::workspace::Workspace;

const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", arguments: &["--no-default-features"] };

/// Checks licences, bans and sources.
pub(crate) fn rules(workspace: &Workspace) -> Result<Outcome> {
    let deny = CARGO_DENY.installed(workspace)?;
    let mut command = check(workspace, &deny);
    command.args(["bans", "licenses", "sources"]);
    Ok(Outcome::of(process::status(&mut command)?.success(), "see above"))
}

/// Checks the known vulnerabilities; not run where the database cannot be fetched.
pub(crate) fn advisories(workspace: &Workspace) -> Result<Outcome> {
    let deny = CARGO_DENY.installed(workspace)?;
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
