//! Compression: a frame for each piece on the way out; whatever frames there are on the way in.

use super::blocks::{map_pieces, reader, stopped};
use crate::index::PIECE_BYTES;
use backup_core::{Error, ErrorKind, LayerRecord, Reader, Result, Spare};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt;
use tokio::task::spawn_blocking;

/// What is read, and what is given out, at once when expanding.
const BLOCK_BYTES: usize = 1 << 20;

/// Makes frames.
pub(super) trait Compress: Send + 'static {
    /// Puts a frame with all of `plain` into `frame`, which is empty.
    fn compress(&mut self, plain: &[u8], frame: &mut Vec<u8>) -> Result<()>;
}

/// Undoes frames.
pub(super) trait Expand: Send {
    /// Goes on until `stored` is used up, a frame ends, or `plain` has no room left; never makes room itself. The last
    /// byte of a frame is used only when all of the frame was given out.
    ///
    /// # Errors
    /// `Damaged`.
    fn expand(&mut self, stored: &[u8], plain: &mut Vec<u8>) -> Result<Step>;
}

/// How far expanding came.
pub(super) struct Step {
    pub(super) used: usize,
    /// A frame ended, and all of it was given out.
    pub(super) ended: bool,
}

/// Notes the length of each frame of one stream, in order; complete when the stream has ended. Clones share the notes.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameLengths(Arc<Mutex<Vec<u32>>>);

impl FrameLengths {
    fn push(&self, frame: &Bytes) -> Result<()> {
        let len = u32::try_from(frame.len())
            .map_err(|_| Error::new(ErrorKind::Internal, "a compressed piece is longer than 4 GiB"))?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(len);
        Ok(())
    }

    /// What was noted since the last call.
    pub(crate) fn take(&self) -> Vec<u32> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A frame for each piece. `make` is called for each thread, not for each frame.
pub(super) fn encode<C: Compress>(
    plain: Reader,
    lengths: Option<FrameLengths>,
    make: impl Fn() -> Result<C> + Send + Sync + 'static,
) -> Reader {
    let idle = Mutex::new(Vec::<C>::new());
    let frames = map_pieces(plain, PIECE_BYTES, move |piece, frame| {
        let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut compress = taken.map_or_else(&make, Ok)?;
        compress.compress(&piece.bytes, frame)?;
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(compress);
        Ok(())
    });
    reader(frames.map(move |frame| {
        let frame = frame?;
        lengths.as_ref().map_or(Ok(()), |lengths| lengths.push(&frame))?;
        Ok(frame)
    }))
}

/// What the frames hold, one after the other.
pub(super) fn decode(stored: Reader, expand: Box<dyn Expand>) -> Reader {
    let spare = Spare::default();
    let state = Decoding { expand, spare: spare.clone(), block: Vec::new(), used: 0, ended: false };
    reader(stream::try_unfold((stored, state, spare), |(mut stored, mut state, spare)| async move {
        loop {
            if state.is_used_up() {
                state.block.clear();
                state.block.reserve_exact(BLOCK_BYTES);
                state.used = 0;
                if stored.read_buf(&mut state.block).await? == 0 {
                    return if state.ended { Ok(None) } else { Err(io::Error::from(cut())) };
                }
            }
            let (plain, next) = spawn_blocking(move || state.next()).await.map_err(stopped)??;
            state = next;
            if !plain.is_empty() {
                return Ok(Some((spare.lend(plain), (stored, state, spare))));
            }
        }
    }))
}

struct Decoding {
    expand: Box<dyn Expand>,
    spare: Spare,
    block: Vec<u8>,
    used: usize,
    /// The last thing that came was the end of a frame.
    ended: bool,
}

impl Decoding {
    fn is_used_up(&self) -> bool {
        self.used >= self.block.len()
    }

    /// The next plain bytes: empty, or less than a block, when more must be read.
    fn next(mut self) -> Result<(Vec<u8>, Self)> {
        let mut plain = self.spare.take_empty();
        plain.reserve_exact(BLOCK_BYTES);
        loop {
            let stored = self.block.get(self.used..).unwrap_or_default();
            let before = plain.len();
            let step = self.expand.expand(stored, &mut plain)?;
            (self.used, self.ended) = (self.used + step.used, step.ended);
            if self.is_used_up() || plain.len() == plain.capacity() {
                return Ok((plain, self));
            }
            if step.used == 0 && plain.len() == before {
                return Err(Error::new(ErrorKind::Damaged, "a compressed stream goes nowhere"));
            }
        }
    }
}

/// What one whole frame holds: a piece, at most.
///
/// # Errors
/// `Damaged` when it is not that, or holds more.
pub(super) fn decode_one(expand: &mut dyn Expand, stored: &[u8], plain_len_at_most: usize) -> Result<Vec<u8>> {
    let plain_len_at_most = plain_len_at_most.min(PIECE_BYTES);
    // Room for one byte too many shows that there is one.
    let mut plain = Vec::with_capacity(plain_len_at_most + 1);
    let mut rest = stored;
    loop {
        let before = plain.len();
        let step = expand.expand(rest, &mut plain)?;
        rest = rest.get(step.used..).unwrap_or_default();
        let is_fit = plain.len() <= plain_len_at_most;
        if step.ended && rest.is_empty() && is_fit {
            return Ok(plain);
        }
        if step.ended || !is_fit {
            return Err(Error::new(ErrorKind::Damaged, "a piece of an archive is not one frame of its length"));
        }
        if step.used == 0 && plain.len() == before {
            return Err(cut());
        }
    }
}

fn cut() -> Error {
    Error::new(ErrorKind::Damaged, "a compressed stream ends within a frame")
}

/// The level that a record holds; not needed for decoding, so it may be missing.
pub(super) fn level<T: FromStr>(record: &LayerRecord, default: T) -> Result<T> {
    let Some(text) = record.parameters.get("level") else { return Ok(default) };
    text.parse().map_err(|_| {
        Error::new(ErrorKind::Damaged, "a record of a layer has a level that is no number")
            .context("layer", &record.name)
            .context("level", text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_comes_out_in_blocks() {
        let block = zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap();
        let expand = (super::super::zstd::BUILT_IN.expand.unwrap())().unwrap();
        let spare = Spare::default();
        let mut state = Decoding { expand, spare, block, used: 0, ended: false };
        let mut total = 0;
        while !state.is_used_up() {
            let (plain, next) = state.next().unwrap();
            assert!(plain.capacity() <= 2 * BLOCK_BYTES);
            (state, total) = (next, total + plain.len());
        }
        assert!(total == 64 << 20 && state.ended);
    }
}
