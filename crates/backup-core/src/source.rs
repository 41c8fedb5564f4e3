use crate::{Batch, Component, Entry, Observer, Outcome, Reader, Result, Session, SourceDescription, TreePath, Wanted};
use async_trait::async_trait;
use std::fmt::Debug;
use std::sync::Arc;

/// A driver for what is backed up. A value of it is one configured source (these roots, that database).
#[async_trait]
pub trait SourceDriver: Debug + Send + Sync {
    /// What is recorded of the source, without secrets.
    fn describe(&self) -> SourceDescription;

    /// Looks whether a capture could work: one line per finding, none when all is well. Changes nothing.
    ///
    /// # Errors
    /// When the place cannot be asked at all.
    async fn probe(&self, at: &dyn Session) -> Result<Vec<String>>;

    /// Starts reading. Dropping the capture ends whatever it started.
    ///
    /// # Errors
    /// `NotFound` and `AccessDenied` for a source that cannot be opened at all; single entries fail later.
    async fn capture(&self, at: Arc<dyn Session>, observer: Arc<dyn Observer>) -> Result<Box<dyn Capture>>;

    /// Starts writing a component of this driver's kind back.
    ///
    /// # Errors
    /// When the target cannot be written at all; `Unsupported` for a component of another kind.
    async fn restore(
        &self,
        at: Arc<dyn Session>,
        component: &Component,
        observer: Arc<dyn Observer>,
    ) -> Result<Box<dyn Restore>>;
}

/// A source being read: `list` until it gives none, `fetch` of each batch's wanted entries in between, `finish`.
#[async_trait]
pub trait Capture: Send {
    /// The next entries in canonical order, each path once, at most [`crate::MAX_BATCH`] of them.
    ///
    /// # Errors
    /// Only when the capture as a whole cannot go on.
    async fn list(&mut self) -> Result<Option<Arc<Batch>>>;

    /// Delivers the content of the wanted entries of the batch listed last, in any order.
    /// One that cannot be read is reported to `contents` and is no error here.
    ///
    /// # Errors
    /// When the capture as a whole cannot go on, or `contents` refuses more.
    async fn fetch(&mut self, wanted: Wanted, contents: &dyn Contents) -> Result<()>;

    /// Checks exit status, end marker and counts once all content has arrived, and reports them.
    ///
    /// # Errors
    /// `ProducerFailed` when what was delivered must not become a backup.
    async fn finish(self: Box<Self>) -> Result<Outcome>;
}

/// Where content goes: the destination's side of [`Capture::fetch`]. Every wanted entry is answered exactly once.
#[async_trait]
pub trait Contents: Send + Sync {
    /// Lets the destination's own threads open and read local files. Returns once they are accepted, which waits
    /// while too much is in flight.
    ///
    /// # Errors
    /// When the destination failed; its reason comes from `finish` or `commit`.
    async fn files(&self, opener: Arc<dyn FileOpener>, entries: &[u64]) -> Result<()>;

    /// Takes one entry's content from a stream, to its end; gives the bytes read. Several may run at once.
    ///
    /// # Errors
    /// What the stream gave: the entry is lost then, and the caller decides whether the capture is.
    async fn stream(&self, entry: u64, content: Reader) -> Result<u64>;

    /// Says that an entry cannot be delivered after all.
    ///
    /// # Errors
    /// When the destination failed.
    async fn unreadable(&self, entry: u64, reason: String) -> Result<()>;
}

/// Opens the entries of one batch on the destination's worker threads.
pub trait FileOpener: Send + Sync {
    /// Opens one entry for reading.
    ///
    /// # Errors
    /// When it cannot be read, or vanished: the entry is reported and the rest goes on.
    fn open(&self, entry: u64) -> Result<Box<dyn FileReader>>;
}

/// One open file: data bytes in order, holes left out.
pub trait FileReader: Send {
    /// The entry as it was opened, with size and holes, for who must tell them before the content: what `finish` gives if
    /// nothing changes meanwhile. No more bytes than that are read. `listed` is the entry as `list` gave it.
    fn opened(&mut self, listed: &Entry) -> Entry;

