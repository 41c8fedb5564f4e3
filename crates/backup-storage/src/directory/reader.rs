use super::root::{Root, failed, is_file, is_reserved, modified};
use backup_core::{Error, ErrorKind, Key, ObjectMeta, Reader, Result};
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::future::Future;
use std::io::{self, Cursor};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};

/// The longest range that is read in one go.
const WHOLE_BYTES: u64 = 8 << 20;
/// What a stream reads at once.
const BLOCK_BYTES: u64 = 1 << 20;

/// Size and time of an object.
pub(super) fn stat(root: &Root, key: &Key) -> Result<ObjectMeta> {
    open_object(root, key, OFlags::PATH).map(|(_, meta)| meta)
}

/// The bytes of an object; short ranges and small objects are read at once.
pub(super) fn open(root: &Root, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
    // A pipe that somebody put there must not hold us up.
    let (file, meta) = open_object(root, key, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let at_once = if range.is_some() { WHOLE_BYTES } else { BLOCK_BYTES };
    let range = range.unwrap_or(0..meta.size_bytes);
    let range = range.start..range.end.min(meta.size_bytes);
    if range.is_empty() {
        return Ok(Box::new(Cursor::new([])));
    }
    if range.end - range.start <= at_once {
        let content =
            read(&file, range, Vec::new()).map_err(|e| Error::io("cannot read an object", e).context("key", key))?;
        return Ok(Box::new(Cursor::new(content)));
    }
    Ok(Box::new(Stream { file: Arc::new(file), rest: range, block: Cursor::default(), ahead: None }))
}

fn open_object(root: &Root, key: &Key, flags: OFlags) -> Result<(File, ObjectMeta)> {
    let missing = || Error::new(ErrorKind::NotFound, "no such object").context("key", key);
    if is_reserved(key.as_str()) {
        return Err(missing());
    }
    let handle = root.open_beneath(key.as_str(), flags).map_err(|e| match e {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => missing(),
        e => failed("cannot open an object", key.as_str(), e),
    })?;
    let stat = rustix::fs::fstat(&handle).map_err(|e| failed("cannot stat an object", key.as_str(), e))?;
    if !is_file(&stat) {
        return Err(missing());
    }
    Ok((handle.into(), ObjectMeta::new(u64::try_from(stat.st_size).unwrap_or(0), modified(&stat))))
}

/// Exactly the bytes of `range`, in `buffer`.
fn read(file: &File, range: Range<u64>, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    buffer.clear();
    buffer.reserve_exact(length);
    while buffer.len() < length {
        let offset = range.start + buffer.len() as u64;
        // The buffer may have more room than was asked for: what lies behind the range is cut off below.
        match rustix::io::pread(file, spare_capacity(&mut buffer), offset) {
            Ok(0) => return Err(Error::new(ErrorKind::Damaged, "an object became shorter while it was read").into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    buffer.truncate(length);
    Ok(buffer)
}

/// A long object, read in blocks, the next one while the last is consumed.
struct Stream {
    file: Arc<File>,
    /// What is not yet asked for.
    rest: Range<u64>,
    block: Cursor<Vec<u8>>,
    ahead: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Stream {
    fn read_ahead(&mut self, buffer: Vec<u8>) {
        if !self.rest.is_empty() {
            let middle = self.rest.end.min(self.rest.start.saturating_add(BLOCK_BYTES));
            let (file, block) = (self.file.clone(), self.rest.start..middle);
            self.rest.start = middle;
            self.ahead = Some(spawn_blocking(move || read(&file, block, buffer)));
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let used_up = self.block.position() >= self.block.get_ref().len() as u64;
        if used_up {
            if self.ahead.is_none() {
                self.read_ahead(Vec::new());
            }
            let Some(ahead) = &mut self.ahead else { return Poll::Ready(Ok(())) };
            let block = ready!(Pin::new(ahead).poll(cx));
            self.ahead = None;
            let used = std::mem::replace(&mut self.block, Cursor::new(block.map_err(io::Error::other)??));
            self.read_ahead(used.into_inner());
        }
        Pin::new(&mut self.block).poll_read(cx, out)
    }
}
