//! `cargo xtask peers`: the tools that `bench` compares with.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::setup::{apt_install, runs};

/// A call that prints the version, the Debian package if there is one, and how else to get it.
const PEERS: &[(&[&str], Option<&str>, &str)] = &[
    (&["restic", "version"], Some("restic"), "go install github.com/restic/restic/cmd/restic@latest"),
    (&["borg", "--version"], Some("borgbackup"), ""),
    (&["age", "--version"], Some("age"), ""),
    (&["zstd", "--version"], Some("zstd"), ""),
    (&["tar", "--version"], Some("tar"), ""),
    (&["rustic", "--version"], None, "cargo install --locked rustic-rs"),
    (&["kopia", "--version"], None, "go install github.com/kopia/kopia@latest"),
];

/// Installs what apt has and says how to get the rest.
pub(crate) fn run() -> Result<bool> {
    let missing: Vec<&str> =
        PEERS.iter().filter(|(call, ..)| !runs(call)).filter_map(|(_, package, _)| *package).collect();
    if !missing.is_empty() {
        apt_install(&missing)?;
    }
    for (call, _, otherwise) in PEERS {
        let Some((program, arguments)) = call.split_first() else { continue };
        if runs(call) {
            let version = process::output(Command::new(program).args(arguments))?;
            println!("{program:<8} {}", version.lines().next().unwrap_or_default());
        } else {
            println!("{program:<8} missing: {otherwise}");
        }
    }
    Ok(true)
}
