//! From a finished temporary file to an object.

use super::root::{Root, failed, is_file, is_reserved, modified, split, sync_folder};
use super::temporary::Temporary;
use backup_core::{Error, ErrorKind, Key, ObjectMeta, PutMode, Result};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;

const OBJECT_MODE: Mode = Mode::RUSR;

/// Refuses early what could only fail after all bytes were written.
pub(super) fn check_name(root: &Root, key: &Key, mode: PutMode) -> Result<()> {
    if is_reserved(key.as_str()) {
        return Err(Error::new(ErrorKind::InvalidInput, "this name is kept for the storage itself").context("key", key));
    }
    match root.open_beneath(key.as_str(), OFlags::PATH).and_then(rustix::fs::fstat) {
        Ok(stat) if !is_file(&stat) => Err(failed("cannot put", key.as_str(), Errno::ISDIR)),
        Ok(_) if mode == PutMode::CreateOnly => Err(exists(key)),
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(failed("cannot put an object of this name", key.as_str(), e)),
    }
}

/// Makes a written file durable, then visible under `key`, then the name durable.
pub(super) fn publish(
    root: &Root,
    key: &Key,
    mode: PutMode,
    mut temporary: Temporary,
    length: u64,
) -> Result<ObjectMeta> {
    let on = |message, e| failed(message, key.as_str(), e);
    let file = &temporary.file;
    match rustix::fs::fchmod(file, OBJECT_MODE) {
        // File systems without modes.
        Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP) => {}
        Err(e) => return Err(on("cannot make an object read-only", e)),
    }
    // A long upload becomes visible now, not when its last byte was written.
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now })
        .map_err(|e| on("cannot set an object's time", e))?;
    rustix::fs::fsync(file).map_err(|e| on("cannot sync an object", e))?;
    let stat = rustix::fs::fstat(file).map_err(|e| on("cannot stat an object", e))?;
    let meta = ObjectMeta::new(u64::try_from(stat.st_size).unwrap_or(0), modified(&stat));
    if meta.size_bytes != length {
        return Err(Error::new(ErrorKind::Io, "the file does not have the length that was written")
            .context("key", key)
            .context("written_bytes", length)
            .context("file_bytes", meta.size_bytes));
    }

    let (folder, name) = split(key.as_str());
    let folder = root.make_folder(folder).map_err(|e| on("cannot make an object's folder", e))?;
    match mode {
        PutMode::CreateOnly => create(root, &mut temporary, &folder, name),
        PutMode::Replace => {
            let moved = rustix::fs::renameat(&temporary.folder, temporary.name.as_str(), &folder, name);
            moved.inspect(|()| temporary.renamed())
        }
    }
    .map_err(|e| match e {
        Errno::EXIST => taken(key, &folder, name),
        // The folder or the file was removed behind our back. Nobody asked for an object, so not `NotFound`.
        Errno::NOENT => on("cannot give an object its name", Errno::NOENT).with_kind(ErrorKind::Io),
        e => on("cannot give an object its name", e),
    })?;
    sync_folder(&folder).map_err(|e| on("an object is there, but its name could not be made durable", e))?;
    Ok(meta)
}

/// Gives the file its name; `EXIST` when that is taken.
fn create(root: &Root, temporary: &mut Temporary, folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    let from = temporary.name.as_str();
    if root.hard_links.load(Relaxed) {
        match rustix::fs::linkat(&temporary.folder, from, folder, name, AtFlags::empty()) {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => root.hard_links.store(false, Relaxed),
            // NFS may repeat a link whose answer was lost, and then finds its own.
            Err(Errno::EXIST) if is_same(temporary, folder, name) => return Ok(()),
            other => return other,
        }
    }
    rustix::fs::renameat_with(&temporary.folder, from, folder, name, RenameFlags::NOREPLACE)?;
    temporary.renamed();
    Ok(())
}

fn is_same(temporary: &Temporary, folder: &OwnedFd, name: &str) -> bool {
    let there = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    match (rustix::fs::fstat(&temporary.file), there) {
        (Ok(ours), Ok(there)) => (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino),
        _ => false,
    }
}

fn taken(key: &Key, folder: &OwnedFd, name: &str) -> Error {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if !is_file(&stat) => failed("cannot put", key.as_str(), Errno::ISDIR),
        _ => exists(key),
    }
}

fn exists(key: &Key) -> Error {
    Error::new(ErrorKind::AlreadyExists, "the object exists").context("key", key)
}
