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

use super::{Case, Subject, Verdict, cases};
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Runs the suite with the arguments of `cargo test`; its tests are called `name::case`. `expected` pins how many
/// cases run and how many do not apply: one more test fails when that changes.
pub fn run(name: &str, subject: Subject, expected: (usize, usize)) -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => Arc::new(runtime),
        Err(e) => {
            eprintln!("cannot start the runtime: {e}");
            return ExitCode::FAILURE;
        }
    };
    let mut trials: Vec<Trial> = cases().iter().map(|case| trial(name, case, &subject, &runtime)).collect();
    let ignored = cases().iter().filter(|case| case.not_applicable(&subject).is_some()).count();
    let found = (cases().len() - ignored, ignored);
    trials.push(Trial::test(format!("{name}::all_cases_are_there"), move || {
        if found == expected {
            return Ok(());
        }
        Err(format!("(cases that run, that do not apply) are {found:?}, pinned are {expected:?}").into())
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, case: &'static Case, subject: &Subject, runtime: &Arc<Runtime>) -> Trial {
    let (inner, runtime) = (subject.clone(), runtime.clone());
    let trial = Trial::test(format!("{name}::{}", case.name()), move || {
        // As a task, so that the source is used on the runtime's threads, as it is in earnest.
        match runtime.block_on(runtime.spawn(async move { case.run(&inner).await })) {
            Ok(Verdict::Passed) => Ok(()),
            Ok(Verdict::NotApplicable(reason)) => Err(format!("does not apply: {reason}").into()),
            Ok(Verdict::Failed(error)) => Err(format!("{error:?}").into()),
            Err(panicked) => Err(panicked.to_string().into()),
        }
    });
    match case.not_applicable(subject) {
        Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
        None => trial,
    }
}
