use crate::Observer;
use crate::{
    Batch, Component, ComponentSpec, Contents, Outcome, Reader, Result, Selection, Status, Supply, Totals, Wanted,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The id of a backup in its catalogue: printable, unique, in order of time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(pub String);

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a push is called.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// The series this backup belongs to (`latest:NAME`).
    pub name: String,
    /// The host it was taken on.
    pub host: String,
    /// Labels.
    pub tags: Vec<String>,
    /// When the capture started, by the caller's clock.
    pub started: Option<SystemTime>,
}

impl Spec {
    /// A push of a series on a host.
    pub fn new(name: impl Into<String>, host: impl Into<String>) -> Self {
        Spec { name: name.into(), host: host.into(), ..Default::default() }
    }

    /// Adds labels.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = String>) -> Self {
        self.tags.extend(tags);
        self
    }

    /// Says when the capture started.
    #[must_use]
    pub fn with_started(mut self, started: SystemTime) -> Self {
        self.started = Some(started);
        self
    }
}

/// What a push goes to: a repository or an archive folder.
#[async_trait]
pub trait Destination: Debug + Send + Sync {
    /// Starts a backup; nothing is visible before [`Draft::commit`].
    ///
    /// # Errors
    /// `AccessDenied`, `NotFound`, `Unavailable`.
    async fn begin(&self, spec: Spec, observer: Arc<dyn Observer>) -> Result<Box<dyn Draft>>;
}

/// A backup being written.
#[async_trait]
pub trait Draft: Send {
    /// Starts a component. The same name a second time replaces the first, and takes its listing as the previous one.
    ///
    /// # Errors
    /// When the destination failed.
    async fn component(&mut self, component: ComponentSpec) -> Result<Box<dyn Ingest>>;

    /// Takes a finished component into the backup. With [`Outcome::fatal`] set it is recorded as failed and holds
    /// nothing, whatever was delivered; also when nothing was listed at all. Dropped before its end, only
    /// [`Draft::abort`] may follow.
    ///
    /// # Errors
    /// When the destination failed.
    async fn accept(&mut self, ingest: Box<dyn Ingest>, outcome: Outcome) -> Result<Component>;

    /// Makes the backup visible, all of it or nothing. Its status is that of its components; one that failed counts
    /// only if it is required. The pipeline never drops this future.
    ///
    /// # Errors
    /// `Fenced` when somebody ended this session; nothing is visible then.
    async fn commit(self: Box<Self>) -> Result<Committed>;

    /// Ends without a backup. Every component was given back or dropped before.
    ///
    /// # Errors
    /// When the end could not be recorded; nothing is visible in any case.
    async fn abort(self: Box<Self>) -> Result<()>;
}

/// A component being written.
#[async_trait]
pub trait Ingest: Send {
    /// Compares a batch with the previous listing and says which contents are needed.
    ///
    /// # Errors
    /// `InvalidInput` when the batch is not in canonical order; else when the destination failed.
    async fn want(&mut self, batch: Arc<Batch>) -> Result<Wanted>;

    /// Where the wanted contents go.
    fn contents(&self) -> &dyn Contents;

    /// For [`Draft::accept`] to get its own type back.
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send>;
}

/// What a push did.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The new backup.
    pub summary: Summary,
    /// What it took.
    pub stats: PushStats,
}

impl Committed {
    /// A finished push.
    pub fn new(summary: Summary, stats: PushStats) -> Self {
        Committed { summary, stats }
    }
}

/// Counts of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushStats {
    /// Files that the previous listing does not have.
    pub files_new: u64,
    /// Files that differ from the previous listing.
    pub files_changed: u64,
    /// Files taken from the previous listing without being read.
    pub files_unchanged: u64,
    /// Bytes of content read from the source.
    pub bytes_read: u64,
    /// Bytes of content that the destination did not have.
    pub bytes_added: u64,
    /// Bytes written to the storage, everything counted.
    pub bytes_stored: u64,
}

/// What a catalogue shows of a backup without opening it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub id: BackupId,
    /// The series.
    pub name: String,
    /// The host.
    pub host: String,
    /// When the capture started, by the writer's clock.
    pub time: SystemTime,
    /// When it came, by the storage's clock, as the first owner who saw it has signed; none before that.
    pub received: Option<SystemTime>,
    /// Whether nothing speaks for its time: nobody has signed when it came, and by the storage's clock that was more than
    /// a day away from [`Summary::time`]. A policy should neither drop it nor let it take another's place.
    pub untimely: bool,
    /// How long it took.
    pub duration: Duration,
    /// Labels, notes applied.
    pub tags: Vec<String>,
    /// Whether it must not be dropped.
    pub held: bool,
    /// How it ended.
    pub status: Status,
    /// Names of its components.
    pub components: Vec<String>,
    /// What it holds.
    pub totals: Totals,
}

