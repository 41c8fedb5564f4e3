//! Doubles for the tests of the pipelines' own logic. Each writes what is asked of it into one shared log.

mod action;
mod backup;
mod destination;
mod log;
mod place;
mod source;
mod target;

pub(crate) use action::TestAction;
pub(crate) use backup::TestBackup;
pub(crate) use destination::TestDestination;
pub(crate) use log::{Fault, Faults, Log};
pub(crate) use place::Hop;
pub(crate) use source::TestSource;

use crate::*;
use std::io::Cursor;
use tokio::io::AsyncReadExt;

fn name_of(batch: &Batch, entry: u64) -> String {
    String::from_utf8(batch.get(entry).unwrap().path.name().unwrap().into_owned()).unwrap()
}

pub(crate) fn path(name: &str) -> TreePath {
    TreePath::from_slashed(name.as_bytes()).unwrap()
}

/// Bytes, then an error instead of an end.
fn torn_by(bytes: Vec<u8>, error: fn() -> Error) -> Reader {
    struct Torn(fn() -> Error);
    impl tokio::io::AsyncRead for Torn {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err((self.0)().into()))
        }
    }
    Box::new(Cursor::new(bytes).chain(Torn(error)))
}
