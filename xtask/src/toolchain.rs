//! The stated least toolchain, against the one that is here.

use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::steps::Outcome;
use crate::workspace::Workspace;

/// Checks that every package states the same least toolchain, and that the workspace builds with it: either it is the
/// toolchain of this run, or rustup has it.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let mut stated: Vec<&str> = Vec::new();
    for package in &workspace.packages {
        let version = package.rust_version.as_deref();
        stated.push(version.with_context(|| format!("{} states no rust-version", package.name))?);
    }
    stated.sort_unstable();
    stated.dedup();
    let [least] = stated.as_slice() else {
        return Ok(Outcome::Failed(format!("the packages state different versions: {}", stated.join(", "))));
    };
    let rustc = process::output(Command::new("rustc").arg("--version"))?;
    let here = rustc.split_whitespace().nth(1).context("rustc --version says nothing")?;
    let (Some(wanted), Some(found)) = (minor(least), minor(here)) else {
        return Ok(Outcome::Failed(format!("cannot compare rust-version {least} with rustc {here}")));
    };
    if found == wanted {
        return Ok(Outcome::Passed(format!("rust-version {least}, the toolchain of this run")));
    }
    if found < wanted {
        return Ok(Outcome::Failed(format!("rust-version is {least}, this is rustc {here}")));
    }
    let mut check = Command::new("rustup");
    check.current_dir(&workspace.root).args(["run", least]);
    if !process::succeeds(check.args(["cargo", "--version"])) {
        return Ok(Outcome::NotRun(format!("rust-version is {least}, this is rustc {here}, rustup has no {least}")));
    }
    let mut check = Command::new("rustup");
    check.current_dir(&workspace.root).args(["run", least, "cargo", "check", "--workspace", "--all-targets"]);
    Ok(Outcome::of(process::status(&mut check)?.success(), &format!("does not build with {least}")))
}

/// Major and minor number of a version.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(minor("1.95"), minor("1.95.0"));
        assert!(minor("1.100.0-nightly") > minor("1.95"));
        assert_eq!(minor("one"), None);
    }
}
