use super::holes;
use super::report::Report;
use super::sys::owners::Owners;
use super::sys::stat::Stat;
use super::sys::xattrs::{Holder, Xattrs};
use super::sys::{defect, entry_error, reason};
use backup_core::{Entry, Error, ErrorKind, FileReader, Hole, Metadata, Result};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Advice, Mode, OFlags, fadvise, fstat, openat};
use rustix::io::{Errno, pread, retry_on_intr};
use std::sync::Arc;

/// Larger files are announced to the system as read from front to back.
const ANNOUNCED_BYTES: u64 = 1 << 20;

/// What opening files takes beside the file.
#[derive(Debug)]
pub(crate) struct OpenWith {
    owners: Arc<Owners>,
    report: Arc<Report>,
    user: u32,
}

impl OpenWith {
    pub(crate) fn new(owners: Arc<Owners>, report: Arc<Report>) -> OpenWith {
        OpenWith { owners, report, user: rustix::process::geteuid().as_raw() }
    }

    /// A file's metadata with the names of its owners as this host knows them; those in `known` need not be asked for.
    pub(crate) fn metadata(&self, stat: &Stat, xattrs: Xattrs, known: Option<&Metadata>) -> Metadata {
        let user = known.filter(|known| known.uid == Some(stat.uid)).map(|known| known.user.clone());
        let group = known.filter(|known| known.gid == Some(stat.gid)).map(|known| known.group.clone());
        Metadata {
            mode: Some(stat.permissions()),
            uid: Some(stat.uid),
            gid: Some(stat.gid),
            user: user.unwrap_or_else(|| self.owners.user(stat.uid)),
            group: group.unwrap_or_else(|| self.owners.group(stat.gid)),
            mtime: Some(stat.mtime),
            xattrs,
        }
    }
}

/// A regular file being read.
pub(crate) struct OpenFile {
    file: OwnedFd,
    /// As it was when it was opened: what is read must be of this state.
    opened: Stat,
    holes: Vec<Hole>,
    next_hole: usize,
    /// How far the file was read, holes counted.
    position: u64,
    /// How many bytes were given out.
    given: u64,
    /// Once it was asked for.
    metadata: Option<Metadata>,
    with: Arc<OpenWith>,
}

impl OpenFile {
    /// Opens a name in a directory; what is not, or no longer, a regular file is refused.
    pub(crate) fn open(directory: &OwnedFd, name: &[u8], listed: &Entry, with: &Arc<OpenWith>) -> Result<OpenFile> {
        // Never through a symbolic link, never waiting for a writer of a fifo.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |flags| retry_on_intr(|| openat(directory, name, flags, Mode::empty()));
        // Only the owner may leave the access time as it is.
        let quiet = with.user == 0 || listed.metadata.uid == Some(with.user);
        let file = match open(if quiet { flags | OFlags::NOATIME } else { flags }) {
            Err(Errno::PERM) if quiet => open(flags),
            other => other,
        };
        let file = file.map_err(|errno| match errno {
            Errno::NOENT => Error::new(ErrorKind::NotFound, "it vanished before it was read"),
            Errno::LOOP | Errno::NXIO => not_regular(),
            errno => entry_error("cannot open it", errno),
        })?;
        let opened = Stat::from(fstat(&file).map_err(|errno| entry_error("cannot tell its state", errno))?);
        if !opened.is_file() {
            return Err(not_regular());
        }
        if opened.size > ANNOUNCED_BYTES {
            // Advice only: nothing depends on it.
            let _ = fadvise(&file, 0, None, Advice::Sequential);
        }
        let holes = holes::find(file.as_fd(), &opened);
        Ok(OpenFile { file, opened, holes, next_hole: 0, position: 0, given: 0, metadata: None, with: with.clone() })
    }

    /// Skips a hole that begins where reading stands, and says where the next one begins.
    fn data_end(&mut self) -> u64 {
        while let Some(hole) = self.holes.get(self.next_hole) {
            if hole.offset > self.position {
                return hole.offset;
            }
            self.position = hole.offset + hole.length;
            self.next_hole += 1;
        }
        self.opened.size
    }

    fn metadata(&mut self, listed: &Entry) -> Metadata {
        if let Some(metadata) = &self.metadata {
            return metadata.clone();
        }
        let (xattrs, problem) = Holder::Open(self.file.as_fd()).read();
        if let Some(errno) = problem {
            let what = "cannot read its extended attributes";
            self.with.report.fail(listed.path.clone(), format!("{what}: {}", reason(errno)));
        }
        let metadata = self.with.metadata(&self.opened, xattrs, Some(&listed.metadata));
        self.metadata = Some(metadata.clone());
        metadata
    }
}

impl FileReader for OpenFile {
    fn opened(&mut self, listed: &Entry) -> Entry {
        let mut entry = Entry::new(listed.path.clone(), listed.kind.clone());
        entry.metadata = self.metadata(listed);
        entry.size_bytes = Some(self.opened.size);
        entry.link_group = listed.link_group;
        entry.holes.clone_from(&self.holes);
        entry
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let end = self.data_end();
        let left = usize::try_from(end.saturating_sub(self.position)).unwrap_or(usize::MAX).min(buffer.len());
        let place = buffer.get_mut(..left).unwrap_or_default();
        if place.is_empty() {
            return Ok(0);
        }
        let got = retry_on_intr(|| pread(&self.file, &mut *place, self.position))
            .map_err(|errno| entry_error("cannot read it", errno))?;
        self.position += got as u64;
        self.given += got as u64;
        Ok(got)
    }

    fn finish(mut self: Box<Self>, listed: &Entry, read_bytes: u64) -> Result<Entry> {
        if read_bytes != self.given {
            return Err(defect("not all that was read arrived"));
        }
        let metadata = self.metadata(listed);
        // Last, so that whatever changed until now shows.
        let closed = Stat::from(fstat(&self.file).map_err(|errno| entry_error("cannot tell its state", errno))?);
        let mut size = self.position;
        let mut holes = self.holes;
        // One that begins where reading has ended is passed only by a read that asks for more.
        let passed = match holes.get(self.next_hole) {
            Some(hole) if hole.offset == size => {
                size += hole.length;
                self.next_hole + 1
            }
            _ => self.next_hole,
        };
        holes.truncate(passed);
        let mut entry = Entry::new(listed.path.clone(), listed.kind.clone());
        entry.metadata = metadata;
        entry.size_bytes = Some(size);
        entry.link_group = listed.link_group;
        entry.holes = holes;
        entry.changed_while_read = size != self.opened.size || !closed.same_state(&self.opened);
        entry.fingerprint = if entry.changed_while_read { None } else { Some(self.opened.fingerprint()) };
        Ok(entry)
    }
}

fn not_regular() -> Error {
    Error::new(ErrorKind::InvalidInput, "it is no longer a regular file")
}
