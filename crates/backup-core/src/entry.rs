use crate::TreePath;
use std::collections::BTreeMap;

/// The most entries a batch may hold.
pub const MAX_BATCH: usize = 4096;

/// One named thing a source yields: metadata first, content only if wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in its component.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
    /// Owner, times, attributes.
    pub metadata: Metadata,
    /// Bytes of content, holes included; zero for what has no content; `None` when unknown before it is read.
    pub size_bytes: Option<u64>,
    /// Entries of one component with the same group are names of one file.
    pub link_group: Option<u64>,
    /// Where the content has holes: sorted, not touching, inside `size_bytes`. Content streams leave them out.
    pub holes: Vec<Hole>,
    /// Set when the content changed while it was read: what is stored is what was read.
    pub changed_while_read: bool,
    /// Lets an engine trust an earlier read of the same content. Never stored in a repository.
    pub fingerprint: Option<Fingerprint>,
}

impl Entry {
    /// An entry with default metadata and nothing else known.
    pub fn new(path: TreePath, kind: EntryKind) -> Self {
        Entry {
            path,
            kind,
            metadata: Metadata::default(),
            size_bytes: None,
            link_group: None,
            holes: Vec::new(),
            changed_while_read: false,
            fingerprint: None,
        }
    }

    /// Whether entries of this kind have content at all.
    pub fn has_content(&self) -> bool {
        matches!(self.kind, EntryKind::File | EntryKind::Stream)
    }
}

/// What an entry is.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and the bytes it points to.
    Symlink {
        /// The link's text, as it is.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A Unix socket; recorded only.
    Socket,
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// The output of a program, a table range, a collection: content without a file's metadata.
    Stream,
}

/// A run of zeros that takes no space at the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// First byte of the hole, in the file.
    pub offset: u64,
    /// Bytes, not zero.
    pub length: u64,
}

/// Owner, times and attributes. A field that the source does not know is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky (the low twelve bits of `st_mode`).
    pub mode: Option<u32>,
    /// Numeric owner.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
    /// The owner's name on the source.
    pub user: Option<Vec<u8>>,
    /// The group's name on the source.
    pub group: Option<Vec<u8>>,
    /// Last modification.
    pub mtime: Option<Timestamp>,
    /// Extended attributes by full name (`user.x`, `system.posix_acl_access`), values as they are.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A point in time: nanoseconds may not be negative, so times before 1970 have negative seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// What identifies one state of an entry's content at the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Equal tokens mean equal content and metadata, once `settled_ns` has passed.
    pub token: [u8; 32],
    /// When the state last changed by the source's clock, in nanoseconds since 1970; a read that started less than
    /// two seconds later may have missed a change that left the token as it was.
    pub changed_ns: i64,
}

/// Up to [`MAX_BATCH`] entries in canonical order, numbered `first`, `first + 1`, … over the whole capture.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The number of the first entry.
    pub first: u64,
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Batch {
    /// The entry with this number, if it is in this batch.
    pub fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Entries with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (self.first..).zip(&self.entries)
    }
}

/// The numbers of those entries of one batch whose content is asked for, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(pub Vec<u64>);

impl Wanted {
    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
