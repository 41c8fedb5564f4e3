//! `cargo xtask test`: everything that CI runs, in one go.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Result, bail};

use crate::built::{Executable, executables};
use crate::counts::{Reader, Tally};
use crate::floors::{self, Floors};
use crate::setup::Setup;
use crate::steps::{Outcome, Steps};
use crate::workspace::Workspace;
use crate::{deny, examples, fuzz, process, setup, toolchain};

/// The options of `test`.
#[derive(Default)]
pub(crate) struct Options {
    /// Adds what is slow: the tests see BACKUP_SLOW=1.
    all: bool,
    /// Pins the numbers of tests of this run, if it is green.
    raise_floors: bool,
}

impl Options {
    /// Reads the words after `test`.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for word in words {
            match word.as_str() {
                "--all" => options.all = true,
                "--raise-floors" => options.raise_floors = true,
                other => bail!("unknown argument `{other}` of `test`; it takes --all and --raise-floors"),
            }
        }
        Ok(options)
    }
}

/// Runs every step, prints the table of steps and the number of tests as the last line, and says whether all is well.
pub(crate) fn run(workspace: &Workspace, options: Options) -> Result<bool> {
    let mut steps = Steps::default();
    let mut tally = Tally::default();
    let mut examples = 0;
    let mut python = None;
    steps.run("set up", || {
        let Setup { python: found } = setup::run(workspace)?;
        python = Some(found);
        Ok(Outcome::Passed(String::new()))
    });
    static_checks(workspace, &mut steps);
    let environment = Environment { slow: options.all, python: python.as_deref() };
    let mut owners = BTreeMap::new();
    steps.run("build tests", || build_tests(workspace, &mut owners));
    steps.run("tests", || tests(workspace, environment, owners, &mut tally));
    steps.run("documentation tests", || documentation_tests(workspace, environment, &mut tally));
    steps.run("examples", || examples::run_all(workspace, &mut examples));
    steps.run("packages outside the workspace", || examples::test_outside(workspace, &mut tally));
    steps.run("fuzzing", || fuzz::step(workspace, if options.all { 300 } else { 20 }));
    steps.run("dependency rules (cargo-deny)", || deny::rules(workspace));
    steps.run("advisories (cargo-deny)", || deny::advisories(workspace));
    let green = steps.failed() == 0 && tally.total().failed == 0;
    steps.run("number of tests", || number_of_tests(workspace, options.raise_floors && green, &tally, examples));

    println!();
    for name in tally.failures.iter().chain(&tally.crashed) {
        println!("FAILED {name}");
    }
    println!("{steps}");
    for (package, counts) in &tally.by_package {
        println!("{package:<20} {:>5} passed {:>3} failed {:>3} ignored", counts.passed, counts.failed, counts.ignored);
    }
    let total = tally.total();
    // Whoever reads only the last line must not take a failed check for success.
    let failed = if total.failed > 0 { total.failed } else { steps.failed() as u64 };
    println!("\n{} passed, {failed} failed", total.passed);
    Ok(steps.failed() == 0 && failed == 0)
}

fn static_checks(workspace: &Workspace, steps: &mut Steps) {
    let mut cargo = |name: &str, environment: &[(&str, &str)], arguments: &[&str]| {
        steps.run(name, || {
            let mut command = workspace.cargo();
            command.envs(environment.iter().copied()).args(arguments);
            Ok(Outcome::of(process::status(&mut command)?.success(), "see above"))
        });
    };
    cargo("format", &[], &["fmt", "--all", "--check"]);
    for (name, features) in [
        ("default features", None),
        ("no features", Some("--no-default-features")),
        ("all features", Some("--all-features")),
    ] {
        let mut arguments = vec!["clippy", "--workspace", "--all-targets", "--locked"];
        arguments.extend(features);
        arguments.extend(["--", "-D", "warnings"]);
        cargo(&format!("clippy, {name}"), &[], &arguments);
    }
    let rustdoc = ["doc", "--workspace", "--no-deps", "--all-features", "--locked"];
    cargo("rustdoc", &[("RUSTDOCFLAGS", "-D warnings")], &rustdoc);
    steps.run("least toolchain", || toolchain::check(workspace));
}

/// What the tests see besides what this process sees.
#[derive(Clone, Copy)]
struct Environment<'a> {
    slow: bool,
    python: Option<&'a Path>,
}

impl Environment<'_> {
    fn apply(self, command: &mut Command) {
        if self.slow {
            command.env("BACKUP_SLOW", "1");
        }
        if let Some(python) = self.python {
            command.env("BACKUP_TEST_PYTHON", python);
        }
    }
}

/// What `cargo test` builds and runs; with all features, as a test that needs one is silently left out without it.
const TESTS: [&str; 5] = ["test", "--workspace", "--all-features", "--tests", "--locked"];

/// Builds the tests and learns which program belongs to which package.
fn build_tests(workspace: &Workspace, owners: &mut BTreeMap<String, String>) -> Result<Outcome> {
    let mut build = workspace.cargo();
    for Executable { path, package, .. } in executables(workspace, build.args(TESTS).arg("--no-run"))? {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        owners.insert(file, package.name.clone());
    }
    Ok(Outcome::Passed(format!("{} programs", owners.len())))
}

fn tests(
    workspace: &Workspace,
    environment: Environment<'_>,
    owners: BTreeMap<String, String>,
    tally: &mut Tally,
) -> Result<Outcome> {
    let mut command = workspace.cargo();
    environment.apply(command.args(TESTS).arg("--no-fail-fast"));
    let (status, found) = cargo_test(&mut command, owners)?;
    finish(status, found, tally)
}

fn documentation_tests(workspace: &Workspace, environment: Environment<'_>, tally: &mut Tally) -> Result<Outcome> {
    let owners = workspace.packages.iter().map(|package| (package.name.replace('-', "_"), package.name.clone()));
    let mut command = workspace.cargo();
    command.args(["test", "--workspace", "--all-features", "--doc", "--locked", "--no-fail-fast"]);
    environment.apply(&mut command);
    let (status, found) = cargo_test(&mut command, owners.collect())?;
    finish(status, found, tally)
}

fn finish(status: ExitStatus, found: Tally, tally: &mut Tally) -> Result<Outcome> {
    let total = found.total();
    let mut remark = format!("{} passed", total.passed);
    if total.ignored > 0 {
        remark.push_str(&format!(", {} ignored", total.ignored));
    }
    if !found.crashed.is_empty() {
        remark.push_str(&format!(", without a result: {}", found.crashed.join(", ")));
    }
    tally.merge(found);
    if status.success() && total.failed == 0 {
        return Ok(Outcome::Passed(remark));
    }
    Ok(Outcome::Failed(format!("{remark}, {} failed", total.failed)))
}

/// Runs a `cargo test` and counts what its test binaries say.
pub(crate) fn cargo_test(command: &mut Command, owners: BTreeMap<String, String>) -> Result<(ExitStatus, Tally)> {
    let mut reader = Reader::new(owners);
    let status = process::merged(command, |line| reader.line(line))?;
    Ok((status, reader.finish()))
}

fn number_of_tests(workspace: &Workspace, raise_floors: bool, tally: &Tally, examples: u64) -> Result<Outcome> {
    let ran = floors::ran(workspace, tally, examples);
    let mut floors = Floors::load(workspace)?;
    if raise_floors {
        floors.raise(&ran)?;
    }
    let violations = floors.violations(&ran);
    if tally.total().passed == 0 {
        return Ok(Outcome::Failed("no test ran".to_owned()));
    }
    Ok(Outcome::of(violations.is_empty(), &violations.join("; ")))
}
