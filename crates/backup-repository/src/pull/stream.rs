use super::entries::Listed;
use super::extents::Extents;
use super::supply::Store;
use crate::format::ids::{ChunkId, Kind};
use crate::meta::{Content, ListReader, ListStep, content_bytes};
use crate::pack::{SegmentPlace, Unpacker};
use backup_core::{Entry, Error, ErrorKind, Reader, Result};
use bytes::{Buf, Bytes};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

/// Chunks ready before they are asked for.
const AHEAD: usize = 4;
/// A hole is sent in parts of this many zero bytes.
const ZEROS: usize = 256 << 10;

/// One entry's content from first to last, holes as zeros.
pub(crate) fn stream(store: Arc<Store>, listed: Arc<Listed>, number: u64) -> Result<Reader> {
    let content = listed.batch.get(number).cloned().zip(listed.content(number).cloned());
    let (entry, content) = content
        .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the entry is not in the batch").context("entry", number))?;
    let (send, received) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut source = Source { store, send, segment: None };
        if let Err(Some(error)) = source.run(&entry, &content).await {
            // Nobody listens when the reader was dropped.
            let _ = source.send.send(Err(error)).await;
        }
    });
    Ok(Box::new(ChannelReader { received, current: Bytes::new() }))
}

struct Source {
    store: Arc<Store>,
    send: mpsc::Sender<Result<Bytes>>,
    /// The segment unpacked last: neighbours of a chunk are mostly in it.
    segment: Option<(SegmentPlace, Bytes)>,
}

/// Nobody reads any more.
const GONE: Option<Error> = None;

impl Source {
    async fn run(&mut self, entry: &Entry, content: &Content) -> Result<(), Option<Error>> {
        let mut list = ListReader::new(content, content_bytes(entry))?;
        let mut extents = Extents::new(entry);
        let mut written = 0;
        loop {
            match list.next()? {
                ListStep::Need(id) => list.provide(&self.store.blocks.get(&id).await?)?,
                ListStep::Done => break,
                ListStep::Id(id) => {
                    let mut chunk = self.chunk(&id).await?;
                    let mut parts = Vec::new();
                    extents.place(chunk.len() as u64, |offset, length| parts.push((offset, length)));
                    for (offset, length) in parts {
                        self.zeros(offset.saturating_sub(written)).await?;
                        self.give(chunk.split_to((length as usize).min(chunk.len()))).await?;
                        written = offset + length;
                    }
                }
            }
        }
        self.zeros(entry.size_bytes.unwrap_or(0).saturating_sub(written)).await
    }

    async fn give(&self, bytes: Bytes) -> Result<(), Option<Error>> {
        self.send.send(Ok(bytes)).await.map_err(|_| GONE)
    }

    async fn zeros(&self, mut count: u64) -> Result<(), Option<Error>> {
        static BLANK: [u8; ZEROS] = [0; ZEROS];
        while count > 0 {
            let part = count.min(ZEROS as u64);
            self.give(Bytes::from_static(&BLANK).slice(..part as usize)).await?;
            count -= part;
        }
        Ok(())
    }

    async fn chunk(&mut self, id: &ChunkId) -> Result<Bytes> {
        match self.copy(id).await {
            Err(error) if error.kind() == ErrorKind::Damaged && self.store.locator.look_again().await? => {
                self.copy(id).await
            }
            other => other,
        }
    }

    /// Any whole copy of a chunk.
    async fn copy(&mut self, id: &ChunkId) -> Result<Bytes> {
        let mut error = Error::new(ErrorKind::Damaged, "a chunk is in no pack").context("chunk", id);
        for copy in self.store.locator.locate(Kind::Data, id).await? {
            let read = match self.segment(&copy).await {
                Ok(plain) => {
                    let start = copy.offset as usize;
                    let chunk = plain.get(start..start + copy.length as usize);
                    chunk
                        .filter(|chunk| self.store.fetcher.chunk_id(chunk) == *id)
                        .map(|chunk| plain.slice_ref(chunk))
                        .ok_or_else(|| {
                            Error::new(ErrorKind::Damaged, "a chunk's bytes are not the ones it is named after")
                                .context("chunk", id)
                        })
                }
                Err(error) => Err(error),
            };
            match read {
                Ok(chunk) => return Ok(chunk),
                Err(e) if e.kind() == ErrorKind::Damaged => error = e,
                Err(e) => return Err(e),
            }
        }
        Err(error)
    }

    async fn segment(&mut self, copy: &crate::index::Location) -> Result<Bytes> {
        let place = copy.segment;
        if let Some((kept, plain)) = &self.segment
            && *kept == place
        {
            return Ok(plain.clone());
        }
        let mut sealed = self.store.fetcher.segment(&place).await?;
        let key = self.store.fetcher.key(&place.pack, &copy.wrapped)?;
        let repository = self.store.fetcher.repository();
        let unpacked = tokio::task::spawn_blocking(move || {
            let mut plain = Vec::new();
            Unpacker::new()?.unpack(&repository, &key, &place, &mut sealed, &mut plain).map(|()| plain)
        });
        let plain =
            unpacked.await.map_err(|e| Error::new(ErrorKind::Internal, "opening a segment panicked").source(e))?;
        let plain = Bytes::from(plain?);
        self.segment = Some((place, plain.clone()));
        Ok(plain)
    }
}

/// Reads what comes through a channel.
struct ChannelReader {
    received: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
}

impl AsyncRead for ChannelReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.received.poll_recv(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                Some(Ok(bytes)) => self.current = bytes,
            }
        }
        let n = buf.remaining().min(self.current.len());
        buf.put_slice(self.current.get(..n).unwrap_or_default());
        self.current.advance(n);
        Poll::Ready(Ok(()))
    }
}
