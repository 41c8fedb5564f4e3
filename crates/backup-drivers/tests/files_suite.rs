//! The conformance suite on a tree with everything that a file system knows.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "files/fixture.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod fixture;

use backup_drivers::{Files, FilesTarget, Local};
use backup_testkit::sources::{Subject, Target, harness::run};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let folder = Arc::new(fixture::Folder::new());
    let root = folder.place();
    fixture::everything(&root);
    let source = Files::new([&root]).expect("a root");
    let from = fixture::tree_path(&root);
    let subject = Subject::new(Arc::new(Local::new()), Arc::new(source)).with_target(move || {
        let place = folder.place();
        Ok(Target {
            restore: Arc::new(Files::into_target(FilesTarget::new(&place).with_strip_components(from.depth()))),
            capture: Arc::new(Files::new([&place])?),
            from: from.clone(),
            to: fixture::tree_path(&place),
        })
    });
    run("files", subject, (16, 0))
}
