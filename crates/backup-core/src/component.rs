use crate::TreePath;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// How a backup, or a component of one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// All there.
    Complete,
    /// All components there; some entries could not be read and are listed.
    Partial,
    /// A required component failed.
    Incomplete,
}

impl Status {
    /// The word used in JSON and on disk.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Complete => "complete",
            Status::Partial => "partial",
            Status::Incomplete => "incomplete",
        }
    }

    /// The status of a whole whose parts are `self` and `other`.
    #[must_use]
    pub fn and(self, other: Status) -> Status {
        match (self, other) {
            (Status::Incomplete, _) | (_, Status::Incomplete) => Status::Incomplete,
            (Status::Partial, _) | (_, Status::Partial) => Status::Partial,
            _ => Status::Complete,
        }
    }
}

impl std::str::FromStr for Status {
    type Err = crate::Error;
    fn from_str(s: &str) -> crate::Result<Self> {
        match s {
            "complete" => Ok(Status::Complete),
            "partial" => Ok(Status::Partial),
            "incomplete" => Ok(Status::Incomplete),
            other => Err(crate::Error::new(crate::ErrorKind::Damaged, "unknown status").context("status", other)),
        }
    }
}

/// What a push is about to capture: one source's part of a snapshot, before anything was read.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentSpec {
    /// Unique within the snapshot; the driver's kind when the caller names none.
    pub name: String,
    /// Kind, version, roots, options and chain as the driver describes itself. Holds no secret.
    pub source: SourceDescription,
    /// Whether the backup counts as incomplete without it.
    pub required: bool,
}

impl ComponentSpec {
    /// A required component.
    pub fn new(name: impl Into<String>, source: SourceDescription) -> Self {
        ComponentSpec { name: name.into(), source, required: true }
    }
}

/// A driver's description of itself, enough to find the driver again at restore time. Never holds a secret.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceDescription {
    /// `files`, `command`, `mysql`, …: the registry's word.
    pub kind: String,
    /// Version of what was captured, where there is one (a server's).
    pub version: Option<String>,
    /// Where in the tree the captured roots stand.
    pub roots: Vec<TreePath>,
    /// Everything else, by name.
    pub options: BTreeMap<String, String>,
    /// The chain of connections, outermost first, as each describes itself.
    pub chain: Vec<String>,
}

impl SourceDescription {
    /// A description of a source of this kind.
    pub fn new(kind: impl Into<String>) -> Self {
        SourceDescription { kind: kind.into(), ..Default::default() }
    }
}

/// How a capture or a restore ended, checked against the producer's exit status and end marker.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Entries that could not be read or written; the rest is done.
    pub failures: Vec<EntryFailure>,
    /// Failures beyond those listed.
    pub failures_unlisted: u64,
    /// Counts the driver wants recorded (rows, documents), by name.
    pub counts: BTreeMap<String, u64>,
    /// A position to go on from (binlog, oplog, LSN), in the driver's own words.
    pub position: Option<String>,
    /// The instant for which the captured data is consistent, if there is one.
    pub consistent_at: Option<SystemTime>,
    /// Set when a required producer failed after entries had been delivered: nothing of the component may count.
    pub fatal: Option<String>,
}

/// The most failures that are listed one by one.
pub const MAX_LISTED_FAILURES: usize = 1000;

impl Outcome {
    /// Records that one entry could not be handled.
    pub fn fail(&mut self, path: TreePath, reason: impl Into<String>) {
        if self.failures.len() < MAX_LISTED_FAILURES {
            self.failures.push(EntryFailure { path, reason: reason.into() });
        } else {
            self.failures_unlisted += 1;
        }
    }

    /// How many entries failed.
    pub fn failed(&self) -> u64 {
        self.failures.len() as u64 + self.failures_unlisted
    }
}

/// One entry that could not be read or written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFailure {
    /// Which.
    pub path: TreePath,
    /// Why, in one line.
    pub reason: String,
}

/// One source's part of a finished backup.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What was asked for.
    pub spec: ComponentSpec,
    /// How it ended.
    pub status: Status,
    /// Failures, counts, position, consistency instant.
    pub outcome: Outcome,
    /// What it holds.
    pub totals: Totals,
}

impl Component {
    /// A component record.
    pub fn new(spec: ComponentSpec, status: Status, outcome: Outcome, totals: Totals) -> Self {
        Component { spec, status, outcome, totals }
    }
}

/// How much a component or a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries of all kinds.
    pub entries: u64,
    /// Regular files and streams.
    pub files: u64,
    /// Their content in bytes, holes included.
    pub size_bytes: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.entries += other.entries;
        self.files += other.files;
        self.size_bytes += other.size_bytes;
    }
}
