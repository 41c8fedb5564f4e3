use backup_core::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The first error of a session's threads. Once there is one, nothing more is worth doing.
#[derive(Default)]
pub(crate) struct Failure {
    failed: AtomicBool,
    first: Mutex<Option<Error>>,
}

impl Failure {
    pub(crate) fn set(&self, error: Error) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        // Later errors mostly follow from the first.
        if !self.failed.swap(true, Ordering::SeqCst) {
            *first = Some(error);
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// # Errors
    /// The first error, once; afterwards a reference to it.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.is_set() {
            return Ok(());
        }
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(first.unwrap_or_else(|| Error::new(ErrorKind::Cancelled, "the session failed before")))
    }
}
