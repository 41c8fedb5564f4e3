use super::cache_file::{self, Owner, write_frame};
use super::page_cache::PageCache;
use crate::format::ids::{RepositoryId, RunName};
use backup_core::{Error, ErrorKind, Event, Key, Observer};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

const SUFFIX: &str = ".run1";
const UNFINISHED: &str = ".unfinished-";
/// An unfinished file this old belongs to nobody any more.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Where runs are kept locally, and the memory that their pages share. Everything in it can be fetched again: no
/// trouble with it fails a run, it is told to the observer once.
pub(crate) struct IndexCache {
    pub(super) repository: RepositoryId,
    folder: Option<PathBuf>,
    spool: Option<PathBuf>,
    pub(super) pages: PageCache,
    observer: Arc<dyn Observer>,
    warned: AtomicBool,
    readers: AtomicU32,
}

/// What is known of a run's local file.
pub(super) enum Found {
    File { file: File, frame: cache_file::Frame, writable: bool },
    Nothing,
}

impl IndexCache {
    /// A cache in `folder`, which belongs to one repository and is made if it is not there. Where it cannot be written,
    /// nameless files in `spool` serve, and where that fails too, memory alone: pages of at most `memory_bytes`.
    pub(crate) fn new(
        repository: RepositoryId,
        folder: Option<PathBuf>,
        spool: Option<PathBuf>,
        memory_bytes: usize,
        observer: Arc<dyn Observer>,
    ) -> Arc<Self> {
        let pages = PageCache::new(memory_bytes);
        let (warned, readers) = (AtomicBool::new(false), AtomicU32::new(0));
        let cache = IndexCache { repository, folder, spool, pages, observer, warned, readers };
        if let Some(Err(e)) = cache.folder.as_deref().map(fs::create_dir_all) {
            cache.warn("the index cache's folder cannot be made", e);
        }
        Arc::new(cache)
    }

    pub(super) fn next_reader(&self) -> u32 {
        self.readers.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells the observer, the first time.
    pub(super) fn warn(&self, what: &'static str, source: io::Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            self.observer.event(Event::Warning(format!("{what}: {source}; the index is fetched as it is needed")));
        }
    }

    /// Tells the observer of something that is no trouble of the cache.
    pub(crate) fn tell(&self, what: String) {
        self.observer.event(Event::Warning(what));
    }

