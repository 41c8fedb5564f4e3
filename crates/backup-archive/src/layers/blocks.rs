//! Streams in pieces, worked on by several threads at once.

use backup_core::{Error, ErrorKind, Reader, Result, Spare};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use std::io;
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::io::AsyncReadExt;
use tokio::task::spawn_blocking;
use tokio_util::io::StreamReader;

/// More would take more memory than they save time: a piece and its result wait for each.
const MAX_THREADS: usize = 8;

/// A part of a stream.
pub(super) struct Piece {
    /// How many came before it.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) is_last: bool,
}

/// What `work` makes of each piece of `len` bytes (the last has the rest; an empty stream is one empty piece), in order.
pub(super) fn map_pieces(
    reader: Reader,
    len: usize,
    work: impl Fn(&Piece, &mut Vec<u8>) -> Result<()> + Send + Sync + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let (work, spare) = (Arc::new(work), Spare::default());
    let mapped = pieces(reader, len, spare.clone()).map(move |piece| {
        let (work, spare) = (work.clone(), spare.clone());
        // Begins now; the future only waits for its end.
        let task = piece.map(|piece| {
            spawn_blocking(move || {
                let mut out = spare.take_empty();
                let done = work(&piece, &mut out);
                spare.give(piece.bytes);
                done.map(|()| spare.lend(out))
            })
        });
        async move { Ok(task?.await.map_err(stopped)??) }
    });
    mapped.buffered(available_parallelism().map_or(1, usize::from).min(MAX_THREADS))
}

/// The error for a thread that ended without a result.
pub(super) fn stopped(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "a thread of a layer stopped").source(error)
}

fn pieces(reader: Reader, len: usize, spare: Spare) -> impl Stream<Item = io::Result<Piece>> + Send {
    let cutter = Cutter { reader, len, spare, number: 0, ahead: None };
    stream::try_unfold(Some(cutter), |cutter| async move {
        let Some(mut cutter) = cutter else { return Ok(None) };
        let piece = cutter.cut().await?;
        let next = (!piece.is_last).then_some(cutter);
        Ok(Some((piece, next)))
    })
}

struct Cutter {
    reader: Reader,
    len: usize,
    spare: Spare,
    number: u64,
    /// The first byte of the next piece: it tells that the one before it was not the last.
    ahead: Option<u8>,
}

impl Cutter {
    async fn cut(&mut self) -> io::Result<Piece> {
        let mut bytes = self.spare.take_empty();
        bytes.reserve_exact(self.len + 1);
        bytes.extend(self.ahead.take());
        let mut rest = (&mut self.reader).take((self.len + 1 - bytes.len()) as u64);
        while bytes.len() <= self.len && rest.read_buf(&mut bytes).await? > 0 {}
        if bytes.len() > self.len {
            self.ahead = bytes.pop();
        }
        let number = self.number;
        self.number += 1;
        Ok(Piece { number, bytes, is_last: self.ahead.is_none() })
    }
}

/// The blocks one behind the other. Behind an error there is no end, however often it is asked for.
pub(crate) fn reader(blocks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Reader {
    let blocks = stream::unfold(Some(Box::pin(blocks)), |blocks| async {
        let Some(mut blocks) = blocks else {
            let broken = Error::new(ErrorKind::Io, "a stream that had broken off was read on");
            return Some((Err(broken.into()), None));
        };
        match blocks.next().await {
            Some(Ok(block)) => Some((Ok(block), Some(blocks))),
            Some(Err(e)) => Some((Err(e), None)),
            None => None,
        }
    });
    Box::new(StreamReader::new(Box::pin(blocks.fuse())))
}
