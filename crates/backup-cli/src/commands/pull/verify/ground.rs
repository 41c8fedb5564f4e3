use backup_core::{Entry, EntryKind, Error, Event, Observer, Outcome, Result, TreePath};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, open, openat, readlinkat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// What all threads of a comparison share: the target, and what was found.
pub(super) struct Ground {
    root: OwnedFd,
    strip_components: usize,
    observer: Arc<dyn Observer>,
    outcome: Mutex<Outcome>,
    verified: AtomicU64,
}

impl Ground {
    pub(super) fn open(into: &Path, strip_components: usize, observer: Arc<dyn Observer>) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(into, flags, Mode::empty())
            .map_err(|errno| Error::io("cannot open the target", errno.into()).context("path", into.display()))?;
        Ok(Ground { root, strip_components, observer, outcome: Mutex::default(), verified: AtomicU64::new(0) })
    }

    pub(super) fn differs(&self, path: &TreePath, reason: impl Into<String>) {
        let reason = reason.into();
        self.observer.event(Event::Failed { path: path.clone(), reason: reason.clone() });
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).fail(path.clone(), reason);
    }

    pub(super) fn is_same(&self, files: u64, bytes: u64) {
        self.verified.fetch_add(1, Relaxed);
        self.observer.event(Event::Progress { files, bytes });
    }

    pub(super) fn outcome(&self) -> Outcome {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone();
        outcome.counts.insert("verified".into(), self.verified.load(Relaxed));
        outcome
    }

    /// Compares all but content; whether the content is still to be compared.
    pub(super) fn look(&self, entry: &Entry) -> bool {
        // A pull makes no sockets, and nothing of what was left out with the leading parts of paths.
        if entry.kind == EntryKind::Socket || entry.path.depth() <= self.strip_components {
            return false;
        }
        match self.difference(entry) {
            Ok(None) if entry.has_content() => return true,
            Ok(None) => self.is_same(0, 0),
            Ok(Some(reason)) => self.differs(&entry.path, reason),
            Err(Errno::NOENT) => self.differs(&entry.path, "it is not there"),
            Err(errno) => self.differs(&entry.path, format!("cannot be looked at: {errno}")),
        }
        false
    }

    fn difference(&self, entry: &Entry) -> Result<Option<String>, Errno> {
        let (folder, name) = self.folder(&entry.path)?;
        let there = statat(&folder, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
        let expected = match &entry.kind {
            EntryKind::Directory => FileType::Directory,
            EntryKind::Symlink { .. } => FileType::Symlink,
            EntryKind::Fifo => FileType::Fifo,
            EntryKind::CharDevice { .. } => FileType::CharacterDevice,
            EntryKind::BlockDevice { .. } => FileType::BlockDevice,
            _ => FileType::RegularFile,
        };
        let found = FileType::from_raw_mode(there.st_mode);
        if found != expected {
            return Ok(Some(format!("it is a {found:?}, not a {expected:?}")));
        }
        if let EntryKind::Symlink { target } = &entry.kind {
            let points = readlinkat(&folder, name.as_slice(), Vec::new())?;
            return Ok((points.as_bytes() != target.as_slice()).then(|| "it points elsewhere".into()));
        }
        let size = u64::try_from(there.st_size).unwrap_or(0);
        let expected = entry.size_bytes.filter(|_| entry.has_content());
        Ok(expected.filter(|expected| *expected != size).map(|expected| format!("it has {size} bytes, not {expected}")))
    }

    /// Opens a regular file of the target.
    pub(super) fn file(&self, path: &TreePath) -> std::io::Result<File> {
        let (folder, name) = self.folder(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(&folder, name.as_slice(), flags, Mode::empty())?.into())
    }

    /// The open folder in which an entry stands, and its name there. No symbolic link is followed.
    fn folder(&self, path: &TreePath) -> Result<(OwnedFd, Vec<u8>), Errno> {
        let mut names = path.components().skip(self.strip_components);
        let mut name = names.next().ok_or(Errno::NOENT)?.into_owned();
        let mut folder = self.root.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for next in names {
            folder = openat(&folder, name.as_slice(), flags, Mode::empty())?;
            name = next.into_owned();
        }
        Ok((folder, name))
    }
}
