use backup_core::{EntryKind, Fingerprint, Timestamp};
use rustix::fs::{FileType, Stat as RawStat};

/// What the system says of a file, in few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) links: u64,
    pub(crate) size: u64,
    pub(crate) blocks: u64,
    pub(crate) represents: u64,
    pub(crate) mtime: Timestamp,
    pub(crate) ctime: Timestamp,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Stat {
    /// The permission bits with setuid, setgid and sticky.
    pub(crate) fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    pub(crate) fn is_file(&self) -> bool {
        self.file_type() == FileType::RegularFile
    }

    /// Whether both are names of one file.
    pub(crate) fn same_file(&self, other: &Stat) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether nothing was written, and no metadata changed, between two looks.
    pub(crate) fn same_state(&self, other: &Stat) -> bool {
        (self.size, self.mtime, self.ctime) == (other.size, other.mtime, other.ctime)
    }

    /// The kind of entry; a link's text comes from the caller. `None` for what this system has beyond those.
    pub(crate) fn kind(&self, target: impl FnOnce() -> Vec<u8>) -> Option<EntryKind> {
        let (major, minor) = (rustix::fs::major(self.represents), rustix::fs::minor(self.represents));
        Some(match self.file_type() {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Directory,
            FileType::Symlink => EntryKind::Symlink { target: target() },
            FileType::Fifo => EntryKind::Fifo,
            FileType::Socket => EntryKind::Socket,
            FileType::CharacterDevice => EntryKind::CharDevice { major, minor },
            FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
            _ => return None,
        })
    }

    /// Size, both times and inode: any write, and any change of metadata, alters one of them.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut token = [0; 32];
        let parts = [self.size, nanoseconds(self.mtime) as u64, nanoseconds(self.ctime) as u64, self.inode];
        for (place, part) in token.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part.to_le_bytes());
        }
        Fingerprint { token, changed_ns: nanoseconds(self.ctime) }
    }
}

/// Wraps around for times hundreds of years away: still different for different times nearby.
fn nanoseconds(time: Timestamp) -> i64 {
    time.seconds.wrapping_mul(1_000_000_000).wrapping_add(i64::from(time.nanoseconds))
}

impl From<RawStat> for Stat {
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the fields' types differ between systems")]
    fn from(raw: RawStat) -> Self {
        let time = |seconds: i64, nanoseconds: u64| Timestamp {
            seconds,
            nanoseconds: u32::try_from(nanoseconds).unwrap_or(0).min(999_999_999),
        };
        Stat {
            device: raw.st_dev as u64,
            inode: raw.st_ino as u64,
            links: raw.st_nlink as u64,
            size: u64::try_from(raw.st_size).unwrap_or(0),
            blocks: u64::try_from(raw.st_blocks).unwrap_or(0),
            represents: raw.st_rdev as u64,
            mtime: time(raw.st_mtime as i64, raw.st_mtime_nsec as u64),
            ctime: time(raw.st_ctime as i64, raw.st_ctime_nsec as u64),
            mode: raw.st_mode as u32,
            uid: raw.st_uid as u32,
            gid: raw.st_gid as u32,
        }
    }
}
