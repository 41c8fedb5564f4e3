use super::sys::stat::Stat;
use rustix::fd::BorrowedFd;
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::retry_on_intr;

/// The name of the file that marks a cache, and how it begins (<https://bford.info/cachedir/>).
pub(crate) const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";
const SIGNATURE: &[u8; 43] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Whether a directory has a valid tag.
pub(crate) fn is_cache(directory: BorrowedFd<'_>) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(tag) = retry_on_intr(|| openat(directory, CACHE_TAG, flags, Mode::empty())) else { return false };
    let mut start = [0; SIGNATURE.len()];
    matches!(fstat(&tag), Ok(stat) if Stat::from(stat).is_file())
        && retry_on_intr(|| rustix::io::read(&tag, &mut start)) == Ok(start.len())
        && start == *SIGNATURE
}
