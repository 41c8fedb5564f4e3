use super::super::sys::{defect, entry_error, lock};
use super::super::target::Overwrite;
use super::ground::Ground;
use super::metadata::{Before, Held};
use super::tree::There;
use backup_core::{Entry, Error, ErrorKind, Result};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::fs::{fstat, ftruncate, linkat, openat, renameat, renameat_with, unlinkat};
use rustix::io::{Errno, pwrite, retry_on_intr};
use std::sync::{Arc, Mutex};

/// One file of a batch that gets content.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) there: There,
    pub(super) name: Vec<u8>,
    /// Whether something stands there that has to go.
    pub(super) replaces: bool,
    writing: Mutex<Writing>,
}

/// How far it is.
#[derive(Debug)]
enum Writing {
    Idle,
    Active(Active),
    /// Completed, with device and inode where they matter; or given up.
    Done(Option<(u64, u64)>),
}

/// A file being written.
#[derive(Debug)]
struct Active {
    /// Closed when too many are open.
    file: Option<Arc<OwnedFd>>,
    /// The name it has until it is complete; its own if there is none.
    temporary: Option<Vec<u8>>,
    /// Device and inode, known once it was closed.
    identity: Option<(u64, u64)>,
    /// Where the last byte written ends.
    end: u64,
    bytes: u64,
}

impl Slot {
    pub(super) fn new(there: There, name: Vec<u8>, replaces: bool) -> Slot {
        Slot { there, name, replaces, writing: Mutex::new(Writing::Idle) }
    }

    /// Device and inode, where they matter, of a file that was completed.
    pub(super) fn made(&self) -> Option<(u64, u64)> {
        match &*lock(&self.writing) {
            Writing::Done(made) => *made,
            _ => None,
        }
    }

    /// The file for a piece, and whether it was opened just now.
    pub(super) fn open(
        &self,
        entry: &Entry,
        offset: u64,
        length: usize,
        ground: &Ground,
    ) -> Result<(Arc<OwnedFd>, bool)> {
        let whole = offset == 0 && entry.size_bytes == Some(length as u64);
        self.active(&mut lock(&self.writing), entry, whole, ground)
    }

