use super::entries::Listed;
use super::plan::{Part, Plan};
use super::runs::pieces;
use super::stream::stream;
use super::{Folder, blocking};
use async_trait::async_trait;
use backup_core::{Error, ErrorKind, FileSink, Reader, Result, Supply};
use bytes::Bytes;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinError, JoinSet};

/// Batches whose contents are under way, so that there is work while the next one is begun and planned.
const BATCHES: usize = 3;
/// Bytes of pieces, stored and plain, under way at once over a whole backup: four pieces that do not compress.
pub(crate) const IN_FLIGHT_BYTES: u32 = 32 << 20;

/// The contents of the batch given last, and those of earlier ones that are still under way.
pub(crate) struct ArchiveSupply {
    folder: Arc<Folder>,
    current: Mutex<Option<Arc<Listed>>>,
    running: tokio::sync::Mutex<Running>,
}

#[derive(Default)]
struct Running {
    /// A task for each batch. They end with the supply.
    batches: JoinSet<Result<()>>,
    /// Closes when all pieces of the batch accepted last are asked for.
    turn: Option<oneshot::Receiver<()>>,
}

impl ArchiveSupply {
    pub(crate) fn new(folder: Arc<Folder>) -> Self {
        ArchiveSupply { folder, current: Mutex::new(None), running: tokio::sync::Mutex::default() }
    }

    pub(crate) fn set(&self, listed: Listed) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(listed));
    }

    fn current(&self) -> Result<Arc<Listed>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        current.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "content was asked for before any batch was given"))
    }
}

#[async_trait]
impl Supply for ArchiveSupply {
    async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()> {
        let listed = self.current()?;
        if let Some(unknown) = entries.iter().find(|number| listed.batch.get(**number).is_none()) {
            return Err(Error::new(ErrorKind::InvalidInput, "the entry is not in the batch").context("entry", unknown));
        }
        let mut running = self.running.lock().await;
        while running.batches.len() >= BATCHES {
            running.batches.join_next().await.map_or(Ok(()), returned)?;
        }
        let (done, turn) = oneshot::channel();
        let before = running.turn.replace(turn);
        let (window, in_flight) = (Window::new(listed, sink, entries), self.folder.in_flight.clone());
        running.batches.spawn(run(window, in_flight, before, done));
        Ok(())
    }

    async fn settle(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        while let Some(ended) = running.batches.join_next().await {
            returned(ended)?;
        }
        Ok(())
    }

    async fn stream(&self, entry: u64) -> Result<Reader> {
        stream(&*self.current()?, entry)
    }
}

fn returned(ended: Result<Result<()>, JoinError>) -> Result<()> {
    ended.map_err(|e| Error::new(ErrorKind::Internal, "a pull panicked: please report").source(e))?
}

/// Brings every entry to its end. Batch after batch asks for its pieces, so that those which two share are still there,
/// and what is only had from the front is read once.
async fn run(
    window: Arc<Window>,
    in_flight: Arc<Semaphore>,
    before: Option<oneshot::Receiver<()>>,
    done: oneshot::Sender<()>,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    let finishing = window.clone();
    tasks.spawn(blocking(move || {
        finishing.finish_empty();
        Ok(())
    }));
    if let Some(before) = before {
        // It closes also when that batch failed.
        let _ = before.await;
    }
    for (piece, parts) in window.plan() {
        while let Some(ended) = tasks.try_join_next() {
            returned(ended)?;
        }
        let cost = window.listed.pieces.cost(piece).clamp(1, IN_FLIGHT_BYTES.into());
        let permit = in_flight.clone().acquire_many_owned(cost as u32).await;
        let permit = permit.map_err(|e| Error::new(ErrorKind::Cancelled, "the pull ended").source(e))?;
        let (window, plain) = (window.clone(), window.listed.pieces.get(piece));
        tasks.spawn(async move {
            let plain = plain.await;
            if let Err(error) = &plain
                && matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Unavailable | ErrorKind::Cancelled)
            {
                return plain.map(drop);
            }
            blocking(move || {
                window.write(&parts, &plain);
                drop((plain, permit));
                Ok(())
            })
            .await
        });
    }
    drop(done);
    while let Some(ended) = tasks.join_next().await {
        returned(ended)?;
    }
    Ok(())
}

/// An entry being written: how many pieces of it are still to come, and what went wrong.
struct Slot {
    number: u64,
    missing: AtomicU64,
    failed: Mutex<Option<Error>>,
}

/// What the tasks of one batch share. Its calls block.
struct Window {
    listed: Arc<Listed>,
    sink: Arc<dyn FileSink>,
    slots: Vec<Slot>,
}

impl Window {
    fn new(listed: Arc<Listed>, sink: Arc<dyn FileSink>, entries: &[u64]) -> Arc<Self> {
        let slot = |number: &u64| {
            let missing = listed.placed(*number).map_or(0, |placed| {
                let pieces = pieces(placed);
                pieces.end - pieces.start
            });
            Slot { number: *number, missing: AtomicU64::new(missing), failed: Mutex::new(None) }
        };
        let slots = entries.iter().map(slot).collect();
        Arc::new(Window { listed, sink, slots })
    }

    fn plan(&self) -> Plan {
        let content = |(at, slot): (usize, &Slot)| {
            let (entry, placed) = self.listed.batch.get(slot.number).zip(self.listed.placed(slot.number))?;
            (placed.bytes > 0).then_some((at, entry, placed))
        };
        Plan::new(self.slots.iter().enumerate().filter_map(content))
    }

    fn finish_empty(&self) {
        let is_empty = |slot: &&Slot| self.listed.placed(slot.number).is_none_or(|placed| placed.bytes == 0);
        self.slots.iter().filter(is_empty).for_each(|slot| self.finish(slot));
    }

    /// Writes what lies in a piece, or counts it as lost.
    fn write(&self, parts: &[Part], plain: &Result<Bytes>) {
        for part in parts {
            let Some(slot) = self.slots.get(part.slot) else { continue };
            let already_failed = slot.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            let written = match plain {
                _ if already_failed => Ok(()),
                Ok(plain) => std::panic::catch_unwind(AssertUnwindSafe(|| self.write_part(slot, part, plain)))
                    .unwrap_or_else(|_| {
                        Err(Error::new(ErrorKind::Internal, "writing an entry panicked: please report"))
                    }),
                Err(error) => {
                    Err(Error::new(error.kind(), "a piece of an archive cannot be read").context("because", error))
                }
            };
            if let Err(error) = written {
                slot.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
            if slot.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.finish(slot);
            }
        }
    }

    fn write_part(&self, slot: &Slot, part: &Part, plain: &Bytes) -> Result<()> {
        part.runs.iter().try_for_each(|run| {
            let outside = || Error::new(ErrorKind::Internal, "an entry lies outside of its piece");
            let data = plain.get(run.bytes.clone()).ok_or_else(outside)?;
            self.sink.write(slot.number, run.file, data)
        })
    }

    /// Ends an entry that has no more pieces to come.
    fn finish(&self, slot: &Slot) {
        let failed = slot.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = failed.map_or(Ok(()), Err);
        // The sink records what it could not complete.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| self.sink.finish(slot.number, result)));
    }
}
