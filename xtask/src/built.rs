//! What a cargo build made, from its messages.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;
use crate::workspace::{Package, Workspace, array, text};

/// A program that a build made.
pub(crate) struct Executable<'a> {
    pub(crate) path: PathBuf,
    pub(crate) package: &'a Package,
    /// `lib` for a library's unit tests, else `bin`, `test` or `example`.
    pub(crate) kind: String,
}

/// Runs a build and gives the programs that it made, or found up to date, in the workspace's packages.
pub(crate) fn executables<'a>(workspace: &'a Workspace, build: &mut Command) -> Result<Vec<Executable<'a>>> {
    build.arg("--message-format=json-render-diagnostics");
    let messages = process::output(build)?;
    let mut found = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's build messages")?;
        let Some(path) = message.get("executable").and_then(Value::as_str) else { continue };
        let id = text(&message, "package_id")?;
        let Some(package) = workspace.packages.iter().find(|package| package.id == id) else { continue };
        let target = message.get("target").context("a build message without a target")?;
        let kind = array(target, "kind").find_map(Value::as_str).context("a target without a kind")?.to_owned();
        found.push(Executable { path: path.into(), package, kind });
    }
    Ok(found)
}
