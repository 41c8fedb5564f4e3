//! Every storage is held to the suite of the testkit, bare and counted.

#![allow(clippy::expect_used, reason = "a test")]

use backup_storage::{Directory, Memory};
use backup_testkit::storage::harness::{Suite, run};
use backup_testkit::storage::{Counting, Subject};
use std::process::ExitCode;
use std::sync::Arc;
use tempfile::TempDir;

/// These storages know no secret, so the case that looks for leaks does not apply.
const PINNED: (usize, usize) = (35, 1);

fn main() -> ExitCode {
    let folders = [(); 2].map(|()| TempDir::new().expect("a temporary folder"));
    let [first, second] = folders.each_ref().map(|folder| folder.path().to_path_buf());
    let suites = vec![
        Suite::new("memory", async || Ok(Subject::new(Arc::new(Memory::new())))),
        Suite::new("directory", async || Ok(Subject::new(Arc::new(Directory::create(first).await?)))),
        Suite::new("counted_memory", async || Ok(Subject::new(Arc::new(Counting::new(Arc::new(Memory::new())))))),
        Suite::new("counted_directory", async || {
            Ok(Subject::new(Arc::new(Counting::new(Arc::new(Directory::create(second).await?)))))
        }),
    ];
    run(suites.into_iter().map(|suite| suite.expecting(PINNED.0, PINNED.1)).collect())
}
