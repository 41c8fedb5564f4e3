//! The conformance suite on this host.

use backup_drivers::Local;
use backup_testkit::connections::{Subject, harness::run};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let folder = std::env::temp_dir().canonicalize().expect("there is a folder for temporary files");
    let subject = Subject::new(Arc::new(Local::new()), folder.as_os_str().as_bytes());
    run("local", subject.on_this_host(), (38, 0))
}
