//! The least number of tests that each package must run: a pinned file, so that an empty run fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::counts::Tally;
use crate::workspace::Workspace;

const HEADER: &str = "\
# The least number of passed tests of each package, and of examples that ran. `cargo xtask test` fails below it.
# `cargo xtask test --raise-floors` raises the numbers to those of a green run; only a removed test lowers one by hand.
";

/// The pinned floors.
pub(crate) struct Floors {
    path: PathBuf,
    by_name: BTreeMap<String, u64>,
}

impl Floors {
    /// Reads the pinned file of the workspace.
    pub(crate) fn load(workspace: &Workspace) -> Result<Self> {
        let path = workspace.root.join("xtask/test-floors.txt");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { by_name: parse(&text).with_context(|| path.display().to_string())?, path })
    }

    /// What is below its floor, or has none; one line each.
    pub(crate) fn violations(&self, ran: &BTreeMap<String, u64>) -> Vec<String> {
        let below = self.by_name.iter().filter_map(|(name, floor)| {
            let count = ran.get(name).copied().unwrap_or(0);
            (count < *floor).then(|| format!("{name}: {count} ran, the floor is {floor}"))
        });
        let unpinned = ran.keys().filter(|name| !self.by_name.contains_key(*name));
        below.chain(unpinned.map(|name| format!("{name}: no floor is pinned"))).collect()
    }

    /// Raises every floor to what ran and writes the file.
    pub(crate) fn raise(&mut self, ran: &BTreeMap<String, u64>) -> Result<()> {
        for (name, count) in ran {
            let floor = self.by_name.entry(name.clone()).or_default();
            *floor = (*floor).max(*count);
        }
        let mut text = HEADER.to_owned();
        for (name, floor) in &self.by_name {
            writeln!(text, "{name} {floor}")?;
        }
        std::fs::write(&self.path, text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// What ran, under the names of the pinned file: every package of the workspace, what else the tally has, and examples.
pub(crate) fn ran(workspace: &Workspace, tally: &Tally, examples: u64) -> BTreeMap<String, u64> {
    let mut ran: BTreeMap<String, u64> = workspace.packages.iter().map(|package| (package.name.clone(), 0)).collect();
    for (name, counts) in &tally.by_package {
        ran.insert(name.clone(), counts.passed);
    }
    ran.insert("(examples)".to_owned(), examples);
    ran
}

fn parse(text: &str) -> Result<BTreeMap<String, u64>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, floor) = line.split_once(' ').with_context(|| format!("not `name number`: {line}"))?;
            Ok((name.to_owned(), floor.trim().parse().with_context(|| format!("not a number: {line}"))?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floors(text: &str) -> Floors {
        Floors { path: PathBuf::new(), by_name: parse(text).unwrap() }
    }

    fn ran<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
        counts.map(|(name, count)| (name.to_owned(), count)).into()
    }

    #[test]
    fn below_missing_and_unpinned_are_violations() {
        let floors = floors("# comment\n\ncore 10\ncli 5\n");
        assert!(floors.violations(&ran([("core", 10), ("cli", 6)])).is_empty());
        assert_eq!(floors.violations(&ran([("core", 9), ("cli", 5)])), ["core: 9 ran, the floor is 10"]);
        assert_eq!(floors.violations(&ran([("core", 10)])), ["cli: 0 ran, the floor is 5"]);
        let new = floors.violations(&ran([("core", 10), ("cli", 5), ("new", 1)]));
        assert_eq!(new, ["new: no floor is pinned"]);
    }

    #[test]
    fn a_broken_file_is_an_error() {
        assert!(parse("core").is_err());
        assert!(parse("core many").is_err());
    }
}
