use backup_core::{Error, ErrorKind};

/// Why a machine cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stop {
    /// Somebody else ended this session: nothing of it counts that was not committed. A new session may start.
    #[error("somebody else ended this session")]
    Fenced,
    /// The machine was told something it had not asked for.
    #[error("the protocol was driven out of order: {0}")]
    Misuse(&'static str),
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fenced => Error::new(ErrorKind::Fenced, "somebody else ended this session"),
            Stop::Misuse(what) => {
                Error::new(ErrorKind::Internal, "the protocol was driven out of order").context("what", what)
            }
        }
    }
}
