use super::super::sys::stat::Stat;
use super::ground::Ground;
use super::metadata::{Before, Held};
use super::tree::{There, told};
use backup_core::{Entry, EntryKind};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, makedev, mknodat, openat, renameat, symlinkat, unlinkat};
use rustix::io::{Errno, retry_on_intr};

/// What came of one.
pub(super) struct Made {
    /// Device and inode.
    pub(super) identity: (u64, u64),
    /// What of its metadata could not be set.
    pub(super) problem: Option<String>,
}

/// Makes a symbolic link, a fifo or a device, in place of what is there if `replaces`.
pub(super) fn make(ground: &Ground, there: &There, name: &[u8], entry: &Entry, replaces: bool) -> Result<Made, String> {
    let failed = |errno| told("cannot make it", errno);
    let directory = there.dir.descriptor().map_err(|errno| told("cannot open its directory", errno))?;
    let temporary = replaces.then(|| ground.temporary_name());
    let first_name = temporary.as_deref().unwrap_or(name);
    create(directory.as_fd(), first_name, entry).map_err(failed)?;
    let before = Before::Made { own_group: there.own_group, inherits: there.inherits };
    let finished = set(ground, directory.as_fd(), first_name, entry, before).and_then(|made| {
        if temporary.is_some() {
            renameat(&directory, first_name, &directory, name).map_err(failed)?;
        }
        Ok(made)
    });
    if finished.is_err() {
        let _ = unlinkat(&directory, first_name, AtFlags::empty());
    }
    finished
}

/// Sets the metadata of one that stands there.
pub(super) fn set(
    ground: &Ground,
    directory: BorrowedFd<'_>,
    name: &[u8],
    entry: &Entry,
    before: Before,
) -> Result<Made, String> {
    let (descriptor, stat) = hold(directory, name, entry).map_err(|errno| told("cannot set its metadata", errno))?;
    let is_link = matches!(entry.kind, EntryKind::Symlink { .. });
    let problem = ground.setter.set(Held::Shown(descriptor.as_fd()), &entry.metadata, before, is_link);
    Ok(Made { identity: (stat.device, stat.inode), problem })
}

/// A descriptor of just this thing: somebody may have put another one in its place, whose permissions are not ours.
fn hold(directory: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<(OwnedFd, Stat), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let descriptor = retry_on_intr(|| openat(directory, name, flags, Mode::empty()))?;
    let stat = Stat::from(fstat(&descriptor)?);
    let same = match (&entry.kind, stat.kind(Vec::new)) {
        (EntryKind::Symlink { .. }, Some(EntryKind::Symlink { .. })) => true,
        (wanted, Some(found)) => *wanted == found,
        (_, None) => false,
    };
    if same { Ok((descriptor, stat)) } else { Err(Errno::STALE) }
}

fn create(directory: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o600);
    match &entry.kind {
        EntryKind::Symlink { target } => symlinkat(target.as_slice(), directory, name),
        EntryKind::Fifo => mknodat(directory, name, FileType::Fifo, mode, 0),
        EntryKind::CharDevice { major, minor } => {
            mknodat(directory, name, FileType::CharacterDevice, mode, makedev(*major, *minor))
        }
        EntryKind::BlockDevice { major, minor } => {
            mknodat(directory, name, FileType::BlockDevice, mode, makedev(*major, *minor))
        }
        _ => Err(Errno::INVAL),
    }
}
