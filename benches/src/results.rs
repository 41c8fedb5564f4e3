//! All that was measured, as it is kept in results.json, so that the tables can be made anew.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::caches::Cache;
use crate::data::{Facts, Set};
use crate::machine::Machine;
use crate::measure::Usage;
use crate::tools::Step;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The part of the full size of the data sets.
    pub(crate) factor: f64,
    pub(crate) machine: Machine,
    /// Why there is no cold row, if there is none.
    pub(crate) no_cold: Option<String>,
    pub(crate) tools: Vec<ToolFacts>,
    pub(crate) sets: Vec<SetFacts>,
    pub(crate) runs: Vec<Run>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ToolFacts {
    pub(crate) name: String,
    /// Nothing if it is not installed.
    pub(crate) version: Option<String>,
    pub(crate) settings: String,
    pub(crate) deduplicates: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SetFacts {
    pub(crate) set: Set,
    /// When its first round began, RFC 3339 in UTC.
    pub(crate) began: String,
    /// Processes that wanted to run in the minute before.
    pub(crate) load_before: f64,
    #[serde(flatten)]
    pub(crate) facts: Facts,
}

/// One step of one tool in one round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) set: Set,
    pub(crate) tool: String,
    pub(crate) step: Step,
    pub(crate) round: usize,
    pub(crate) cache: Cache,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Done {
        #[serde(flatten)]
        usage: Usage,
        /// The length of all files of the repository after the step.
        repository_bytes: u64,
    },
    /// What went wrong, in a line.
    Failed(String),
}

/// A number over the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Results {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Adds the sets of an earlier run that are not measured anew: each set is compared within one run, all need not be.
    ///
    /// # Errors
    /// When the two do not belong on one page: another size, machine, or version of a tool.
    pub(crate) fn keep(&mut self, earlier: Self) -> Result<()> {
        ensure!(earlier.factor == self.factor, "the page has sets of another size: {}", earlier.factor);
        ensure!(earlier.machine == self.machine, "the page is from another machine: {:?}", earlier.machine);
        for tool in earlier.tools {
            match self.tools.iter_mut().find(|known| known.name == tool.name) {
                Some(known) if known.version.is_none() => *known = tool,
                Some(known) => ensure!(
                    tool.version.is_none() || tool.version == known.version,
                    "the page has another version of {}: {}",
                    tool.name,
                    tool.version.unwrap_or_default()
                ),
                None => self.tools.push(tool),
            }
        }
        let anew = |set: Set| self.sets.iter().any(|known| known.set == set);
        let runs: Vec<Run> = earlier.runs.into_iter().filter(|run| !anew(run.set)).collect();
        let sets: Vec<SetFacts> = earlier.sets.into_iter().filter(|facts| !anew(facts.set)).collect();
        self.runs.extend(runs);
        self.sets.extend(sets);
        self.sets.sort_by_key(|facts| facts.set);
        Ok(())
    }

    /// The runs of one cell of a table.
    pub(crate) fn runs(&self, set: Set, tool: &str, step: Step, cache: Cache) -> impl Iterator<Item = &Run> {
        let matches = move |run: &&Run| run.set == set && run.step == step && run.cache == cache;
        let tool = tool.to_owned();
        self.runs.iter().filter(matches).filter(move |run| run.tool == tool)
    }

    /// A number of one cell over the rounds; nothing if it was not measured, or failed in any round.
    pub(crate) fn spread(
        &self,
        set: Set,
        tool: &str,
        step: Step,
        cache: Cache,
        number: impl Fn(&Usage, u64) -> f64,
    ) -> Option<Spread> {
        let mut numbers = Vec::new();
        for run in self.runs(set, tool, step, cache) {
            match &run.outcome {
                Outcome::Done { usage, repository_bytes } => numbers.push(number(usage, *repository_bytes)),
                Outcome::Failed(_) => return None,
            }
        }
        Spread::of(numbers)
    }
}

impl Spread {
    fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        let median = match numbers.len() % 2 {
            1 => *numbers.get(middle)?,
            _ => (numbers.get(middle.checked_sub(1)?)? + numbers.get(middle)?) / 2.0,
        };
        Some(Self { least: *numbers.first()?, median, most: *numbers.last()? })
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![3.0, 1.0, 9.0]), Some(Spread { least: 1.0, median: 3.0, most: 9.0 }));
        assert_eq!(Spread::of(vec![4.0, 1.0, 9.0, 2.0]).map(|spread| spread.median), Some(3.0));
    }
}
