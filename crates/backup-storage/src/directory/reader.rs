use super::root::{Root, failed, is_file, is_reserved, modified};
use backup_core::{Error, ErrorKind, Key, ObjectMeta, Reader, Result, Spare};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::future::Future;
use std::io::{self, Cursor};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};

/// What is read at once.
const BLOCK_BYTES: u64 = 1 << 20;

/// Size and time of an object.
pub(super) fn stat(root: &Root, key: &Key) -> Result<ObjectMeta> {
    open_object(root, key, OFlags::PATH).map(|(_, meta)| meta)
}

/// The bytes of an object; its first block, mostly all of it, is read at once.
pub(super) fn open(root: &Root, key: &Key, range: Option<Range<u64>>, spare: Spare) -> Result<Reader> {
    // A pipe that somebody put there must not hold us up.
    let (file, meta) = open_object(root, key, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let range = range.unwrap_or(0..meta.size_bytes);
    let mut stream = Stream {
        file: Arc::new(file),
        rest: range.start..range.end.min(meta.size_bytes),
        block: Cursor::default(),
        ahead: None,
        spare,
    };
    let first = stream.read_block().map_err(|e| Error::io("cannot read an object", e).context("key", key))?;
    stream.block = Cursor::new(first);
    Ok(Box::new(stream))
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
    buffer.resize(usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?, 0);
    file.read_exact_at(&mut buffer, range.start).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Damaged, "an object became shorter while it was read").into()
        }
        _ => e,
    })?;
    Ok(buffer)
}

/// An object, read in blocks, the next one while the last is consumed.
struct Stream {
    file: Arc<File>,
    /// What is not yet asked for.
    rest: Range<u64>,
    block: Cursor<Vec<u8>>,
    ahead: Option<JoinHandle<io::Result<Vec<u8>>>>,
    spare: Spare,
}

impl Stream {
    /// Reads the next block in the calling thread.
    fn read_block(&mut self) -> io::Result<Vec<u8>> {
        let block = self.next_block();
        read(&self.file, block, self.spare.take())
    }

    fn next_block(&mut self) -> Range<u64> {
        let start = self.rest.start;
        self.rest.start = self.rest.end.min(start.saturating_add(BLOCK_BYTES)).max(start);
        start..self.rest.start
    }

    fn read_ahead(&mut self) {
        if !self.rest.is_empty() {
            let (file, block, buffer) = (self.file.clone(), self.next_block(), self.spare.take());
            self.ahead = Some(spawn_blocking(move || read(&file, block, buffer)));
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let used_up = self.block.position() >= self.block.get_ref().len() as u64;
        if used_up {
            if self.ahead.is_none() {
                self.read_ahead();
            }
            let Some(ahead) = &mut self.ahead else { return Poll::Ready(Ok(())) };
            let block = ready!(Pin::new(ahead).poll(cx));
            self.ahead = None;
            let used = std::mem::replace(&mut self.block, Cursor::new(block.map_err(io::Error::other)??));
            self.spare.give(used.into_inner());
            self.read_ahead();
        }
        Pin::new(&mut self.block).poll_read(cx, out)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.spare.give(std::mem::take(&mut self.block).into_inner());
    }
}
