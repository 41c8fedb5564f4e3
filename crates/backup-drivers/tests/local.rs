//! The conformance suite on this host.

use backup_drivers::Local;
use backup_testkit::connections::{Subject, harness::run};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let subject = Subject::new(Arc::new(Local::new()), std::env::temp_dir().as_os_str().as_bytes());
    run("local", subject.on_this_host(), (38, 0))
}
