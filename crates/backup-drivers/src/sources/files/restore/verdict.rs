use super::super::sys::stat::Stat;
use super::super::target::Overwrite;
use backup_core::{Entry, EntryKind};
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, readlinkat, statat};
use rustix::io::Errno;

/// What to do about an entry where it is to stand.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing is there.
    Make,
    /// Something is there that has to go.
    Replace(Stat),
    /// The same is there; only its metadata may differ.
    Unchanged(Stat),
    /// Something is there that stays.
    Keep,
}

/// What is there under a name, links not followed.
pub(super) fn look(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>, Errno> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Decides by the policy; `found` is what [`look`] gave.
pub(super) fn decide(
    policy: Overwrite,
    entry: &Entry,
    found: Option<Stat>,
    directory: BorrowedFd<'_>,
    name: &[u8],
) -> Verdict {
    let Some(stat) = found else { return Verdict::Make };
    let replaced = match policy {
        Overwrite::Never => false,
        Overwrite::Always => true,
        Overwrite::IfNewer => entry.metadata.mtime.is_some_and(|mtime| mtime > stat.mtime),
        Overwrite::IfChanged => {
            if is_same(entry, &stat, directory, name) && !is_shared(entry, &stat) {
                return Verdict::Unchanged(stat);
            }
            true
        }
    };
    if replaced { Verdict::Replace(stat) } else { Verdict::Keep }
}

fn is_same(entry: &Entry, stat: &Stat, directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    match (&entry.kind, stat.kind(Vec::new)) {
        (EntryKind::File, Some(EntryKind::File)) => {
            entry.size_bytes == Some(stat.size) && entry.metadata.mtime == Some(stat.mtime)
        }
        (EntryKind::Symlink { target }, Some(EntryKind::Symlink { .. })) => {
            readlinkat(directory, name, Vec::new()).is_ok_and(|found| found.to_bytes() == target.as_slice())
        }
        (EntryKind::Directory | EntryKind::Stream, _) => false,
        (wanted, Some(found)) => *wanted == found,
        (_, None) => false,
    }
}

/// Whether setting this entry's metadata would also change a file that has other names: those may be anybody's.
fn is_shared(entry: &Entry, stat: &Stat) -> bool {
    let wanted = &entry.metadata;
    let differs = wanted.mode.is_some_and(|mode| mode != stat.permissions())
        || wanted.uid.is_some_and(|uid| uid != stat.uid)
        || wanted.gid.is_some_and(|gid| gid != stat.gid);
    stat.links > 1 && differs
}
