use crate::index::PIECE_BYTES;
use crate::manifest::Sum;
use backup_core::{Error, ErrorKind, Result, Spare};
use bytes::Bytes;
use tokio::sync::mpsc;

/// What goes into the first layer: counted, checked by pieces and as a whole, and handed over in blocks. Blocks.
pub(super) struct Plain {
    blocks: mpsc::Sender<std::io::Result<Bytes>>,
    spare: Spare,
    block: Vec<u8>,
    position: u64,
    whole: blake3::Hasher,
    pieces: Vec<blake3::Hash>,
}

/// What was written.
pub(super) struct Written {
    pub(super) sum: Sum,
    pub(super) pieces: Vec<blake3::Hash>,
}

impl Plain {
    pub(super) fn new(blocks: mpsc::Sender<std::io::Result<Bytes>>) -> Self {
        let spare = Spare::default();
        Plain { blocks, spare, block: Vec::new(), position: 0, whole: blake3::Hasher::new(), pieces: Vec::new() }
    }

    /// Bytes written so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Appends.
    ///
    /// # Errors
    /// `Cancelled` when nobody takes them any more.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.block.len()));
            self.block.extend_from_slice(now);
            self.position += now.len() as u64;
            bytes = later;
            if self.block.len() == PIECE_BYTES {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    /// Appends what `read` gives, without moving it, at most `most` bytes; 0 at its end.
    pub(super) fn fill(&mut self, most: usize, read: &mut dyn FnMut(&mut [u8]) -> Result<usize>) -> Result<usize> {
        let start = self.block.len();
        let room = most.min(PIECE_BYTES - start);
        self.block.resize(start + room, 0);
        let got = read(self.block.get_mut(start..).unwrap_or_default());
        let kept = got.as_ref().map_or(0, |got| *got).min(room);
        self.block.truncate(start + kept);
        self.position += kept as u64;
        if self.block.len() == PIECE_BYTES {
            self.hand_over()?;
        }
        got
    }

    fn hand_over(&mut self) -> Result<()> {
        self.whole.update(&self.block);
        self.pieces.push(blake3::hash(&self.block));
        let full = std::mem::replace(&mut self.block, self.spare.take_empty());
        self.block.reserve(PIECE_BYTES);
        self.blocks.blocking_send(Ok(self.spare.lend(full))).map_err(|_| gone())
    }

    /// Tells that nothing more comes, and that it was not all.
    pub(super) fn fail(self) {
        let _ = self.blocks.blocking_send(Err(gone().into()));
    }

    /// The end.
    pub(super) fn finish(mut self) -> Result<Written> {
        if !self.block.is_empty() {
            self.hand_over()?;
        }
        let sum = Sum { bytes: self.position, blake3: self.whole.finalize().to_hex().to_string() };
        Ok(Written { sum, pieces: self.pieces })
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Cancelled, "the archive was given up")
}
