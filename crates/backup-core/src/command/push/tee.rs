use super::capture::no_destination;
use crate::{Contents, Error, ErrorKind, FileOpener, Reader, Result};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::future::{join, join_all};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::sync::mpsc;

/// Bytes read at once from a stream that several destinations take.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that may wait for a destination before the source is held back.
const PIECES_AHEAD: usize = 8;

/// Gives one capture's contents to several destinations. One that fails is left out from then on and named; the
/// source hears of it only when none is left.
pub(super) struct Tee<'a> {
    takers: Vec<Taker<'a>>,
}

struct Taker<'a> {
    lane: usize,
    contents: &'a dyn Contents,
    /// Ascending.
    wanted: Vec<u64>,
    error: Mutex<Option<Error>>,
}

impl Taker<'_> {
    fn is_live(&self) -> bool {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn fail(&self, error: Error) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn takes(&self, entry: u64) -> bool {
        self.is_live() && self.wanted.binary_search(&entry).is_ok()
    }
}

impl<'a> Tee<'a> {
    pub(super) fn new(takers: impl Iterator<Item = (usize, &'a dyn Contents, Vec<u64>)>) -> Self {
        let takers = takers.map(|(lane, contents, wanted)| Taker { lane, contents, wanted, error: Mutex::new(None) });
        Tee { takers: takers.collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.takers.is_empty()
    }

    /// The lanes that failed.
    pub(super) fn into_errors(self) -> Vec<(usize, Error)> {
        let error =
            |taker: Taker<'_>| Some((taker.lane, taker.error.into_inner().unwrap_or_else(PoisonError::into_inner)?));
        self.takers.into_iter().filter_map(error).collect()
    }

    fn go_on(&self) -> Result<()> {
        if self.takers.iter().any(Taker::is_live) { Ok(()) } else { Err(no_destination()) }
    }
}

#[async_trait]
impl Contents for Tee<'_> {
    async fn files(&self, opener: Arc<dyn FileOpener>, entries: &[u64]) -> Result<()> {
        join_all(self.takers.iter().map(|taker| {
            let opener = opener.clone();
            async move {
                let entries: Vec<u64> = entries.iter().copied().filter(|entry| taker.takes(*entry)).collect();
                if !entries.is_empty()
                    && let Err(error) = taker.contents.files(opener, &entries).await
                {
                    taker.fail(error);
                }
            }
        }))
        .await;
        self.go_on()
    }

    async fn stream(&self, entry: u64, content: Reader) -> Result<u64> {
        let (senders, streams): (Vec<_>, Vec<_>) = self
            .takers
            .iter()
            .filter(|taker| taker.takes(entry))
            .map(|taker| {
                let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
                let stream = Box::new(TeeReader { pieces: receiver, current: Bytes::new(), ended: false });
                (sender, async move { (taker, taker.contents.stream(entry, stream).await) })
            })
            .unzip();
        let (pumped, taken) = join(pump(content, senders), join_all(streams)).await;
        for (taker, result) in taken {
            match (&pumped, result) {
                (Ok(sent), Ok(took)) if *sent != took => taker.fail(
                    Error::new(ErrorKind::Internal, "a destination took another number of bytes than it was given")
                        .context("given", sent)
                        .context("taken", took),
                ),
                (Ok(_), Err(error)) => taker.fail(error),
                // The stream itself broke: each destination has dropped the entry and goes on.
                (Err(_), _) | (Ok(_), Ok(_)) => {}
            }
        }
        self.go_on()?;
        pumped
    }

    async fn unreadable(&self, entry: u64, reason: String) -> Result<()> {
        join_all(self.takers.iter().filter(|taker| taker.takes(entry)).map(|taker| async {
            if let Err(error) = taker.contents.unreadable(entry, reason.clone()).await {
                taker.fail(error);
            }
        }))
        .await;
        self.go_on()
    }
}

enum Piece {
    Data(Bytes),
    End,
    Broken(Error),
}

/// Reads the stream to its end and gives every piece to every destination that still listens. The slowest of them
/// sets the pace.
async fn pump(mut content: Reader, mut senders: Vec<mpsc::Sender<Piece>>) -> Result<u64> {
    let mut total = 0;
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE_BYTES);
        let read = content.read_buf(&mut buffer).await;
        let read = read.map_err(|e| Error::io("cannot read the content to store", e));
        let data = buffer.split().freeze();
        let mut listening = Vec::with_capacity(senders.len());
        for sender in senders {
            let piece = match &read {
                Ok(0) => Piece::End,
                Ok(_) => Piece::Data(data.clone()),
                Err(error) => Piece::Broken(Error::new(error.kind(), error.to_string())),
            };
            if sender.send(piece).await.is_ok() {
                listening.push(sender);
            }
        }
        senders = listening;
        match read? {
            0 => return Ok(total),
            read => total += read as u64,
        }
    }
}

/// One destination's end. A channel that closes without [`Piece::End`] is no end of the content.
struct TeeReader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl AsyncRead for TeeReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.current.is_empty() && !self.ended {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(Piece::Data(data)) => self.current = data,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Broken(error)) => return Poll::Ready(Err(error.into())),
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
        let length = self.current.len().min(out.remaining());
        out.put_slice(&self.current.split_to(length));
        Poll::Ready(Ok(()))
    }
}
