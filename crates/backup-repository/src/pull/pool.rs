use super::extents::Extents;
use super::plan::{Piece, SegmentWork};
use crate::crypto::{ChunkKey, SealKey};
use crate::format::ids::RepositoryId;
use crate::pack::Unpacker;
use backup_core::{Batch, Error, ErrorKind, FileSink, Result, Spare};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// An entry being written: how many of its pieces are still to come, and what went wrong.
pub(crate) struct Slot {
    pub(crate) number: u64,
    pub(crate) missing: AtomicU64,
    pub(crate) failed: Mutex<Option<Error>>,
}

/// What the jobs of one call share.
pub(crate) struct Window {
    pub(crate) sink: Arc<dyn FileSink>,
    pub(crate) batch: Arc<Batch>,
    pub(crate) slots: Vec<Slot>,
    /// Told of every job's end.
    pub(crate) ended: mpsc::UnboundedSender<Ended>,
}

impl Window {
    /// Counts one piece of an entry as dealt with; the last one finishes the entry. Blocks.
    pub(crate) fn piece_done(&self, slot: u32, result: Result<()>) {
        let Some(slot) = self.slots.get(slot as usize) else { return };
        if let Err(error) = result {
            slot.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        if slot.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish(slot);
        }
    }

    /// Ends an entry that has no more pieces to come.
    pub(crate) fn finish(&self, slot: &Slot) {
        let failed = slot.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = failed.map_or(Ok(()), Err);
        // The sink records what it could not complete.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| self.sink.finish(slot.number, result)));
    }
}

/// How a job ended.
pub(crate) enum Ended {
    Done,
    /// These pieces could not be had from where they were said to be: another copy may serve.
    Failed {
        pieces: Vec<Piece>,
        error: Error,
    },
}

/// Work for a thread.
pub(crate) enum Job {
    /// Segments of one pack to open, each in its own place, and their pieces to write.
    Segments {
        window: Arc<Window>,
        segments: Vec<(SegmentWork, Arc<SealKey>)>,
        /// Where in the pack `sealed` begins.
        start: u32,
        sealed: Vec<u8>,
        _permit: Arc<OwnedSemaphorePermit>,
    },
    /// Entries without content, or that cannot be had: finished at once.
    Finish { window: Arc<Window>, slots: Vec<u32> },
}

/// Threads that open segments and write files. They end with the pool.
pub(crate) struct Pool {
    jobs: Option<crossbeam_channel::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    pub(crate) fn start(threads: usize, repository: RepositoryId, key: &ChunkKey, spare: &Spare) -> Result<Self> {
        let (jobs, received) = crossbeam_channel::unbounded();
        let mut pool = Pool { jobs: Some(jobs), threads: Vec::new() };
        for i in 0..threads {
            let (received, key, spare) = (received.clone(), key.clone(), spare.clone());
            let mut hands = Hands { unpacker: Unpacker::new()?, plain: Vec::new(), repository, key, spare };
            let thread = std::thread::Builder::new()
                .name(format!("pull-{i}"))
                .spawn(move || received.iter().for_each(|job| hands.run(job)))
                .map_err(|e| Error::io("cannot start a thread", e))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Hands work over. Permits bound how much waits.
    pub(crate) fn send(&self, job: Job) -> Result<()> {
        let ended = || Error::new(ErrorKind::Internal, "the threads of the pull have ended");
        self.jobs.as_ref().ok_or_else(ended)?.send(job).map_err(|_| ended())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic inside was caught; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

struct Hands {
    unpacker: Unpacker,
    plain: Vec<u8>,
    repository: RepositoryId,
    key: ChunkKey,
    spare: Spare,
}

impl Hands {
    fn run(&mut self, job: Job) {
        match job {
            Job::Finish { window, slots } => {
                for slot in slots.iter().filter_map(|slot| window.slots.get(*slot as usize)) {
                    window.finish(slot);
                }
                let _ = window.ended.send(Ended::Done);
            }
            Job::Segments { window, segments, start, mut sealed, _permit } => {
                for (work, key) in segments {
                    let from = work.place.offset.saturating_sub(start) as usize;
                    let to = from.saturating_add(work.place.sealed_len as usize);
                    let ended = match self.open(&work, &key, sealed.get_mut(from..to).unwrap_or_default()) {
                        Ok(()) => self.write(&window, work),
                        Err(error) => Ended::Failed { pieces: work.pieces, error },
                    };
                    // Nobody listens when the pull was given up.
                    let _ = window.ended.send(ended);
                }
                self.spare.give(sealed);
            }
        }
    }

    fn open(&mut self, work: &SegmentWork, key: &SealKey, sealed: &mut [u8]) -> Result<()> {
        std::panic::catch_unwind(AssertUnwindSafe(|| {
            self.unpacker.unpack(&self.repository, key, &work.place, sealed, &mut self.plain)
        }))
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Damaged, "opening a segment panicked: please report")))
    }

    fn write(&self, window: &Window, work: SegmentWork) -> Ended {
        let mut bad = Vec::new();
        for piece in work.pieces {
            let start = piece.location.offset as usize;
            match self.plain.get(start..start + piece.location.length as usize) {
                Some(content) if self.key.id(content) == piece.id => write_piece(window, &piece, content),
                _ => bad.push(piece),
            }
        }
        if bad.is_empty() {
            return Ended::Done;
        }
        let error = Error::new(ErrorKind::Damaged, "a chunk's bytes are not the ones it is named after")
            .context("pack", work.place.pack)
            .context("segment", work.place.number);
        Ended::Failed { pieces: bad, error }
    }
}

fn write_piece(window: &Window, piece: &Piece, content: &[u8]) {
    for target in &piece.targets {
        let Some(slot) = window.slots.get(target.slot as usize) else { continue };
        let already_failed = slot.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let written = std::panic::catch_unwind(AssertUnwindSafe(|| match window.batch.get(slot.number) {
            Some(_) if already_failed => Ok(()),
            Some(entry) if entry.holes.is_empty() => window.sink.write(slot.number, target.offset, content),
            Some(entry) => {
                let mut extents = Extents::new(entry);
                extents.place(target.offset, |_, _| {});
                let mut result = Ok(());
                let mut rest = content;
                extents.place(content.len() as u64, |offset, length| {
                    let (part, behind) = rest.split_at_checked(length as usize).unwrap_or((rest, &[]));
                    rest = behind;
                    if result.is_ok() {
                        result = window.sink.write(slot.number, offset, part);
                    }
                });
                result
            }
            None => Err(Error::new(ErrorKind::Internal, "a piece belongs to no entry")),
        }));
        let written = written
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "writing an entry panicked: please report")));
        window.piece_done(target.slot, written);
    }
}
