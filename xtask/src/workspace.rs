//! What `cargo metadata` says about the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The workspace: where it lies and what it builds.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target directory, wherever CARGO_TARGET_DIR or a configuration puts it.
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A member of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Cargo's opaque name of this package, as it stands in build messages.
    pub(crate) id: String,
    pub(crate) manifest: PathBuf,
    /// The least toolchain it promises to build with.
    pub(crate) rust_version: Option<String>,
    pub(crate) targets: Vec<Target>,
}

/// Something that a package builds.
pub(crate) struct Target {
    pub(crate) name: String,
    /// `lib`, `bin`, `test`, `bench`, `example`, ...
    pub(crate) kind: String,
}

impl Workspace {
    /// Asks cargo about the workspace that this program was built from.
    pub(crate) fn load() -> Result<Self> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies at the top of the file system")?;
        let mut command = cargo();
        command.args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"]).arg(root.join("Cargo.toml"));
        let metadata: Value = serde_json::from_str(&process::output(&mut command)?).context("cargo metadata")?;
        let packages = array(&metadata, "packages").map(package).collect::<Result<Vec<_>>>()?;
        anyhow::ensure!(!packages.is_empty(), "the workspace has no packages");
        Ok(Self { root: root.to_owned(), target: text(&metadata, "target_directory")?.into(), packages })
    }

    /// A cargo command in the root of the workspace, with plain output.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root).env("CARGO_TERM_COLOR", "never");
        command
    }

    /// The folder for what this program keeps between runs.
    pub(crate) fn kept(&self) -> PathBuf {
        self.target.join("xtask")
    }
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn package(value: &Value) -> Result<Package> {
    let targets = array(value, "targets").map(target).collect::<Result<_>>()?;
    Ok(Package {
        name: text(value, "name")?,
        id: text(value, "id")?,
        manifest: text(value, "manifest_path")?.into(),
        rust_version: text(value, "rust_version").ok(),
        targets,
    })
}

fn target(value: &Value) -> Result<Target> {
    let kind = array(value, "kind").find_map(Value::as_str).context("cargo metadata: a target without a kind")?;
    Ok(Target { name: text(value, "name")?, kind: kind.to_owned() })
}

/// The elements below `key`; none if there is no such array.
pub(crate) fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

/// The text below `key`.
pub(crate) fn text(value: &Value, key: &str) -> Result<String> {
    let found = value.get(key).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("cargo metadata: no text at `{key}`"))
}
