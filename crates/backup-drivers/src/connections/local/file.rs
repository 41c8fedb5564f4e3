use backup_core::{Error, ErrorKind, Reader, Result};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BUFFER_BYTES: usize = 256 * 1024;

/// Writes a file beside its place, makes it durable, and moves it there. Its mode is 0600.
pub(super) async fn push(path: &[u8], mut content: Reader) -> Result<()> {
    let path = checked(path)?;
    let failed = |e| Error::io("cannot write a file", e).context("file", path.display());
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let (mut file, temporary) = blocking({
        let folder = folder.clone();
        move || tempfile::Builder::new().prefix(".backup-").tempfile_in(folder).map(NamedTempFile::into_parts)
    })
    .await?
    .map_err(failed)
    .map(|(file, temporary)| (tokio::fs::File::from_std(file), temporary))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = content.read(&mut buffer).await;
        match read.map_err(|e| Error::io("cannot read what is to be written", e).context("file", path.display()))? {
            0 => break,
            read => file.write_all(buffer.get(..read).unwrap_or_default()).await.map_err(failed)?,
        }
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    let place = path.clone();
    blocking(move || {
        temporary.persist(place).map_err(|e| e.error)?;
        File::open(folder)?.sync_all()
    })
    .await?
    .map_err(failed)
}

/// Opens a regular file for reading. Nothing else: a pipe would hang, or end before it began.
pub(super) async fn pull(path: &[u8]) -> Result<Reader> {
    let path = checked(path)?;
    let failed = |e| Error::io("cannot open a file", e).context("file", path.display());
    let open = {
        let path = path.clone();
        move || {
            let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
            let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
            let is_file = file.metadata()?.is_file();
            Ok((file, is_file))
        }
    };
    match blocking(open).await?.map_err(failed)? {
        (file, true) => Ok(Box::new(tokio::fs::File::from_std(file))),
        (_, false) => Err(Error::new(ErrorKind::InvalidInput, "not a regular file").context("file", path.display())),
    }
}

fn checked(path: &[u8]) -> Result<PathBuf> {
    if path.is_empty() || path.contains(&0) {
        return Err(Error::new(ErrorKind::InvalidInput, "a path may not be empty or contain a zero byte"));
    }
    Ok(Path::new(OsStr::from_bytes(path)).to_owned())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::new(ErrorKind::Internal, "work on a file broke off").source(e))
}
