use crate::stop::{StopOnDrop, cancelled};
use crate::{Result, Stop};
use std::future::Future;

/// Runs work in a task of its own. Dropping the returned future asks the work to stop; it goes on by itself until it
/// has closed its hops and undone its side effects.
///
/// # Errors
/// `Cancelled` when the runtime ends before the work does, `Internal` when the work panics outside all of its letters.
pub(crate) async fn supervise<T, W>(stop: &Stop, work: impl FnOnce(Stop) -> W) -> Result<T>
where
    T: Send + 'static,
    W: Future<Output = T> + Send + 'static,
{
    let stop = stop.child();
    let guard = StopOnDrop(stop.clone());
    let ended = tokio::spawn(work(stop)).await;
    drop(guard);
    ended.map_err(|error| match error.try_into_panic() {
        Ok(_) => crate::caught::panicked("outside a run".into()),
        Err(_) => cancelled(),
    })
}