    /// Writes a piece.
    pub(super) fn write(&self, file: &OwnedFd, offset: u64, data: &[u8]) -> Result<()> {
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let written = retry_on_intr(|| pwrite(file, rest, at)).map_err(|e| entry_error("cannot write it", e))?;
            if written == 0 {
                return Err(entry_error("cannot write it", Errno::IO));
            }
            at += written as u64;
            rest = rest.get(written..).unwrap_or_default();
        }
        if let Writing::Active(active) = &mut *lock(&self.writing) {
            active.end = active.end.max(at);
            active.bytes += data.len() as u64;
        }
        Ok(())
    }

    /// The open file; opens it when it is not.
    fn active(
        &self,
        writing: &mut Writing,
        entry: &Entry,
        whole: bool,
        ground: &Ground,
    ) -> Result<(Arc<OwnedFd>, bool)> {
        let active = match writing {
            Writing::Active(Active { file: Some(file), .. }) => return Ok((file.clone(), false)),
            Writing::Active(active) => active,
            Writing::Done(_) => return Err(defect("content of an entry that is finished")),
            Writing::Idle => {
                let (file, temporary) = self.create(entry, whole, ground)?;
                let file = Arc::new(file);
                let active = Active { file: Some(file.clone()), temporary, identity: None, end: 0, bytes: 0 };
                *writing = Writing::Active(active);
                return Ok((file, true));
            }
        };
        let file = Arc::new(self.reopen(active)?);
        active.file = Some(file.clone());
        Ok((file, true))
    }

    /// Makes the file: under its own name if all of it comes at once and nothing is there, else under a temporary one.
    fn create(&self, entry: &Entry, whole: bool, ground: &Ground) -> Result<(OwnedFd, Option<Vec<u8>>)> {
        let directory = self.directory()?;
        // Its own permissions come when it is complete; without those the umask decides.
        let mode = Mode::from_raw_mode(if entry.metadata.mode.is_some() { 0o600 } else { 0o666 });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = |name: &[u8]| retry_on_intr(|| openat(&directory, name, flags, mode));
        if whole && !self.replaces {
            match create(&self.name) {
                Err(Errno::EXIST) => {}
                other => return Ok((other.map_err(|errno| entry_error("cannot make it", errno))?, None)),
            }
        }
        loop {
            let name = ground.temporary_name();
            match create(&name) {
                Err(Errno::EXIST) => {}
                other => return Ok((other.map_err(|errno| entry_error("cannot make it", errno))?, Some(name))),
            }
        }
    }

    fn reopen(&self, active: &Active) -> Result<OwnedFd> {
        let directory = self.directory()?;
        let name = active.temporary.as_deref().unwrap_or(&self.name);
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let failed = |errno| entry_error("cannot go on writing it", errno);
        let file = retry_on_intr(|| openat(&directory, name, flags, Mode::empty())).map_err(failed)?;
        let stat = fstat(&file).map_err(failed)?;
        if active.identity != Some((stat.st_dev, stat.st_ino)) {
            return Err(Error::new(ErrorKind::AccessDenied, "somebody put another file in its place"));
        }
        Ok(file)
    }

    /// Closes it for a while, unless somebody is just at it. Gives whether it was open.
    pub(super) fn close(&self) -> bool {
        let Ok(mut writing) = self.writing.try_lock() else { return false };
        let Writing::Active(active) = &mut *writing else { return false };
        let Some(file) = &active.file else { return false };
        let Ok(stat) = fstat(file) else { return false };
        active.identity = Some((stat.st_dev, stat.st_ino));
        active.file = None;
        true
    }

    /// Whether somebody is just at it.
    pub(super) fn is_busy(&self) -> bool {
        self.writing.try_lock().is_err()
    }

    /// Completes it: size, metadata, name. Gives whether it was open.
    pub(super) fn complete(&self, entry: &Entry, ground: &Ground) -> Result<bool> {
        let mut writing = lock(&self.writing);
        let (file, opened) = self.active(&mut writing, entry, true, ground)?;
        let Writing::Active(active) = &mut *writing else { return Err(defect("an entry is finished twice")) };
        check_length(entry, active)?;
        let failed = |errno| entry_error("cannot complete it", errno);
        if let Some(size) = entry.size_bytes
            && active.end != size
        {
            ftruncate(&file, size).map_err(failed)?;
        }
        let made = Before::Made { own_group: self.there.own_group, inherits: self.there.inherits };
        if let Some(problem) = ground.setter.set(Held::Open(file.as_fd()), &entry.metadata, made, false) {
            ground.fail(&entry.path, problem);
        }
        let identity = match entry.link_group {
            Some(_) => fstat(&file).map(|stat| Some((stat.st_dev, stat.st_ino))).map_err(failed)?,
            None => None,
        };
        if let Some(temporary) = &active.temporary {
            self.rename(temporary, ground)?;
        }
        *writing = Writing::Done(identity);
        Ok(!opened)
    }

    fn rename(&self, temporary: &[u8], ground: &Ground) -> Result<()> {
        let directory = self.directory()?;
        let failed = |errno| entry_error("cannot give it its name", errno);
        let replace = || renameat(&directory, temporary, &directory, &*self.name).map_err(failed);
        if self.replaces {
            return replace();
        }
        let renamed = match renameat_with(&directory, temporary, &directory, &*self.name, RenameFlags::NOREPLACE) {
            // Not every file system can; a link does not replace either.
            Err(Errno::INVAL | Errno::NOSYS) => {
                linkat(&directory, temporary, &directory, &*self.name, AtFlags::empty())
                    .and_then(|()| unlinkat(&directory, temporary, AtFlags::empty()))
            }
            other => other,
        };
        match renamed {
            // It was not there before, but it would have been replaced.
            Err(Errno::EXIST) if matches!(ground.overwrite, Overwrite::IfChanged | Overwrite::Always) => replace(),
            other => other.map_err(failed),
        }
    }

    /// Removes what was written. Gives whether it was open.
    pub(super) fn discard(&self) -> bool {
        let state = std::mem::replace(&mut *lock(&self.writing), Writing::Done(None));
        let Writing::Active(active) = state else { return false };
        let name = active.temporary.as_deref().unwrap_or(&self.name);
        if let Ok(directory) = self.there.dir.descriptor() {
            // The entry has failed already, for a better reason.
            let _ = unlinkat(&directory, name, AtFlags::empty());
        }
        active.file.is_some()
    }

    fn directory(&self) -> Result<Arc<OwnedFd>> {
        self.there.dir.descriptor().map_err(|errno| entry_error("cannot open its directory", errno))
    }
}

/// Whatever the supply says: what was written must be all that the entry has.
fn check_length(entry: &Entry, active: &Active) -> Result<()> {
    let holes: u64 = entry.holes.iter().map(|hole| hole.length).fold(0, u64::saturating_add);
    let Some(size) = entry.size_bytes else { return Ok(()) };
    if size.checked_sub(holes) == Some(active.bytes) && active.end <= size {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Damaged, "its content is not complete"))
    }
}
