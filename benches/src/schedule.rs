//! The order of the runs. The machine's own speed drifts, so the tools alternate step by step, and start in turn.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::caches::Cache;
use crate::data::{DataSet, walk};
use crate::measure::{Usage, pipeline};
use crate::results::{Outcome, Run};
use crate::scratch::Scratch;
use crate::tools::{PASSWORD, Place, Step, Tool};
use crate::verify::{self, Depth};

/// One round over one data set.
pub(crate) struct Round<'a> {
    pub(crate) work: &'a Path,
    pub(crate) data: &'a DataSet,
    pub(crate) number: usize,
    pub(crate) cache: Cache,
}

impl Round<'_> {
    /// Runs all steps of all tools. A tool that fails is left out of the rest of the round.
    pub(crate) fn run(&self, tools: &[&dyn Tool]) -> Result<Vec<Run>> {
        let folder =
            self.work.join("rounds").join(format!("{}-{:?}-{}", self.data.set.name(), self.cache, self.number));
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let mut places = Vec::new();
        for (index, tool) in tools.iter().enumerate() {
            places.push((*tool, self.place(&folder.join(index.to_string()))?, false));
        }
        let mut runs = Vec::new();
        for (turn, step) in Step::ALL.into_iter().enumerate() {
            let first = (self.number + turn) % places.len().max(1);
            let (before, after) = places.split_at_mut(first);
            for (tool, place, failed) in after.iter_mut().chain(before) {
                if *failed {
                    continue;
                }
                let outcome = match self.step(*tool, step, place) {
                    Ok(None) => continue,
                    Ok(Some((usage, repository_bytes))) => Outcome::Done { usage, repository_bytes },
                    Err(error) => {
                        *failed = true;
                        Outcome::Failed(format!("{error:#}"))
                    }
                };
                let run = Run {
                    set: self.data.set,
                    tool: tool.name().to_owned(),
                    step,
                    round: self.number,
                    cache: self.cache,
                    outcome,
                };
                announce(&run);
                runs.push(run);
            }
        }
        // Few and large files; nothing is measured right after.
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        Ok(runs)
    }

    fn place(&self, folder: &Path) -> Result<Place<'_>> {
        let home = folder.join("home");
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let place = Place { data: self.data, repository: folder.join("repository"), home, out: PathBuf::new() };
        fs::write(place.password_file(), PASSWORD)?;
        Ok(place)
    }

    /// Runs one step; nothing if the tool does not have it.
    fn step(&self, tool: &dyn Tool, step: Step, place: &mut Place<'_>) -> Result<Option<(Usage, u64)>> {
        let scratch = step.restores().then(|| Scratch::new(&self.work.join("restore"))).transpose()?;
        place.out = scratch.as_ref().map(|scratch| scratch.path().to_owned()).unwrap_or_default();
        let commands = tool.step(step, place)?;
        if commands.is_empty() {
            return Ok(None);
        }
        let logs = place.home.join("logs-of-steps").join(step.name());
        fs::create_dir_all(&logs)?;
        self.cache.prepare(self.work)?;
        let mut usage = Usage::default();
        for programs in commands {
            usage = usage.then(pipeline(&programs, &logs)?);
        }
        let depth = if self.number == 0 { Depth::Contents } else { Depth::Names };
        verify::restored(step, place, depth)?;
        Ok(Some((usage, length(&place.repository)?)))
    }
}

/// The length of all files below a folder.
fn length(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    walk(folder, |_, metadata| {
        bytes += if metadata.is_file() { metadata.len() } else { 0 };
        Ok(())
    })?;
    Ok(bytes)
}

fn announce(run: &Run) {
    let what =
        format!("{:<8}{:?} {} {:<16} {:<16}", run.set.name(), run.cache, run.round + 1, run.step.name(), run.tool);
    match &run.outcome {
        Outcome::Done { usage, repository_bytes } => eprintln!(
            "{what}{:>8.2} s wall {:>8.2} s CPU {:>6.0} MB memory {:>8.1} MiB repository",
            usage.wall_seconds,
            usage.cpu_seconds,
            usage.peak_bytes as f64 / 1e6,
            *repository_bytes as f64 / (1024.0 * 1024.0)
        ),
        Outcome::Failed(error) => eprintln!("{what}FAILED {error}"),
    }
}