    fn path(&self, name: RunName) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("{name}{SUFFIX}")))
    }

    fn owner(&self, name: RunName) -> Owner {
        Owner { repository: self.repository, name }
    }

    /// A run's file, if there is one and it is this run's.
    pub(super) fn find(&self, name: RunName) -> Found {
        let Some(path) = self.path(name) else { return Found::Nothing };
        let opened = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Ok((file, true)),
            Err(_) => File::open(&path).map(|file| (file, false)),
        };
        let found = opened.and_then(|(file, writable)| {
            let frame = cache_file::read_frame(&file, &self.owner(name))?;
            Ok((file, writable, frame))
        });
        match found {
            Ok((file, writable, Some(frame))) => Found::File { file, frame, writable },
            Ok((.., None)) => {
                self.discard(name);
                Found::Nothing
            }
            Err(e) => {
                if e.kind() != io::ErrorKind::NotFound {
                    self.warn("a file of the index cache cannot be read", e);
                }
                Found::Nothing
            }
        }
    }

    /// Removes a run's file, which is of no use.
    pub(crate) fn discard(&self, name: RunName) {
        if let Some(Err(e)) = self.path(name).map(fs::remove_file)
            && e.kind() != io::ErrorKind::NotFound
        {
            self.warn("a useless file of the index cache cannot be removed", e);
        }
    }

    fn unfinished(folder: &Path) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)
    }

    /// A file for an image that is being made; none when there is no place for one.
    pub(super) fn create(&self, name: RunName) -> Option<NewFile> {
        let (folder, path) = (self.folder.as_deref()?, self.path(name)?);
        match IndexCache::unfinished(folder) {
            Ok(temp) => Some(NewFile { temp, path, owner: self.owner(name) }),
            Err(e) => {
                self.warn("the index cache cannot be written", e);
                None
            }
        }
    }

    /// A file for an image of which nothing but the tail is there yet; none when there is no place for one.
    pub(super) fn create_empty(&self, name: RunName, image_len: u64, tail: &[u8]) -> Option<File> {
        if let Some(new) = self.create(name) {
            match new.finish(false, image_len, tail) {
                Ok(file) => return Some(file),
                Err(e) => self.warn("the index cache cannot be written", e),
            }
        }
        let spool = self.spool.as_deref()?;
        let file = tempfile::tempfile_in(spool).and_then(|file| {
            write_frame(&file, &self.owner(name), false, image_len, tail)?;
            Ok(file)
        });
        file.map_err(|e| self.warn("the index cannot be kept in a temporary file", e)).ok()
    }

    pub(super) fn set_complete(&self, name: RunName, file: &File, image_len: u64) {
        if let Err(e) = cache_file::set_complete(file, &self.owner(name), image_len) {
            self.warn("the index cache cannot be written", e);
        }
    }

    /// Removes the files of runs that are not `live`, what was abandoned unfinished, and then the files longest not
    /// written to, until at most `limit_bytes` are left. `now` is this machine's time.
    pub(crate) fn evict(&self, live: &dyn Fn(&RunName) -> bool, limit_bytes: u64, now: SystemTime) {
        let Some(folder) = self.folder.as_deref() else { return };
        if let Err(e) = evict(folder, live, limit_bytes, now) {
            self.warn("the index cache cannot be tidied", e);
        }
    }
}

fn evict(folder: &Path, live: &dyn Fn(&RunName) -> bool, limit_bytes: u64, now: SystemTime) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let written = metadata.modified()?;
        let run = name.strip_suffix(SUFFIX).and_then(run_of);
        let abandoned = || now.duration_since(written).is_ok_and(|age| age > ABANDONED);
        match run {
            Some(run) if live(&run) => kept.push((written, metadata.blocks() * 512, entry.path())),
            Some(_) => remove(&entry.path())?,
            None if name.starts_with(UNFINISHED) && abandoned() => remove(&entry.path())?,
            None => {}
        }
    }
    kept.sort_unstable();
    let mut total: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in kept {
        if total <= limit_bytes {
            break;
        }
        remove(&path)?;
        total -= bytes;
    }
    Ok(())
}

/// Another process may have been quicker.
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

fn run_of(name: &str) -> Option<RunName> {
    RunName::from_key(&Key::new(format!("index/{name}")).ok()?)
}

/// A cache file that has no name yet.
pub(super) struct NewFile {
    temp: NamedTempFile,
    path: PathBuf,
    owner: Owner,
}

impl NewFile {
    /// Writes part of the image, from byte `at` of it.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        cache_file::write_image(self.temp.as_file(), at, bytes)
    }

    /// Gives it its name.
    pub(super) fn finish(self, complete: bool, image_len: u64, tail: &[u8]) -> io::Result<File> {
        write_frame(self.temp.as_file(), &self.owner, complete, image_len, tail)?;
        self.temp.persist(&self.path).map_err(io::Error::from)
    }
}

/// The error for a reader that was given another run's parts.
pub(super) fn mismatch(name: RunName) -> Error {
    Error::new(ErrorKind::Damaged, "an index run's footer does not fit the object").context("run", name)
}

#[cfg(test)]
impl NewFile {
    /// The same file, through a handle that cannot write: as if the disk were full.
    pub(super) fn that_fails(self) -> Self {
        let (file, path) = self.temp.into_parts();
        drop(file);
        let file = File::open(&path).unwrap();
        NewFile { temp: NamedTempFile::from_parts(file, path), ..self }
    }
}