    /// Reads some data bytes; 0 at the end.
    ///
    /// # Errors
    /// When reading fails midway; nothing of the entry is kept.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;

    /// The entry as it was read: metadata from the open file, holes, the size that was really there, and whether it
    /// changed meanwhile. `listed` is the entry as `list` gave it; `read_bytes` the data bytes taken.
    ///
    /// # Errors
    /// When the file's state cannot be asked; the entry is lost then.
    fn finish(self: Box<Self>, listed: &Entry, read_bytes: u64) -> Result<Entry>;
}

/// A target being written: `begin` and `put` for each batch, [`Supply::settle`] behind the last, then `finish`. Mirrors
/// [`Capture`].
#[async_trait]
pub trait Restore: Send {
    /// Takes the next entries in canonical order (directories before what is in them) and says whose content it
    /// needs. An entry that cannot be made is recorded for `finish`. Contents of earlier batches may still be coming.
    ///
    /// # Errors
    /// When the restore as a whole cannot go on.
    async fn begin(&mut self, batch: Arc<Batch>) -> Result<Wanted>;

    /// Writes the content of wanted entries of the batch begun last, or lets the supply write it until it settles.
    ///
    /// # Errors
    /// When the restore as a whole cannot go on.
    async fn put(&mut self, wanted: Wanted, supply: &dyn Supply) -> Result<()>;

    /// Sets what must come last (metadata of directories) and reports what could not be written. The supply has settled:
    /// whatever `put` handed to it is finished.
    ///
    /// # Errors
    /// When the end could not be reached; entries that failed are in the outcome.
    async fn finish(self: Box<Self>) -> Result<Outcome>;
}

/// Where content comes from: the repository's side of [`Restore::put`].
#[async_trait]
pub trait Supply: Send + Sync {
    /// Lets the engine's own threads write verified content through `sink`, pieces in any order. Returns once `entries`
    /// are accepted, which waits while too much is in flight. Each of them ends with [`FileSink::finish`], exactly once,
    /// now or later; entries of several batches may be under way at once.
    ///
    /// # Errors
    /// When the supply failed as a whole, also with what it accepted before: no more comes, and what is not finished may
    /// never be. One entry that is damaged goes to [`FileSink::finish`].
    async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()>;

    /// Waits until everything that `files` accepted is finished. Who drives a restore calls it before
    /// [`Restore::finish`]; a driver that needs the files themselves calls it in [`Restore::put`], any number of times.
    ///
    /// # Errors
    /// When the supply failed as a whole.
    async fn settle(&self) -> Result<()>;

    /// One entry's content as a stream, holes as zeros. Damage comes out of the reader as an error.
    ///
    /// # Errors
    /// When it cannot be opened.
    async fn stream(&self, entry: u64) -> Result<Reader>;
}

/// Takes content on the engine's worker threads.
pub trait FileSink: Send + Sync {
    /// Writes verified bytes at an offset of the file (holes counted). Pieces of one entry never overlap; calls for
    /// one entry may come from several threads.
    ///
    /// # Errors
    /// When the entry cannot be written; the engine sends no more of it and finishes it with this error.
    fn write(&self, entry: u64, offset: u64, data: &[u8]) -> Result<()>;

    /// Ends an entry, exactly once, after its last `write`: completes it, or removes what was written of it. Returns
    /// `false` when it could not be completed; the sink records why.
    fn finish(&self, entry: u64, result: Result<()>) -> bool;
}

/// Which entries of a component a pull takes.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these paths and what lies below them; all when empty.
    pub paths: Vec<TreePath>,
}

impl Selection {
    /// Whether an entry belongs to it: it is selected, below a selected path, or a directory above one.
    pub fn takes(&self, path: &TreePath) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|p| path.starts_with(p) || p.starts_with(path))
    }
}
