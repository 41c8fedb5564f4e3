use backup_core::{Error, ErrorKind, Result};

/// Runs file system work on tokio's threads for it. Dropping the future does not stop work that has begun.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => {
            let kind = if stopped.is_cancelled() { ErrorKind::Cancelled } else { ErrorKind::Internal };
            Err(Error::new(kind, "a file system task did not end").source(stopped))
        }
    }
}
