use super::captured::fill;
use async_trait::async_trait;
use backup_core::{Entry, Error, ErrorKind, FileSink, Reader, Result, Supply, TreePath};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

/// No multiple of a page, so that pieces and holes do not end together.
const PIECE: usize = 30_011;

/// Supplies contents from memory: large ones in pieces from two threads, not in order, and nothing before it has to settle.
pub struct Pieces {
    contents: Arc<BTreeMap<u64, (Entry, Vec<u8>)>>,
    damaged: BTreeSet<TreePath>,
    accepted: Mutex<Vec<(Arc<dyn FileSink>, u64)>>,
    broken: Mutex<Option<&'static str>>,
}

/// A piece of a file: where it goes, and what part of the data it is.
type Piece = (u64, u64, std::ops::Range<usize>);

impl Pieces {
    /// Contents (holes left out) by number; those of `damaged` paths fail after their first piece.
    pub fn new(contents: BTreeMap<u64, (Entry, Vec<u8>)>, damaged: BTreeSet<TreePath>) -> Self {
        Pieces { contents: Arc::new(contents), damaged, accepted: Mutex::default(), broken: Mutex::default() }
    }

    /// Whether the restore kept to its side of the contract.
    ///
    /// # Errors
    /// `Damaged` when it did not.
    pub fn check(&self) -> Result<()> {
        match *self.broken.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(what) => Err(Error::new(ErrorKind::Damaged, what)),
            None => Ok(()),
        }
    }

    fn pieces(number: u64, entry: &Entry, data: &[u8]) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut taken = 0;
        let mut offset = 0;
        let ends = entry.holes.iter().map(|hole| (hole.offset, hole.offset + hole.length));
        for (hole_start, hole_end) in ends.chain([(entry.size_bytes.unwrap_or(data.len() as u64), 0)]) {
            while offset < hole_start && taken < data.len() {
                let room = usize::try_from(hole_start - offset).unwrap_or(usize::MAX);
                let length = room.min(PIECE).min(data.len() - taken);
                pieces.push((number, offset, taken..taken + length));
                taken += length;
                offset += length as u64;
            }
            offset = hole_end;
        }
        pieces
    }
}

#[async_trait]
impl Supply for Pieces {
    async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()> {
        if !entries.iter().all(|number| self.contents.contains_key(number)) {
            return Err(Error::new(ErrorKind::InvalidInput, "content of an entry that has none"));
        }
        let accepted = entries.iter().map(|number| (sink.clone(), *number));
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).extend(accepted);
        Ok(())
    }

    async fn settle(&self) -> Result<()> {
        let accepted = std::mem::take(&mut *self.accepted.lock().unwrap_or_else(PoisonError::into_inner));
        for (sink, number) in accepted {
            let Some((entry, data)) = self.contents.get(&number) else { continue };
            let mut pieces = Pieces::pieces(number, entry, data);
            let damaged = self.damaged.contains(&entry.path);
            if damaged {
                pieces.truncate(1);
            }
            pieces.reverse();
            let halves = pieces.split_at(pieces.len() / 2);
            let mut threads = Vec::new();
            for half in [halves.0.to_vec(), halves.1.to_vec()] {
                let (sink, contents) = (sink.clone(), self.contents.clone());
                threads.push(tokio::task::spawn_blocking(move || {
                    half.into_iter().try_for_each(|(number, offset, range)| {
                        let data = contents.get(&number).and_then(|(_, data)| data.get(range)).unwrap_or_default();
                        sink.write(number, offset, data)
                    })
                }));
            }
            let mut result = Ok(());
            for thread in threads {
                let written =
                    thread.await.map_err(|e| Error::new(ErrorKind::Internal, "a thread panicked").source(e))?;
                result = result.and(written);
            }
            if damaged {
                result = result.and(Err(Error::new(ErrorKind::Damaged, "the content breaks off")));
            }
            let failed = result.is_err();
            let done = tokio::task::spawn_blocking(move || sink.finish(number, result))
                .await
                .map_err(|e| Error::new(ErrorKind::Internal, "a thread panicked").source(e))?;
            if done && failed {
                *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some("a failed entry was completed");
            }
        }
        Ok(())
    }

    async fn stream(&self, entry: u64) -> Result<Reader> {
        let Some((entry, data)) = self.contents.get(&entry) else {
            return Err(Error::new(ErrorKind::InvalidInput, "content of an entry that has none"));
        };
        if self.damaged.contains(&entry.path) {
            return Ok(Box::new(Broken));
        }
        Ok(Box::new(Cursor::new(fill(entry, data))))
    }
}

/// A stream that breaks off at once.
struct Broken;

impl tokio::io::AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(Error::new(ErrorKind::Damaged, "the content breaks off").into()))
    }
}
