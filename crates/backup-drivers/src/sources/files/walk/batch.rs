use super::super::reader::{OpenFile, OpenWith};
use super::super::sys::dir::Dir;
use super::super::sys::{defect, entry_error};
use backup_core::{Batch, Entry, FileOpener, FileReader, MAX_BATCH, Result};
use std::sync::Arc;

/// Long paths end a batch early.
const MAX_BATCH_PATH_BYTES: usize = 4 << 20;

/// A batch and what opens its files.
pub(crate) struct Listed {
    pub(crate) batch: Arc<Batch>,
    pub(crate) opener: Arc<Opener>,
}

/// A batch being filled.
pub(super) struct Filling {
    first: u64,
    entries: Vec<Entry>,
    path_bytes: usize,
    dirs: Vec<Arc<Dir>>,
    dir_of: Vec<u32>,
    /// Distinguishes this batch from the one before.
    pub(super) generation: u64,
}

impl Filling {
    pub(super) fn new() -> Filling {
        Filling {
            first: 0,
            entries: Vec::with_capacity(MAX_BATCH),
            path_bytes: 0,
            dirs: Vec::new(),
            dir_of: Vec::with_capacity(MAX_BATCH),
            generation: 0,
        }
    }

    /// Makes a directory known to this batch; its number is good for this generation only.
    pub(super) fn dir(&mut self, dir: &Arc<Dir>) -> u32 {
        self.dirs.push(dir.clone());
        // One for each entry at most.
        (self.dirs.len() - 1) as u32
    }

    pub(super) fn push(&mut self, entry: Entry, dir: u32) {
        self.path_bytes += entry.path.as_encoded().len();
        self.entries.push(entry);
        self.dir_of.push(dir);
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= MAX_BATCH || self.path_bytes >= MAX_BATCH_PATH_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Hands the batch out and begins the next.
    pub(super) fn finish(&mut self, with: &Arc<OpenWith>) -> Listed {
        let next = Filling {
            first: self.first + self.entries.len() as u64,
            generation: self.generation + 1,
            ..Filling::new()
        };
        let full = std::mem::replace(self, next);
        let batch = Arc::new(Batch { first: full.first, entries: full.entries });
        let opener = Opener { batch: batch.clone(), dirs: full.dirs, dir_of: full.dir_of, with: with.clone() };
        Listed { batch, opener: Arc::new(opener) }
    }
}

/// Opens the regular files of one batch, each from its directory's descriptor.
pub(crate) struct Opener {
    batch: Arc<Batch>,
    dirs: Vec<Arc<Dir>>,
    dir_of: Vec<u32>,
    with: Arc<OpenWith>,
}

impl FileOpener for Opener {
    fn open(&self, entry: u64) -> Result<Box<dyn FileReader>> {
        let listed = self.batch.get(entry).ok_or_else(|| defect("no such entry in this batch"))?;
        let dir = usize::try_from(entry - self.batch.first)
            .ok()
            .and_then(|index| self.dirs.get(*self.dir_of.get(index)? as usize))
            .ok_or_else(|| defect("no such entry in this batch"))?;
        let name = listed.path.name().ok_or_else(|| defect("the root is no file"))?;
        let directory = dir.descriptor().map_err(|errno| entry_error("cannot open its directory", errno))?;
        Ok(Box::new(OpenFile::open(&directory, &name, listed, &self.with)?))
    }
}
