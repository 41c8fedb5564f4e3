//! Programs that cargo builds, pinned and kept in the target directory. Another version may be installed on the machine:
//! it stays as it is.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// A tool's package, its version, and what `cargo install` is given beside.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) arguments: &'static [&'static str],
}

impl Tool {
    /// The program, built if it is not there.
    pub(crate) fn installed(&self, workspace: &Workspace) -> Result<PathBuf> {
        let Tool { name, version, arguments } = self;
        let folder = workspace.kept().join("tools");
        let program = folder.join("bin").join(name);
        let found = process::output(Command::new(&program).arg("--version")).unwrap_or_default();
        if found.split_whitespace().last() == Some(version) {
            return Ok(program);
        }
        let mut install = workspace.cargo();
        // Without optimisation: they run for a second, and would take twice as long to build.
        install.args(["install", name, "--locked", "--debug", "--quiet"]).args(*arguments);
        install.arg("--version").arg(format!("={version}")).arg("--root").arg(&folder);
        install.arg("--target-dir").arg(workspace.target.join("tools"));
        anyhow::ensure!(process::status(&mut install)?.success(), "cannot install {name} {version}");
        Ok(program)
    }
}
