use backup_core::{Error, ErrorKind, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The folder for files that are being written.
pub(super) const TEMPORARY: &str = "tmp";
/// First components that are never part of a key: ours, and the one that ext4 keeps at the top of a disk.
const RESERVED: [&str; 2] = [TEMPORARY, "lost+found"];
const FOLDER_MODE: Mode = Mode::RWXU;
/// How many folders are remembered as durable before the memory starts anew.
const MAX_REMEMBERED: usize = 65_536;

/// The root folder: everything below it is reached through its handle, without following a symbolic link.
pub(super) struct Root {
    path: PathBuf,
    handle: OwnedFd,
    /// Whether the kernel (and a sandbox around us) lets us use openat2(2).
    pub(super) openat2: AtomicBool,
    /// Whether the file system has hard links.
    pub(super) hard_links: AtomicBool,
    /// Whether nothing was put through this yet.
    unused: AtomicBool,
    /// Folders whose names are known to be on disk, all the way up to the root.
    durable: Mutex<HashSet<String>>,
}

/// Whether a key can be no object because of its first component.
pub(super) fn is_reserved(key: &str) -> bool {
    key.split('/').next().is_some_and(|first| RESERVED.contains(&first))
}

/// The folder of a path (`""` for the root) and the last name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// When a file was last changed.
#[allow(clippy::useless_conversion, reason = "the fields have other types on other systems")]
pub(super) fn modified(stat: &Stat) -> SystemTime {
    let seconds = Duration::from_secs(stat.st_mtime.unsigned_abs());
    let whole = if stat.st_mtime < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
    let nanoseconds = Duration::from_nanos(u64::try_from(stat.st_mtime_nsec).unwrap_or(0));
    whole.and_then(|whole| whole.checked_add(nanoseconds)).unwrap_or(UNIX_EPOCH)
}

/// Whether this is a regular file, the only kind that is an object.
pub(super) fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| Error::io("not a usable path", e).context("path", path.display()))
}

