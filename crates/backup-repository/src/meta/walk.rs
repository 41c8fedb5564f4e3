use super::cursor::{Cursor, Damage, Head};
use super::{Found, Ranges, Root};
use crate::format::ids::ChunkId;
use backup_core::Error;
use bytes::Bytes;

/// A batch of entries ends when they take about this many bytes, so that few long ones do not fill the memory.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// What a [`Walk`] has next.
#[derive(Debug)]
pub(crate) enum Step {
    /// As many entries as asked for, or 4 MiB of them.
    Full,
    /// A block that must be given to [`Walk::provide`], or reported to [`Walk::missing`].
    Need(ChunkId),
    /// A part of the tree is lost; the walk goes on behind it.
    Lost(Damage),
    /// Nothing is left.
    Done,
}

/// Reads the entries of a tree in order, opening only blocks that have some in the ranges.
pub(crate) struct Walk {
    cursor: Cursor,
    lost: Option<Damage>,
}

impl Walk {
    /// A walk over a tree; none is a tree without entries.
    pub(crate) fn new(root: Option<Root>, ranges: Ranges) -> Self {
        Walk { cursor: Cursor::new(root, ranges), lost: None }
    }

    /// Appends entries to `out` until it has `most`, and says why it stopped. Those before a `Need` or `Lost` are in
    /// `out` as well. Asked again without an answer, it needs the same block.
    pub(crate) fn advance(&mut self, out: &mut Vec<Found>, most: usize) -> Step {
        let mut bytes = 0;
        loop {
            if let Some(damage) = self.lost.take() {
                return Step::Lost(damage);
            }
            if let Err(damage) = self.cursor.settle() {
                return Step::Lost(damage);
            }
            match self.cursor.head() {
                Head::End => return Step::Done,
                Head::Block(child) => return Step::Need(child.id),
                Head::Entry(_) if out.len() >= most || bytes >= MAX_BATCH_BYTES => return Step::Full,
                Head::Entry(_) => match self.cursor.take() {
                    Err(damage) => return Step::Lost(damage),
                    Ok((found, taken)) => {
                        bytes += taken;
                        out.push(found);
                    }
                },
            }
        }
    }

    /// Takes the block that was needed last, verified to have that id. What is wrong with it comes as `Lost`.
    pub(crate) fn provide(&mut self, block: &Bytes) {
        if let Err(damage) = self.cursor.open(block) {
            self.lost = Some(damage);
        }
    }

    /// Says that the block needed last cannot be had. Comes as `Lost`.
    pub(crate) fn missing(&mut self, error: Error) {
        self.lost = self.cursor.give_up(error);
    }

    /// Up to `most` blocks that will be needed, the next one first, as far as is known now: for reading ahead.
    pub(crate) fn upcoming(&self, most: usize) -> Vec<ChunkId> {
        self.cursor.upcoming(most)
    }
}
