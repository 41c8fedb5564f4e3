//! The shelf is held to the same suite as every storage of the framework.

use backup_testkit::storage::Subject;
use backup_testkit::storage::harness::{Suite, run};
use outside_storage::Shelf;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    // It knows no secret, so the case that looks for leaks does not apply.
    run(vec![Suite::new("shelf", async || Ok(Subject::new(Arc::new(Shelf::default())))).expecting(35, 1)])
}
