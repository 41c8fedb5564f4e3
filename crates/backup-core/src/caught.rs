use crate::{Error, ErrorKind, Result, Stop};
use futures_util::FutureExt;
use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

/// How a piece of work ended.
pub(crate) enum Ended<T> {
    /// By itself.
    Returned(Result<T>),
    /// It was dropped because somebody asked to stop.
    Cancelled,
    /// It panicked; the text of the panic.
    Panicked(String),
}

/// Runs work to its end and turns a panic into a value.
///
/// Asserting unwind safety is sound for the callers here: what a panicking driver has touched is only cleaned and
/// dropped afterwards.
pub(crate) async fn caught<T>(work: impl Future<Output = Result<T>>) -> Ended<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => Ended::Returned(result),
        Err(payload) => Ended::Panicked(panic_text(payload.as_ref())),
    }
}

/// As [`caught`], and drops the work when asked to stop.
pub(crate) async fn caught_or_stopped<T>(stop: &Stop, work: impl Future<Output = Result<T>>) -> Ended<T> {
    if stop.is_stopped() {
        return Ended::Cancelled;
    }
    tokio::select! {
        biased;
        ended = caught(work) => ended,
        () = stop.stopped() => Ended::Cancelled,
    }
}

/// The error that stands for a panic.
pub(crate) fn panicked(text: String) -> Error {
    Error::new(ErrorKind::Internal, "a defect of this software: code panicked").context("panic", text)
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}
