use backup_core::{Error, ErrorKind, Result};
use std::sync::{Mutex, PoisonError};

/// What a component failed with first, told to all who ask.
#[derive(Default)]
pub(super) struct Failure(Mutex<State>);

#[derive(Default)]
struct State {
    first: Option<Error>,
    /// What was told before, for the next.
    told: Option<(ErrorKind, String)>,
}

impl Failure {
    /// Keeps the first; that somebody was given up is no reason beside a real one.
    pub(super) fn set(&self, error: Error) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_reason = |kind: ErrorKind| kind != ErrorKind::Cancelled;
        let known = state.first.as_ref().map(Error::kind).or(state.told.as_ref().map(|(kind, _)| *kind));
        if known.is_none_or(|known| !is_reason(known) && is_reason(error.kind())) {
            state.first = Some(error);
        }
    }

    /// The reason, if there is one.
    pub(super) fn check(&self) -> Result<()> {
        let error = self.tell();
        if error.kind() == ErrorKind::Cancelled { Ok(()) } else { Err(error) }
    }

    /// The reason.
    pub(super) fn tell(&self) -> Error {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.first.take() {
            state.told = Some((error.kind(), error.full_message()));
            return error;
        }
        match &state.told {
            Some((kind, message)) => Error::new(*kind, message.clone()),
            None => Error::new(ErrorKind::Cancelled, "the archive was given up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_is_told_every_time() {
        let failure = Failure::default();
        assert_eq!(failure.tell().kind(), ErrorKind::Cancelled);
        failure.set(Error::new(ErrorKind::Cancelled, "given up"));
        failure.set(Error::new(ErrorKind::NoSpace, "the disk is full"));
        failure.set(Error::new(ErrorKind::Io, "later"));
        for _ in 0..2 {
            let told = failure.tell();
            assert_eq!(told.kind(), ErrorKind::NoSpace);
            assert!(told.full_message().contains("the disk is full"));
        }
        failure.set(Error::new(ErrorKind::Io, "later"));
        assert_eq!(failure.tell().kind(), ErrorKind::NoSpace);
    }
}
