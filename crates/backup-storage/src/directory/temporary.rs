//! Files that are being written.
//!
//! Each is locked with flock(2) as long as it is open, and the kernel gives the lock up when the process ends. A file
//! that is old and whose lock can be taken belongs to nobody. Where locks do not work none can be taken, so nothing is
//! removed.

use super::root::{Root, TEMPORARY, failed, is_file, join, modified, sync_folder};
use backup_core::{Error, Result};
use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;
use std::fmt::Write;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A new file in `tmp/`, removed when this is dropped.
pub(super) struct Temporary {
    pub(super) file: File,
    pub(super) folder: OwnedFd,
    pub(super) name: String,
    linked: bool,
}

impl Temporary {
    pub(super) fn new(root: &Root) -> Result<Self> {
        let folder = root.make_folder(TEMPORARY).map_err(|e| failed("cannot make a folder", TEMPORARY, e))?;
        let name = random_name().map_err(|e| Error::io("cannot get random bytes", e.into()))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name.as_str(), flags, FILE_MODE)
            .map_err(|e| failed("cannot make a temporary file", &join(TEMPORARY, &name), e))?;
        // Without locks it is never cleaned up, which is safe.
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok();
        Ok(Temporary { file: file.into(), folder, name, linked: true })
    }

    /// Removes it now.
    pub(super) fn remove(mut self) -> Result<()> {
        self.linked = false;
        match rustix::fs::unlinkat(&self.folder, self.name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(failed("cannot remove a temporary file", &join(TEMPORARY, &self.name), e)),
        }
    }

    /// It has no name in `tmp/` any more.
    pub(super) fn renamed(&mut self) {
        self.linked = false;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.linked {
            // What stays here is removed by a later clean-up and never shown as an object.
            rustix::fs::unlinkat(&self.folder, self.name.as_str(), AtFlags::empty()).ok();
        }
    }
}

/// Removes the files of dead processes that are older than `older_than`; gives their number.
pub(super) fn clean(root: &Root, older_than: Duration) -> Result<u64> {
    let folder = match root.folder(TEMPORARY) {
        Err(Errno::NOENT) => return Ok(0),
        other => other.map_err(|e| failed("cannot open a folder", TEMPORARY, e))?,
    };
    let mut removed = 0;
    let mut first_error = None;
    for entry in Dir::read_from(&folder).map_err(|e| failed("cannot read a folder", TEMPORARY, e))? {
        let entry = entry.map_err(|e| failed("cannot read a folder", TEMPORARY, e))?;
        match remove_dead(&folder, entry.file_name(), older_than) {
            Ok(true) => removed += 1,
            Ok(false) | Err(Errno::NOENT) => {}
            Err(e) => {
                first_error.get_or_insert(failed("cannot remove a temporary file", TEMPORARY, e));
            }
        }
    }
    sync_folder(&folder).map_err(|e| failed("cannot sync a folder", TEMPORARY, e))?;
    first_error.map_or(Ok(removed), Err)
}

fn remove_dead(folder: &OwnedFd, name: &std::ffi::CStr, older_than: Duration) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let age = SystemTime::now().duration_since(modified(&stat)).unwrap_or_default();
    if !is_file(&stat) || age < older_than {
        return Ok(false);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    // A shared lock conflicts with the writer's and can be had with a file opened for reading.
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_err() {
        return Ok(false);
    }
    rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
    Ok(true)
}

fn random_name() -> Result<String, Errno> {
    let mut random = [0_u8; 16];
    let length = rustix::rand::getrandom(&mut random, GetRandomFlags::empty())?;
    if length != random.len() {
        return Err(Errno::IO);
    }
    Ok(random.iter().fold(String::new(), |mut name, byte| {
        write!(name, "{byte:02x}").ok();
        name
    }))
}
