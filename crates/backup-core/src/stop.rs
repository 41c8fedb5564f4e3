use crate::{Error, ErrorKind};
use tokio_util::sync::CancellationToken;

/// Asks running work to stop. Clones belong together: one stops all.
///
/// Work that is asked to stop ends with [`ErrorKind::Cancelled`] after it has cleaned up: hops are closed, side effects
/// undone, and a backup that was not yet being committed stays invisible.
#[derive(Clone, Debug, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// A handle that nobody has pulled yet.
    pub fn new() -> Self {
        Stop::default()
    }

    /// Asks. Asking again does nothing.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Whether somebody asked.
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns once somebody asked.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }

    /// A handle that stops with this one, and can be stopped alone.
    pub(crate) fn child(&self) -> Stop {
        Stop(self.0.child_token())
    }
}

/// Stops the work when it is dropped.
#[derive(Debug)]
pub(crate) struct StopOnDrop(pub(crate) Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The error of work that was asked to stop.
pub(crate) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "stopped on request")
}
