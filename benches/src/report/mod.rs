//! The page that a reader sees: docs/benchmarks.md with its plots, made from the kept results alone.

mod plot;
mod table;
mod targets;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::caches::Cache;
use crate::results::{Results, Run};
use crate::tools::Step;

pub(crate) use self::targets::table as targets;

/// The name under which our own tool is kept.
const OURS: &str = "backup";

/// A number that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Wall(Step),
    Cpu(Step),
    /// After the first push.
    Repository,
    /// The largest over all steps and rounds.
    Memory,
}

impl Measure {
    /// The number in seconds, MiB or MB; for repeated runs the median.
    fn of(self, results: &Results, set: crate::data::Set, tool: &str, cache: Cache) -> Option<f64> {
        let median = |step, number: fn(&crate::measure::Usage, u64) -> f64| {
            results.spread(set, tool, step, cache, number).map(|spread| spread.median)
        };
        match self {
            Self::Wall(step) => median(step, |usage, _| usage.wall_seconds),
            Self::Cpu(step) => median(step, |usage, _| usage.cpu_seconds),
            Self::Repository => median(Step::FirstPush, |_, bytes| bytes as f64 / (1024.0 * 1024.0)),
            Self::Memory => Step::ALL
                .into_iter()
                .filter_map(|step| results.spread(set, tool, step, cache, |usage, _| usage.peak_bytes as f64 / 1e6))
                .map(|spread| spread.most)
                .reduce(f64::max),
        }
    }
}

/// The folder beside the page with what belongs to it.
fn folder_of(page: &Path) -> PathBuf {
    page.with_extension("")
}

/// Where the results of a page are kept.
pub(crate) fn results_of(page: &Path) -> PathBuf {
    folder_of(page).join("results.json")
}

/// Writes the page, its plots and its results.
pub(crate) fn write(results: &Results, page: &Path) -> Result<()> {
    let folder = folder_of(page);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    results.write(&results_of(page))?;
    let plots = plot::write_all(results, &folder)?;
    // What a person found out about a missed target stands in a file of its own: the page is made anew.
    let notes = fs::read_to_string(folder.join("notes.md")).ok();
    let text = compose(results, &plots, notes.as_deref())?;
    fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))
}

fn compose(results: &Results, plots: &[PathBuf], notes: Option<&str>) -> Result<String> {
    let mut text = String::new();
    let machine = &results.machine;
    writeln!(text, "# Benchmarks\n\nWritten by `cargo xtask bench`; do not edit.\n")?;
    if results.factor != 1.0 {
        writeln!(
            text,
            "**The data sets had {} of their full size: the targets are not meant for that.**\n",
            results.factor
        )?;
    }
    writeln!(
        text,
        "{} cores of {}, {:.1} GB of memory, Linux {}; data and repositories on {}, restores into tmpfs.\n",
        machine.cores,
        machine.processor,
        machine.memory_bytes as f64 / 1e9,
        machine.kernel,
        machine.file_system
    )?;
    writeln!(text, "## Targets\n\n{}\n{}", targets(results), targets::EXPLANATION)?;
    table::sets(results, &mut text)?;
    if !plots.is_empty() {
        writeln!(text, "## Plots\n")?;
        for plot in plots {
            writeln!(text, "![{}]({})\n", plot.file_stem().unwrap_or_default().display(), plot.display())?;
        }
    }
    table::tools(results, &mut text)?;
    writeln!(text, "{METHOD}")?;
    let rounds = |cache| results.runs.iter().filter(|run: &&Run| run.cache == cache).map(|run| run.round + 1).max();
    writeln!(text, "- Rounds with a warm cache: {}.", rounds(Cache::Warm).unwrap_or(0))?;
    match (&results.no_cold, rounds(Cache::Cold)) {
        (Some(reason), _) => writeln!(text, "- No rounds with a cold cache: {reason}.")?,
        (None, cold) => writeln!(text, "- Rounds with a cold cache: {}.", cold.unwrap_or(0))?,
    }
    if let Some(notes) = notes {
        writeln!(text, "\n{}", notes.trim())?;
    }
    Ok(text)
}

const METHOD: &str = "\
## How it is measured
- Every step of every tool runs once a round; the tools alternate step by step and start in turn. Numbers are medians
  over the rounds.
- Only ratios from one run mean something: the speed of a shared machine drifts.
- Wall is the time from start to end of the tool's processes, CPU their user and system time, memory the largest
  resident set of one process (of a pipeline, the sum over its programs) over all steps.
- Before each step everything written is synced to disk. Warm: data, repository and the tool's cache are in the page
  cache as far as memory reaches. Cold: the page cache was dropped just before the step.
- Each tool has a home, cache and repository of its own, new in every round. Restores go into a tmpfs that is mounted
  for one step, and are compared with the source: all bytes in the first round, names and lengths in the others.
- The second push follows the first with nothing changed. One file is the one in the middle of the set.
- Prune: half of the set is pushed as a third snapshot, then the first two are forgotten and what only they used is
  freed.";

#[cfg(test)]
mod tests;
