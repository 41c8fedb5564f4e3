//! How many tests ran, read from what `cargo test` prints.

use std::collections::BTreeMap;

/// Tests that ran, or did not, in one or many test binaries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Reads the output of `cargo test` line by line and attributes each result to the package it belongs to.
#[derive(Default)]
pub(crate) struct Reader {
    /// The package of each test binary's file name, and of each library's name for its documentation tests.
    owners: BTreeMap<String, String>,
    by_package: BTreeMap<String, Counts>,
    current: Option<Current>,
    failures: Vec<String>,
    /// Binaries that started and never printed a result: they crashed.
    crashed: Vec<String>,
}

struct Current {
    name: String,
    has_result: bool,
}

impl Reader {
    /// A reader that knows which package owns which test binary (by file name) and library (by name).
    pub(crate) fn new(owners: BTreeMap<String, String>) -> Self {
        Self { owners, ..Self::default() }
    }

    /// Takes the next line.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(name) = announced(line) {
            self.finish_binary();
            self.current = Some(Current { name, has_result: false });
        } else if let Some(counts) = result(line) {
            let name = match &mut self.current {
                Some(current) => {
                    current.has_result = true;
                    current.name.clone()
                }
                None => String::new(),
            };
            let package = self.package(name);
            self.by_package.entry(package).or_default().add(counts);
        } else if let Some(test) = failure(line) {
            let package = self.package(self.current.as_ref().map(|current| current.name.clone()).unwrap_or_default());
            self.failures.push(format!("{package} {test}"));
        }
    }

    fn package(&self, name: String) -> String {
        self.owners.get(&name).cloned().unwrap_or(name)
    }

    /// Ends the reading.
    pub(crate) fn finish(mut self) -> Tally {
        self.finish_binary();
        Tally { by_package: self.by_package, failures: self.failures, crashed: self.crashed }
    }

    fn finish_binary(&mut self) {
        if let Some(Current { name, has_result: false }) = self.current.take() {
            self.crashed.push(name);
        }
    }
}

/// What ran, over all packages.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) by_package: BTreeMap<String, Counts>,
    /// Package and name of each test that failed.
    pub(crate) failures: Vec<String>,
    /// Test binaries without a result.
    pub(crate) crashed: Vec<String>,
}

impl Tally {
    pub(crate) fn merge(&mut self, other: Self) {
        for (package, counts) in other.by_package {
            self.by_package.entry(package).or_default().add(counts);
        }
        self.failures.extend(other.failures);
        self.crashed.extend(other.crashed);
    }

    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts { failed: self.crashed.len() as u64, ..Counts::default() };
        self.by_package.values().for_each(|counts| total.add(*counts));
        total
    }
}

/// The test binary or library in `     Running unittests src/lib.rs (target/debug/deps/backup_core-0f1e)` or
/// `   Doc-tests backup_core`.
fn announced(line: &str) -> Option<String> {
    let indented = line.strip_prefix("   ")?.trim_start();
    if let Some(library) = indented.strip_prefix("Doc-tests ") {
        return Some(library.to_owned());
    }
    let (_, path) = indented.strip_prefix("Running ")?.rsplit_once('(')?;
    let (_, file) = path.strip_suffix(')')?.rsplit_once('/')?;
    Some(file.to_owned())
}

/// The name in `test chain::tests::order ... FAILED`.
fn failure(line: &str) -> Option<&str> {
    Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.trim_end())
}

/// The numbers in `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
fn result(line: &str) -> Option<Counts> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| {
        let part = numbers.split(';').find_map(|part| part.trim().strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Counts { passed: number("passed")?, failed: number("failed")?, ignored: number("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Tally {
        let owners = [("cli-aa11", "backup-cli"), ("backup_core-bb22", "backup-core"), ("backup_core", "backup-core")];
        let owners = owners.map(|(binary, package)| (binary.to_owned(), package.to_owned())).into();
        let mut reader = Reader::new(owners);
        text.lines().for_each(|line| reader.line(line));
        reader.finish()
    }

    #[test]
    fn results_go_to_the_package_of_the_binary() {
        let tally = read(
            "     Running unittests src/lib.rs (target/debug/deps/backup_core-bb22)\n\
             running 3 tests\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             \n\
             \x20    Running tests/cli.rs (/elsewhere/debug/deps/cli-aa11)\n\
             test reads_back ... FAILED\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n\
             \x20  Doc-tests backup_core\n\
             test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n\
             test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n",
        );
        assert_eq!(tally.by_package["backup-core"], Counts { passed: 12, failed: 0, ignored: 1 });
        assert_eq!(tally.by_package["backup-cli"], Counts { passed: 1, failed: 2, ignored: 0 });
        assert_eq!(tally.failures, ["backup-cli reads_back"]);
        assert_eq!(tally.total(), Counts { passed: 13, failed: 2, ignored: 1 });
    }

    #[test]
    fn a_binary_without_a_result_counts_as_a_failure() {
        let tally = read(
            "     Running tests/cli.rs (target/debug/deps/cli-aa11)\n\
             running 3 tests\n\
             \x20    Running unittests src/lib.rs (target/debug/deps/backup_core-bb22)\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!(tally.crashed, ["cli-aa11"]);
        assert_eq!(tally.total(), Counts { passed: 3, failed: 1, ignored: 0 });
    }

    #[test]
    fn other_lines_are_nothing() {
        let tally = read("Running is healthy (or so)\n   Compiling x v1 (/a/b)\ntest result: unknown\ntest a ... ok\n");
        assert!(tally.by_package.is_empty() && tally.crashed.is_empty());
    }
}
