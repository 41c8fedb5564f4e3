//! Side-by-side comparison of the `backup` command with other tools; `cargo xtask bench` builds and runs it.

mod caches;
mod data;
mod machine;
mod measure;
mod options;
mod report;
mod results;
mod schedule;
mod scratch;
mod tools;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::caches::Cache;
use crate::machine::Machine;
use crate::options::{Options, USAGE};
use crate::results::{Outcome, Results, SetFacts, ToolFacts};
use crate::schedule::Round;
use crate::tools::Tool;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    let result = if words.next_if(|word| word == measure::MEASURE).is_some() {
        measure::measuring_process(words)
    } else {
        run(words)
    };
    result.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(words: impl Iterator<Item = std::ffi::OsString>) -> Result<ExitCode> {
    let Some(options) = Options::parse(words)? else {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    let page = options.page();
    let kept = report::results_of(&page);
    let results = match (options.report, options.keep && kept.exists()) {
        (true, _) => Results::read(&kept)?,
        (_, true) => {
            let earlier = Results::read(&kept)?;
            let mut results = compare(&options)?;
            results.keep(earlier)?;
            results
        }
        _ => compare(&options)?,
    };
    report::write(&results, &page)?;
    println!("{}", report::targets(&results));
    println!("written: {}", page.display());
    let failed = results.runs.iter().any(|run| matches!(run.outcome, Outcome::Failed(_)));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn compare(options: &Options) -> Result<Results> {
    fs::create_dir_all(&options.work).with_context(|| format!("cannot make {}", options.work.display()))?;
    // Tools that restore absolute paths print and store what the kernel calls them.
    let work = options.work.canonicalize()?;
    let all = tools::all(&absolute(&options.backup)?);
    for name in &options.tools {
        ensure!(all.iter().any(|tool| tool.name() == name), "there is no tool `{name}`");
    }
    let wanted = |tool: &&dyn Tool| options.tools.is_empty() || options.tools.iter().any(|name| name == tool.name());
    let mut facts = Vec::new();
    let mut found: Vec<&dyn Tool> = Vec::new();
    for tool in all.iter().map(Box::as_ref).filter(wanted) {
        let version = version(tool);
        eprintln!("{:<16} {}", tool.name(), version.as_deref().unwrap_or("not found"));
        if version.is_some() {
            found.push(tool);
        }
        let (name, settings) = (tool.name().to_owned(), tool.settings().to_owned());
        facts.push(ToolFacts { name, version, settings, deduplicates: tool.deduplicates() });
    }
    let no_cold = match options.cold {
        0 => Some("not asked for".to_owned()),
        _ => caches::may_drop().err().map(|error| format!("{error:#}")),
    };
    let mut results = Results {
        factor: options.factor,
        machine: Machine::look(&work)?,
        no_cold,
        tools: facts,
        sets: Vec::new(),
        runs: Vec::new(),
    };
    for set in &options.sets {
        let data = data::ensure(&work, *set, options.factor)?;
        eprintln!(
            "{}: {} files, {:.1} MB, BLAKE3 {}",
            set.name(),
            data.facts.files,
            data.facts.bytes as f64 / 1e6,
            data.facts.hash
        );
        let began = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let facts = data.facts.clone();
        results.sets.push(SetFacts { set: *set, began, load_before: machine::load()?, facts });
        for number in 0..options.runs {
            results.runs.extend(Round { work: &work, data: &data, number, cache: Cache::Warm }.run(&found)?);
        }
        let cold = if results.no_cold.is_none() { options.cold } else { 0 };
        for number in 0..cold {
            results.runs.extend(Round { work: &work, data: &data, number, cache: Cache::Cold }.run(&found)?);
        }
        // A long run that is interrupted keeps the sets that it finished.
        results.write(&work.join("results.json"))?;
    }
    Ok(results)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot make {} absolute", path.display()))
}

/// The versions that a tool prints, in one line; nothing if it cannot be run.
fn version(tool: &dyn Tool) -> Option<String> {
    let output = tool.version().output().ok()?;
    let lines = String::from_utf8_lossy(&output).lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    Some(lines.join(", "))
}
