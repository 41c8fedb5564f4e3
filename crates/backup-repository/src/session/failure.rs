use backup_core::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The first error of a session's threads. Once there is one, nothing more is worth doing.
#[derive(Default)]
pub(crate) struct Failure {
    failed: AtomicBool,
    first: Mutex<Option<First>>,
}

struct First {
    /// Until somebody is told.
    error: Option<Error>,
    kind: ErrorKind,
    because: String,
}

impl Failure {
    pub(crate) fn set(&self, error: Error) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        // Later errors mostly follow from the first.
        if !self.failed.swap(true, Ordering::SeqCst) {
            let (kind, because) = (error.kind(), error.full_message());
            *first = Some(First { error: Some(error), kind, because });
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// # Errors
    /// The first error; whoever asks later gets one of the same kind that names it.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.is_set() {
            return Ok(());
        }
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(First { error, kind, because }) = &mut *first else { return Ok(()) };
        let again = || Error::new(*kind, "the session failed before").context("because", because.as_str());
        Err(error.take().unwrap_or_else(again))
    }
}
