//! The tables of the page: one for each data set and state of the cache, and one of the tools.

use std::fmt::{self, Write};

use super::Measure;
use crate::caches::Cache;
use crate::data::Set;
use crate::results::{Outcome, Results, SetFacts};
use crate::tools::Step;

/// The steps that have a column.
const COLUMNS: [Step; 5] = [Step::FirstPush, Step::SecondPush, Step::Pull, Step::PullOne, Step::Prune];

/// A section for each data set.
pub(super) fn sets(results: &Results, text: &mut String) -> fmt::Result {
    for SetFacts { set, began, load_before, facts } in &results.sets {
        writeln!(
            text,
            "## {}\n\n{} files, {:.1} MB, BLAKE3 `{}`; begun {began} at a load of {load_before:.2}\n",
            set.name(),
            facts.files,
            facts.bytes as f64 / 1e6,
            facts.hash
        )?;
        for cache in [Cache::Warm, Cache::Cold] {
            if results.runs.iter().any(|run| run.set == *set && run.cache == cache) {
                one(results, *set, cache, text)?;
            }
        }
        failures(results, *set, text)?;
    }
    Ok(())
}

fn one(results: &Results, set: Set, cache: Cache, text: &mut String) -> fmt::Result {
    let name = if cache == Cache::Warm { "Warm cache" } else { "Cold cache" };
    write!(text, "{name}: wall seconds (CPU seconds)\n\n| |")?;
    COLUMNS.iter().try_for_each(|step| write!(text, " {} |", step.name()))?;
    writeln!(text, " repository MiB | memory MB |\n|---|{}", "---:|".repeat(COLUMNS.len() + 2))?;
    let mut widest: f64 = 1.0;
    let took_part =
        |name: &str| results.runs.iter().any(|run| run.set == set && run.cache == cache && run.tool == name);
    for tool in results.tools.iter().filter(|tool| took_part(&tool.name)) {
        write!(text, "| {} |", tool.name)?;
        for step in COLUMNS {
            let wall = Measure::Wall(step).of(results, set, &tool.name, cache);
            match (wall, Measure::Cpu(step).of(results, set, &tool.name, cache)) {
                (Some(wall), Some(cpu)) => write!(text, " {} ({}) |", number(wall), number(cpu))?,
                _ if results.runs(set, &tool.name, step, cache).next().is_some() => write!(text, " failed |")?,
                _ => write!(text, " – |")?,
            }
            let spread = results.spread(set, &tool.name, step, cache, |usage, _| usage.wall_seconds);
            widest = spread.map_or(widest, |spread| widest.max(spread.most / spread.least));
        }
        for measure in [Measure::Repository, Measure::Memory] {
            match measure.of(results, set, &tool.name, cache) {
                Some(value) => write!(text, " {} |", number(value))?,
                None => write!(text, " – |")?,
            }
        }
        writeln!(text)?;
    }
    writeln!(text, "\nWithin one cell the slowest round took up to {widest:.2} times as long as the fastest.\n")
}

fn failures(results: &Results, set: Set, text: &mut String) -> fmt::Result {
    for run in results.runs.iter().filter(|run| run.set == set) {
        if let Outcome::Failed(error) = &run.outcome {
            writeln!(
                text,
                "- {} failed at {}, round {}: {}",
                run.tool,
                run.step.name(),
                run.round + 1,
                error.replace('\n', " ")
            )?;
        }
    }
    Ok(())
}

/// Which versions ran, and how.
pub(super) fn tools(results: &Results, text: &mut String) -> fmt::Result {
    writeln!(text, "## Tools\n\n| | version | settings |\n|---|---|---|")?;
    for tool in &results.tools {
        let version = tool.version.as_deref().unwrap_or("not installed").replace('|', "\\|");
        writeln!(text, "| {} | {version} | {} |", tool.name, tool.settings.replace('|', "\\|"))?;
    }
    writeln!(text)
}

/// Three significant digits, as far as a measurement has them.
pub(super) fn number(value: f64) -> String {
    match value {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
