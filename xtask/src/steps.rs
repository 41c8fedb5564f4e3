//! The steps of a run: each is timed, none stops the others, and the table at the end shows them all.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All that it looks at is in order; with a remark for the table.
    Passed(String),
    /// Something is not in order.
    Failed(String),
    /// Nothing was looked at, and why.
    NotRun(String),
}

impl Outcome {
    /// Passed without a remark, or failed with the given reason.
    pub(crate) fn of(passed: bool, reason: &str) -> Self {
        if passed { Self::Passed(String::new()) } else { Self::Failed(reason.to_owned()) }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, remark) = match self {
            Self::Passed(remark) => ("ok", remark),
            Self::Failed(remark) => ("FAILED", remark),
            Self::NotRun(remark) => ("NOT RUN", remark),
        };
        f.write_str(format!("{word:<8}{remark}").trim_end())
    }
}

/// The steps that were run so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, Outcome)>,
}

impl Steps {
    /// Runs one step. An error is a failure of this step, not of the run.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Outcome>) {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = step().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        if let Outcome::Failed(reason) = &outcome {
            println!("=== {name} FAILED {reason}");
        }
        self.done.push((name.to_owned(), start.elapsed(), outcome));
    }

    /// The number of steps that failed.
    pub(crate) fn failed(&self) -> usize {
        self.done.iter().filter(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_))).count()
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.done.iter().map(|(name, _, _)| name.len()).max().unwrap_or(0);
        for (name, duration, outcome) in &self.done {
            writeln!(f, "{name:<width$}  {:>7.1} s  {outcome}", duration.as_secs_f64())?;
        }
        let total: Duration = self.done.iter().map(|(_, duration, _)| *duration).sum();
        writeln!(f, "{:<width$}  {:>7.1} s", "all", total.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_failed_step_and_the_next_one_still_runs() {
        let mut steps = Steps::default();
        steps.run("first", || anyhow::bail!("no such thing"));
        steps.run("second", || Ok(Outcome::of(true, "unused")));
        steps.run("third", || Ok(Outcome::NotRun("no server".to_owned())));
        assert_eq!(steps.failed(), 1);
        let table = steps.to_string();
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].starts_with("first ") && lines[0].ends_with("FAILED  no such thing"), "{table}");
        assert!(lines[1].starts_with("second ") && lines[1].ends_with("ok"), "{table}");
        assert!(lines[2].starts_with("third ") && lines[2].ends_with("NOT RUN no server"), "{table}");
        assert_eq!(lines.len(), 4);
    }
}
