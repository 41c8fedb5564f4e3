//! The suite as an integration test with a named test per case.
//!
//! In `Cargo.toml` (this crate with its feature `harness` among the dev-dependencies):
//!
//! ```toml
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! and in `tests/conformance.rs`:
//!
//! ```no_run
//! use backup_storage::Memory;
//! use backup_testkit::storage::{Subject, harness::{Suite, run}};
//! use std::sync::Arc;
//!
//! fn main() -> std::process::ExitCode {
//!     run(vec![Suite::new("memory", async || Ok(Subject::new(Arc::new(Memory::new())))).expecting(35, 1)])
//! }
//! ```
//!
//! A case that does not apply is an ignored test, and its reason stands beside its name. The numbers of cases that
//! run and of those that do not apply are pinned: one more test per suite fails when they change, so neither a suite
//! that lost its cases nor a storage that gave up a capability looks green.

use super::{Case, Subject, Verdict, cases};
use backup_core::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use std::error::Error as _;
use std::pin::Pin;
use std::process::ExitCode;
use tokio::runtime::Handle;

type Making = Pin<Box<dyn Future<Output = Result<Subject>>>>;

/// A storage to hold to the suite.
pub struct Suite {
    name: &'static str,
    make: Box<dyn FnOnce() -> Making>,
    expected: (usize, usize),
}

impl Suite {
    /// The suite on the storage that `make` opens; its tests are called `name::case`.
    pub fn new<F>(name: &'static str, make: impl FnOnce() -> F + 'static) -> Self
    where
        F: Future<Output = Result<Subject>> + 'static,
    {
        Suite { name, make: Box::new(move || Box::pin(make())), expected: (0, 0) }
    }

    /// How many cases run, and how many do not apply.
    #[must_use]
    pub fn expecting(mut self, run: usize, not_applicable: usize) -> Self {
        self.expected = (run, not_applicable);
        self
    }
}

fn suite_trials(name: &str, expected: (usize, usize), subject: &Subject, runtime: &Handle) -> Vec<Trial> {
    let mut trials: Vec<Trial> = cases().iter().map(|case| trial(name, case, subject, runtime)).collect();
    let ignored = cases().iter().filter(|case| case.not_applicable(subject).is_some()).count();
    let found = (cases().len() - ignored, ignored);
    trials.push(Trial::test(format!("{name}::all_cases_are_there"), move || {
        if found == expected {
            return Ok(());
        }
        Err(format!("(cases that run, that do not apply) are {found:?}, pinned are {expected:?}").into())
    }));
    trials
}

fn trial(name: &str, case: &'static Case, subject: &Subject, runtime: &Handle) -> Trial {
    let (inner, runtime) = (subject.clone(), runtime.clone());
    let trial = Trial::test(format!("{name}::{}", case.name()), move || {
        // As a task, so that the storage is used on the runtime's threads, as it is in earnest.
        let verdict = runtime.block_on(runtime.spawn(async move { case.run(&inner).await }));
        match verdict {
            Ok(Verdict::Passed) => Ok(()),
            Ok(Verdict::NotApplicable(reason)) => Err(format!("does not apply: {reason}").into()),
            Ok(Verdict::Failed(error)) => Err(chain(&error)),
            Err(panicked) => Err(panicked.to_string().into()),
        }
    });
    match case.not_applicable(subject) {
        Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
        None => trial,
    }
}

fn chain(error: &backup_core::Error) -> Failed {
    let mut text = format!("{:?}: {error}", error.kind());
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str("\n  caused by: ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text.into()
}

/// Runs the suites with the arguments of `cargo test`. Fails without any, and when a storage does not open.
pub fn run(suites: Vec<Suite>) -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("cannot start the runtime: {e}");
            return ExitCode::FAILURE;
        }
    };
    let mut trials = Vec::new();
    for Suite { name, make, expected } in suites {
        match runtime.block_on(make()) {
            Ok(subject) => trials.extend(suite_trials(name, expected, &subject, runtime.handle())),
            Err(error) => {
                eprintln!("cannot open the storage of the suite {name}: {error:?}");
                return ExitCode::FAILURE;
            }
        }
    }
    if trials.is_empty() {
        eprintln!("no suite was given");
        return ExitCode::FAILURE;
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
