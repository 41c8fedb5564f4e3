//! Pull: the index is read twice, once to check it as a whole and to learn where the pieces of the archive are, then to
//! walk its entries. A batch's contents are read piece by piece: fetched by range, unwrapped, checked against the index
//! and written on blocking threads, a few at once.

mod backup;
mod blocks;
mod entries;
mod front;
mod lines;
mod listing;
mod object;
mod pieces;
mod plan;
mod runs;
mod scan;
mod stream;
mod supply;
mod walk;

pub(crate) use backup::ArchiveBackup;

use crate::layers::Keys;
use backup_core::{Error, ErrorKind, Result, Spare, StorageDriver};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Where an archive lies, and what reading it shares.
#[derive(Debug)]
struct Folder {
    storage: Arc<dyn StorageDriver>,
    keys: Keys,
    spare: Spare,
    /// Bytes that pieces under way may take.
    in_flight: Arc<Semaphore>,
}

impl Folder {
    fn new(storage: Arc<dyn StorageDriver>, keys: Keys) -> Self {
        let in_flight = Arc::new(Semaphore::new(supply::IN_FLIGHT_BYTES as usize));
        Folder { storage, keys, spare: Spare::default(), in_flight }
    }
}

/// Work that computes, or writes files, on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|e| Error::new(ErrorKind::Internal, "reading an archive panicked: please report").source(e))?
}

fn damaged(what: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

#[cfg(test)]
mod tests;
