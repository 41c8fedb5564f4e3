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

use super::Subject;
use crate::suite::harness;
use backup_core::Result;
use std::pin::Pin;
use std::process::ExitCode;

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

/// Runs the suites with the arguments of `cargo test`. Fails without any, and when a storage does not open.
pub fn run(suites: Vec<Suite>) -> ExitCode {
    harness::run(|runtime| {
        let mut trials = Vec::new();
        for Suite { name, make, expected } in suites {
            let opened = runtime.block_on(make());
            let subject = opened.map_err(|e| format!("cannot open the storage of the suite {name}: {e:?}"))?;
            trials.extend(harness::trials(name, &subject, expected, runtime));
        }
        if trials.is_empty() { Err("no suite was given".to_owned()) } else { Ok(trials) }
    })
}
