//! The suite as an integration test with a named test per case: see [`crate::storage::harness`] for how to set one up.
//!
//! ```no_run
//! # use backup_testkit::sources::{Subject, harness::run};
//! # fn connection() -> std::sync::Arc<dyn backup_core::Connection> { unimplemented!() }
//! # fn source() -> std::sync::Arc<dyn backup_core::SourceDriver> { unimplemented!() }
//! fn main() -> std::process::ExitCode {
//!     run("mine", Subject::new(connection(), source()), (13, 3))
//! }
//! ```

use super::Subject;
use crate::suite::harness;
use std::process::ExitCode;

/// Runs the suite with the arguments of `cargo test`; its tests are called `name::case`. `expected` pins how many
/// cases run and how many do not apply: one more test fails when that changes.
pub fn run(name: &str, subject: Subject, expected: (usize, usize)) -> ExitCode {
    harness::run(|runtime| Ok(harness::trials(name, &subject, expected, runtime)))
}
