use crate::{Error, ErrorKind};
use std::error::Error as StdError;
use std::fmt;

/// A command that reached nothing of what it was for: the first error, and the report of all that happened.
pub struct Failed<R> {
    /// What failed first.
    pub error: Error,
    /// What happened until then, and while cleaning up.
    pub report: Box<R>,
}

impl<R> fmt::Display for Failed<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<R> fmt::Debug for Failed<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl<R> StdError for Failed<R> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        StdError::source(&self.error)
    }
}

impl<R> From<Failed<R>> for Error {
    fn from(failed: Failed<R>) -> Self {
        failed.error
    }
}

/// An error as a report keeps it: its kind, and its message with all causes in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What failed, and why.
    pub message: String,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Failure { kind: error.kind(), message: error.full_message() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::from(&error)
    }
}

impl Failure {
    pub(crate) fn to_error(&self) -> Error {
        Error::new(self.kind, self.message.clone())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Failure {}