/// Makes a folder with its missing parents, and their names durable. The path is absolute.
pub(super) fn make_all(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let failed = |e| Error::io("cannot make the storage's folder", e).context("path", path.display());
    let parent = match path.parent() {
        Some(parent) if !path.is_dir() => parent,
        _ => return Ok(()),
    };
    make_all(parent)?;
    match std::fs::DirBuilder::new().mode(FOLDER_MODE.as_raw_mode()).create(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(e)),
        _ => {}
    }
    sync_folder(&File::open(parent).map_err(failed)?).map_err(|e| failed(e.into()))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: impl AsFd) -> Result<(), Errno> {
    match rustix::fs::fsync(folder) {
        // Some network and user space file systems have no such call for folders; they do it at once or not at all.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}

/// An error with what it happened on.
pub(super) fn failed(message: &'static str, path: &str, errno: Errno) -> Error {
    let error = match errno {
        Errno::LOOP => Error::new(ErrorKind::AccessDenied, "a symbolic link is in the way").source(errno),
        Errno::NAMETOOLONG => Error::new(ErrorKind::InvalidInput, message).source(errno),
        Errno::NOTDIR | Errno::ISDIR => {
            Error::new(ErrorKind::Unsupported, "a file system cannot have an object where a folder is").source(errno)
        }
        errno => Error::io(message, errno.into()),
    };
    error.context("path", path)
}

impl Root {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|e| Error::io("cannot open the storage's folder", e.into()).context("path", path.display()))?;
        Ok(Root {
            path: path.to_path_buf(),
            handle,
            openat2: AtomicBool::new(cfg!(target_os = "linux")),
            hard_links: AtomicBool::new(true),
            unused: AtomicBool::new(true),
            durable: Mutex::default(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is the first call.
    pub(super) fn first_put(&self) -> bool {
        self.unused.swap(false, Relaxed)
    }

    pub(super) fn free_bytes(&self) -> Result<u64> {
        let space = rustix::fs::fstatvfs(&self.handle)
            .map_err(|e| failed("cannot ask for free space", &self.path.to_string_lossy(), e))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Opens what `path` names below the root (`""` is the root itself). A symbolic link on the way or at the end
    /// gives `LOOP`.
    pub(super) fn open_beneath(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        #[cfg(target_os = "linux")]
        if self.openat2.load(Relaxed) {
            use rustix::fs::ResolveFlags as Resolve;
            let how = Resolve::BENEATH | Resolve::NO_SYMLINKS | Resolve::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.handle, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
                // An old kernel, or a sandbox that does not know the call.
                Err(Errno::NOSYS | Errno::PERM) => self.openat2.store(false, Relaxed),
                other => return other,
            }
        }
        self.walk(path, flags)
    }

    /// [`Root::open_beneath`] one component after the other.
    fn walk(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let open = |at: &OwnedFd, name: &str, flags: OFlags| {
            let opened = rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
            // With O_DIRECTORY or O_PATH the kernel does not say LOOP.
            let unclear = flags.intersects(OFlags::DIRECTORY | OFlags::PATH);
            if unclear && matches!(opened, Ok(_) | Err(Errno::NOTDIR)) {
                let stat = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                    return Err(Errno::LOOP);
                }
            }
            opened
        };
        let Some((folders, name)) = path.rsplit_once('/') else {
            return open(&self.handle, path, flags);
        };
        let mut at: Option<OwnedFd> = None;
        for folder in folders.split('/') {
            at = Some(open(at.as_ref().unwrap_or(&self.handle), folder, OFlags::PATH | OFlags::DIRECTORY)?);
        }
        open(at.as_ref().unwrap_or(&self.handle), name, flags)
    }

    /// Opens a folder to read it, change it or sync it.
    pub(super) fn folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Opens a folder, making it and its parents where they are missing. The names of all of them are durable.
    pub(super) fn make_folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        for _ in 0..16 {
            self.make_durable(path)?;
            match self.folder(path) {
                // Somebody removed it while it was empty.
                Err(Errno::NOENT) => self.durable.lock().unwrap_or_else(PoisonError::into_inner).clear(),
                other => return other,
            }
        }
        Err(Errno::NOENT)
    }

    /// Another process may have made a folder a moment ago and not have synced its name yet, so each instance syncs
    /// the names of all folders that it uses, once.
    fn make_durable(&self, path: &str) -> Result<(), Errno> {
        let known = |path: &str| self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(path);
        if path.is_empty() || known(path) {
            return Ok(());
        }
        let (parent, name) = split(path);
        self.make_durable(parent)?;
        let parent = self.folder(parent)?;
        match rustix::fs::mkdirat(&parent, name, FOLDER_MODE) {
            Ok(()) | Err(Errno::EXIST) => sync_folder(&parent)?,
            Err(e) => return Err(e),
        }
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable.len() >= MAX_REMEMBERED {
            durable.clear();
        }
        durable.insert(path.to_owned());
        Ok(())
    }

    /// Deletes objects of one folder; those that are not there are no error.
    pub(super) fn delete(&self, folder: &str, names: &[String]) -> Result<()> {
        let handle = match self.folder(folder) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => return Ok(()),
            other => other.map_err(|e| failed("cannot open a folder", folder, e))?,
        };
        for name in names {
            let removed = match rustix::fs::statat(&handle, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_file(&stat) => rustix::fs::unlinkat(&handle, name.as_str(), AtFlags::empty()),
                Ok(_) | Err(Errno::NAMETOOLONG) => Ok(()),
                Err(e) => Err(e),
            };
            match removed {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(failed("cannot delete an object", &join(folder, name), e)),
            }
        }
        sync_folder(&handle).map_err(|e| failed("cannot sync a folder", folder, e))
    }
}

/// The path of `name` in `folder`.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