impl Summary {
    /// A summary with the given id and name; the other fields are set by assignment.
    pub fn new(id: BackupId, name: impl Into<String>, host: impl Into<String>, time: SystemTime) -> Self {
        Summary {
            id,
            name: name.into(),
            host: host.into(),
            time,
            received: None,
            untimely: false,
            duration: Duration::ZERO,
            tags: Vec::new(),
            held: false,
            status: Status::Complete,
            components: Vec::new(),
            totals: Totals::default(),
        }
    }
}

/// The backups of a destination.
#[async_trait]
pub trait Catalogue: Debug + Send + Sync {
    /// All backups, oldest first.
    ///
    /// # Errors
    /// `AccessDenied`, `Unavailable`. One that cannot be read does not hide the others; `check` names it.
    async fn list(&self) -> Result<Vec<Summary>>;

    /// Opens one.
    ///
    /// # Errors
    /// `NotFound`, `AccessDenied` (a key that may not read), `Damaged`.
    async fn open(&self, id: &BackupId) -> Result<Box<dyn Backup>>;

    /// Removes one from the catalogue. What it alone used is freed by a later prune.
    ///
    /// # Errors
    /// `NotFound`, `AccessDenied` (also for one that is held).
    async fn forget(&self, id: &BackupId) -> Result<()>;

    /// Looks for damage.
    ///
    /// # Errors
    /// Only when looking itself fails; what is found is in the report.
    async fn check(&self, options: CheckOptions, observer: Arc<dyn Observer>) -> Result<Report>;
}

/// How deep a check goes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Which stored content is read and verified.
    pub read: ReadData,
}

impl CheckOptions {
    /// Sets which content is read.
    #[must_use]
    pub fn with_read(mut self, read: ReadData) -> Self {
        self.read = read;
        self
    }
}

/// Which part of the stored content a check reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadData {
    /// Structure only.
    #[default]
    None,
    /// A random share.
    Percent(u8),
    /// Part `part` (from 1) of `of`: over time all parts cover everything.
    Part {
        /// Which part, from 1.
        part: u32,
        /// Of how many.
        of: u32,
    },
    /// Everything.
    All,
}

/// What a check found.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Each thing that is wrong.
    pub findings: Vec<Finding>,
    /// How much was looked at, by kind of object.
    pub checked: BTreeMap<String, u64>,
}

impl Report {
    /// Whether anything is damaged.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The object concerned.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// The backups it affects, where known.
    pub affects: Vec<BackupId>,
}

/// An open backup.
#[async_trait]
pub trait Backup: Debug + Send + Sync {
    /// Its summary.
    fn summary(&self) -> &Summary;

    /// Its components in order.
    fn components(&self) -> &[Component];

    /// A walk over the entries of one component in canonical order.
    ///
    /// # Errors
    /// `NotFound` for a component that is not there.
    fn entries(&self, component: usize, selection: &Selection) -> Result<Box<dyn Entries>>;
}

/// A walk over stored entries; it can also supply their contents.
#[async_trait]
pub trait Entries: Send {
    /// The next entries, none at the end. Damage is reported once and the walk goes on behind it.
    ///
    /// # Errors
    /// `Damaged` for a part of the listing that cannot be read: call again to go on.
    async fn next(&mut self) -> Result<Option<Arc<Batch>>>;

    /// The contents of the batch given last. What it accepted goes on when the next batch is asked for, and is given up when
    /// the walk is dropped.
    fn supply(&self) -> &dyn Supply;
}

/// Reads one entry's whole content, for small things.
///
/// # Errors
/// `Damaged` when it is longer than `limit_bytes`, or what the stream gave.
pub async fn read_entry(supply: &dyn Supply, entry: u64, limit_bytes: u64) -> Result<Vec<u8>> {
    use tokio::io::AsyncReadExt;
    let reader: Reader = supply.stream(entry).await?;
    let mut content = Vec::new();
    reader
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut content)
        .await
        .map_err(|e| crate::Error::io("cannot read an entry", e))?;
    if content.len() as u64 > limit_bytes {
        return Err(crate::Error::new(crate::ErrorKind::InvalidInput, "an entry is too long")
            .context("limit_bytes", limit_bytes));
    }
    Ok(content)
}
