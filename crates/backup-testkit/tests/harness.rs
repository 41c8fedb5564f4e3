//! What a driver's author sees of the harness. This program is also the integration test of a driver: with `DRIVER`
//! set it runs the suite on the storage that this names.

#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use backup_core::{Capabilities, Error, ErrorKind};
use backup_storage::Memory;
use backup_testkit::storage::harness::{Suite, run};
use backup_testkit::storage::{Lie, Lying, Modest, Subject, cases};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

const DRIVER: &str = "BACKUP_TESTKIT_TEST_DRIVER";

fn main() -> ExitCode {
    let memory = || Arc::new(Memory::new());
    let suite = match std::env::var(DRIVER).as_deref() {
        Ok("honest") => Suite::new("driver", async move || Ok(Subject::new(memory()))).expecting(35, 1),
        Ok("secret") => {
            let subject = move || Subject::new(memory()).with_canary("not in any text");
            Suite::new("driver", async move || Ok(subject())).expecting(36, 0)
        }
        Ok("lying") => {
            let lying = move || Lying::new(memory(), Lie::CreateReplaces);
            Suite::new("driver", async move || Ok(Subject::new(Arc::new(lying())))).expecting(35, 1)
        }
        Ok("modest") => {
            let few = || Capabilities::full().with_create_only(false).with_list_lag(Some(Duration::ZERO));
            let modest = move || Modest::new(memory(), few());
            Suite::new("driver", async move || Ok(Subject::new(Arc::new(modest())))).expecting(31, 5)
        }
        Ok("unpinned") => Suite::new("driver", async move || Ok(Subject::new(memory()))),
        Ok("closed") => Suite::new("driver", async || Err(Error::new(ErrorKind::AccessDenied, "no entry"))),
        Ok("none") => return run(Vec::new()),
        Ok(other) => panic!("no such driver: {other}"),
        Err(_) => return libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    };
    run(vec![suite])
}

/// Whether the test run of a driver succeeds, and its output.
fn drive(driver: &str, arguments: &[&str]) -> (bool, String) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).env(DRIVER, driver).args(arguments).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("text"))
}

/// The names of the tests that went so.
fn which(output: &str, how: &str) -> Vec<String> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(how)?.strip_suffix(" ... "));
    let mut names: Vec<String> =
        lines.filter_map(|line| Some(line.split_whitespace().last()?.split_once("::")?.1.to_owned())).collect();
    names.sort();
    names
}

fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<_, Failed>(())
        })
    };
    vec![
        trial("every_case_is_a_named_test", || {
            let (success, output) = drive("honest", &[]);
            assert!(success, "{output}");
            let mut names: Vec<&str> = cases().iter().map(|case| case.name()).collect();
            names.retain(|name| *name != "secrets_stay_hidden");
            names.push("all_cases_are_there");
            names.sort_unstable();
            assert_eq!(which(&output, "ok"), names);
            assert_eq!(which(&output, "ignored"), ["secrets_stay_hidden"]);
        }),
        trial("a_secret_makes_its_case_run", || {
            let (success, output) = drive("secret", &[]);
            assert!(success, "{output}");
            assert_eq!(which(&output, "ignored"), [] as [&str; 0]);
        }),
        trial("a_broken_rule_fails_under_its_name", || {
            let (success, output) = drive("lying", &[]);
            assert!(!success);
            let failed = which(&output, "FAILED");
            assert!(failed.iter().any(|name| name == "create_refuses_a_taken_key"), "{failed:?}");
            assert!(output.contains("a second create succeeded, AlreadyExists was expected"), "{output}");
        }),
        trial("a_missing_capability_is_ignored_with_its_reason", || {
            let (success, output) = drive("modest", &[]);
            assert!(success, "{output}");
            let ignored = [
                "create_has_one_winner",
                "create_refuses_a_taken_key",
                "finished_is_listed",
                "large_create_has_one_winner",
                "secrets_stay_hidden",
            ];
            assert_eq!(which(&output, "ignored"), ignored);
            assert!(output.contains("[create-only puts may have several winners here]"), "{output}");
        }),
        trial("other_numbers_than_the_pinned_fail", || {
            let (success, output) = drive("unpinned", &[]);
            assert!(!success);
            assert_eq!(which(&output, "FAILED"), ["all_cases_are_there"]);
        }),
        trial("a_run_of_nothing_fails", || {
            assert!(!drive("none", &[]).0);
            let (success, output) = drive("closed", &[]);
            assert!(!success);
            assert!(output.contains("no entry"), "{output}");
        }),
        trial("one_case_can_be_chosen", || {
            let (success, output) = drive("honest", &["--exact", "driver::odd_keys"]);
            assert!(success, "{output}");
            assert_eq!(which(&output, "ok"), ["odd_keys"]);
        }),
    ]
}
