//! The tools that are compared, behind one small trait: each says what to run for a step.

mod borg;
mod kopia;
mod ours;
mod pipe;
mod restic;
mod rustic;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::DataSet;
use crate::measure::Program;

/// What is measured, in the order in which it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Init,
    FirstPush,
    /// Nothing changed since the first.
    SecondPush,
    /// Everything, into an empty tmpfs.
    Pull,
    /// One file from the middle of the set, into an empty tmpfs.
    PullOne,
    /// Half of the set once more, as a snapshot of its own: what stays after the next step.
    PushKept,
    /// Forgets the first two snapshots and frees what only they used.
    Prune,
}

impl Step {
    pub(crate) const ALL: [Self; 7] =
        [Self::Init, Self::FirstPush, Self::SecondPush, Self::Pull, Self::PullOne, Self::PushKept, Self::Prune];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::FirstPush => "first push",
            Self::SecondPush => "second push",
            Self::Pull => "pull",
            Self::PullOne => "pull of one file",
            Self::PushKept => "push of half",
            Self::Prune => "prune",
        }
    }

    /// Whether the step writes into an empty folder outside the repository.
    pub(crate) fn restores(self) -> bool {
        matches!(self, Self::Pull | Self::PullOne)
    }
}

/// Where a tool works in one round.
pub(crate) struct Place<'a> {
    pub(crate) data: &'a DataSet,
    /// The repository; not there before `Init`.
    pub(crate) repository: PathBuf,
    /// Home of the tool: caches, configuration, keys.
    pub(crate) home: PathBuf,
    /// An empty folder to restore into.
    pub(crate) out: PathBuf,
}

impl Place<'_> {
    /// The file with the password of the repository, in the tool's home.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.home.join("password")
    }

    /// A program that sees this home and no other.
    fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Program {
        Program::new(program)
            .env("HOME", &self.home)
            .env("XDG_CACHE_HOME", self.home.join("cache"))
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .env("XDG_DATA_HOME", self.home.join("share"))
    }
}

/// The password of every repository here; it protects nothing.
pub(crate) const PASSWORD: &str = "for the benchmark only";

/// A tool to compare.
pub(crate) trait Tool {
    fn name(&self) -> &'static str;

    /// The call that prints its version.
    fn version(&self) -> Program;

    /// What a reader should know of its settings.
    fn settings(&self) -> &'static str;

    /// Whether it keeps each chunk once.
    fn deduplicates(&self) -> bool {
        true
    }

    /// What to run for a step, one after the other, each a pipeline. Empty if the tool has no such thing.
    fn step(&self, step: Step, place: &Place<'_>) -> Result<Vec<Vec<Program>>>;
}

/// All tools, ours first.
pub(crate) fn all(ours: &Path) -> Vec<Box<dyn Tool>> {
    vec![
        Box::new(ours::Ours::new(ours)),
        Box::new(restic::Restic),
        Box::new(rustic::Rustic),
        Box::new(borg::Borg),
        Box::new(kopia::Kopia),
        Box::new(pipe::Pipe),
    ]
}

/// The texts at `key` of the objects of a JSON array.
fn ids(json: &[u8], key: &str) -> Result<Vec<String>> {
    let list: Value = serde_json::from_slice(json).context("a list of snapshots that is not JSON")?;
    let list = list.as_array().context("a list of snapshots that is not an array")?;
    let id = |value: &Value| value.get(key).and_then(Value::as_str).map(str::to_owned);
    list.iter().map(|value| id(value).with_context(|| format!("a snapshot without `{key}`"))).collect()
}

/// An absolute path without its leading slash.
fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn snapshot_ids_are_read_or_refused() {
        assert_eq!(ids(br#"[{"id":"a"},{"id":"b","x":1}]"#, "id").unwrap(), ["a", "b"]);
        assert!(ids(br#"[{"name":"a"}]"#, "id").is_err());
        assert!(ids(b"no snapshots", "id").is_err());
    }
}
