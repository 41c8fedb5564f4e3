//! A suite as an integration test with a named test per case.

use super::{Case, Tested, Verdict};
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;
use tokio::runtime::Handle;

/// Runs the trials with the arguments of `cargo test`, or says why there are none.
pub(crate) fn run(trials: impl FnOnce(&Handle) -> Result<Vec<Trial>, String>) -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot start the runtime: {e}"));
    match runtime.and_then(|runtime| Ok((trials(runtime.handle())?, runtime))) {
        Ok((trials, _runtime)) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The cases as tests called `name::case`, and one more that fails unless as many run and do not apply as expected.
pub(crate) fn trials<S: Tested>(name: &str, subject: &S, expected: (usize, usize), runtime: &Handle) -> Vec<Trial> {
    let mut trials: Vec<Trial> = S::cases().iter().map(|case| trial(name, case, subject, runtime)).collect();
    let ignored = S::cases().iter().filter(|case| case.not_applicable(subject).is_some()).count();
    let found = (trials.len() - ignored, ignored);
    trials.push(Trial::test(format!("{name}::all_cases_are_there"), move || {
        if found == expected {
            return Ok(());
        }
        Err(format!("(cases that run, that do not apply) are {found:?}, pinned are {expected:?}").into())
    }));
    trials
}

fn trial<S: Tested>(name: &str, case: &'static Case<S>, subject: &S, runtime: &Handle) -> Trial {
    let (inner, runtime) = (subject.clone(), runtime.clone());
    let trial = Trial::test(format!("{name}::{}", case.name()), move || {
        // As a task, so that what is tested is used on the runtime's threads, as it is in earnest.
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
