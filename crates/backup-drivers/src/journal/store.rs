use super::record::{decode, encode};
use async_trait::async_trait;
use backup_core::{Error, ErrorKind, Journal, Lease, Pending, Result, UndoRecord};
use rustix::fs::{FlockOperation, flock};
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{ErrorKind as Os, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A longer file is none of ours.
const MAX_RECORD_BYTES: u64 = 1 << 20;
const SUFFIX: &str = ".json";
const TEMPORARY: &str = ".writing-";

/// A journal of one file per record in a folder of mode 0700.
///
/// A record is durable before its side effect happens. Its run holds a lock on the file (`flock`), which the system
/// lets go when the process dies: so a record without a lock belongs to a run that is over. The folder must be on a
/// local file system.
#[derive(Clone, Debug)]
pub struct FileJournal {
    folder: PathBuf,
}

impl FileJournal {
    /// The journal in this folder, which is made when the first record is.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        FileJournal { folder: folder.into() }
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn record(&self, record: UndoRecord) -> Result<Box<dyn Lease>> {
        let folder = self.folder.clone();
        blocking(move || write(&folder, &record).map(|lease| Box::new(lease) as _)).await
    }

    async fn pending(&self) -> Result<Vec<Pending>> {
        let folder = self.folder.clone();
        blocking(move || read(&folder)).await
    }
}

/// The lock on a record's file; it goes with the file's last descriptor, which is this one.
#[derive(Debug)]
struct FileLease {
    path: PathBuf,
    _locked: File,
}

#[async_trait]
impl Lease for FileLease {
    async fn done(self: Box<Self>) -> Result<()> {
        blocking(move || {
            let failed = |e| failed("cannot remove an undo record", &self.path, e);
            std::fs::remove_file(&self.path).map_err(failed)?;
            sync(self.path.parent().unwrap_or(Path::new("."))).map_err(failed)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|e| Err(Error::new(ErrorKind::Internal, "work on the journal broke off").source(e)))
}

fn failed(what: &'static str, path: &Path, e: std::io::Error) -> Error {
    Error::io(what, e).context("file", path.display())
}

fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Locked before it has its name, so nobody can take it for a dead run's.
fn write(folder: &Path, record: &UndoRecord) -> Result<FileLease> {
    let bytes = encode(record)?;
    let failed = |e| failed("cannot write an undo record", folder, e);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let private = Permissions::from_mode(0o600);
    let file = tempfile::Builder::new().prefix(TEMPORARY).permissions(private).tempfile_in(folder).map_err(failed)?;
    flock(file.as_file(), FlockOperation::NonBlockingLockExclusive).map_err(|e| failed(e.into()))?;
    (&mut file.as_file()).write_all(&bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let random = file.path().file_name().and_then(OsStr::to_str).and_then(|name| name.strip_prefix(TEMPORARY));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let path = folder.join(format!("{:020}-{}{SUFFIX}", since.as_nanos(), random.unwrap_or_default()));
    let locked = file.persist_noclobber(&path).map_err(|e| failed(e.error))?;
    sync(folder).map_err(failed)?;
    Ok(FileLease { path, _locked: locked })
}

fn read(folder: &Path) -> Result<Vec<Pending>> {
    let cannot = |e| failed("cannot read the journal", folder, e);
    let listing = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == Os::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(cannot)?,
    };
    let mut paths = Vec::new();
    for entry in listing {
        paths.push(entry.map_err(cannot)?.path());
    }
    // Names begin with the time, in as many digits each.
    paths.sort();
    let mut pending = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let (is_record, is_temporary) = (name.ends_with(SUFFIX), name.starts_with(TEMPORARY));
        if !is_record && !is_temporary {
            continue;
        }
        match (claim(&path), is_record) {
            (Ok(None), _) => {}
            // Its writer died before the side effect could happen.
            (Ok(Some(_)), false) => drop(std::fs::remove_file(&path)),
            (Ok(Some(locked)), true) => pending.push(parse(path, locked)),
            (Err(e), _) => pending.push(Pending::Unreadable(failed("cannot open an undo record", &path, e))),
        }
    }
    Ok(pending)
}

/// The file with its lock; none while somebody else holds it, or when it is gone.
fn claim(path: &Path) -> std::io::Result<Option<File>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == Os::NotFound => return Ok(None),
        file => file?,
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        locked => locked?,
    }
    // Between the two steps its owner may have removed it.
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == Os::NotFound => Ok(None),
        there => {
            let (there, locked) = (there?, file.metadata()?);
            Ok(((there.dev(), there.ino()) == (locked.dev(), locked.ino())).then_some(file))
        }
    }
}

fn parse(path: PathBuf, locked: File) -> Pending {
    let mut bytes = Vec::new();
    let read = (&locked).take(MAX_RECORD_BYTES + 1).read_to_end(&mut bytes);
    let record = match read {
        Err(e) => Err(failed("cannot read an undo record", &path, e)),
        Ok(_) if bytes.len() as u64 > MAX_RECORD_BYTES => {
            Err(Error::new(ErrorKind::Damaged, "an undo record is longer than it can be")
                .context("file", path.display()))
        }
        Ok(_) => decode(&bytes).map_err(|error| error.context("file", path.display())),
    };
    match record {
        Ok(record) => Pending::Record(record, Box::new(FileLease { path, _locked: locked })),
        Err(error) => Pending::Unreadable(error),
    }
}
