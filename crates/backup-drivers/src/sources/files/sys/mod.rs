//! The few calls to the operating system that capture and restore share.

pub(crate) mod dir;
pub(crate) mod names;
pub(crate) mod owners;
mod runs;
pub(crate) mod stat;
pub(crate) mod xattrs;

use backup_core::{Error, ErrorKind, Result};
use rustix::io::Errno;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose holder panicked still guards usable data here: every critical section leaves it whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The system's words for an error, without its number.
pub(crate) fn reason(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    match text.rfind(" (os error") {
        Some(cut) => text.get(..cut).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// An error about one entry: it goes into a list of failures as one line, so the reason is part of the message.
pub(crate) fn entry_error(doing: &str, errno: Errno) -> Error {
    let kind = Error::io("", errno.into()).kind();
    Error::new(kind, format!("{doing}: {}", reason(errno)))
}

/// Runs a call that may block on a thread for such.
pub(crate) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(call)
        .await
        .unwrap_or_else(|e| Err(defect("a call to the file system panicked").source(e)))
}

/// An error that no input can cause.
pub(crate) fn defect(what: &'static str) -> Error {
    Error::new(ErrorKind::Internal, what)
}
