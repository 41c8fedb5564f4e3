use super::damaged;
use super::lines::{Lines, is_entry, parse};
use crate::index::{Head, Line, PIECE_BYTES, Piece};
use crate::manifest::Content;
use backup_core::Result;
use std::ops::Range;

const PIECE: u64 = PIECE_BYTES as u64;
/// No compression makes a piece longer: fast deflate spends up to 9 bits on a byte.
const MAX_FRAME: u32 = (PIECE_BYTES + PIECE_BYTES / 4) as u32;

/// The checksum of a piece or block.
pub(crate) type Sum = [u8; 32];

/// Checksums of the pieces of an archive, and where their frames lie behind the compression.
#[derive(Default)]
pub(crate) struct Table {
    sums: Vec<Sum>,
    ends: Vec<u64>,
}

impl Table {
    fn push(&mut self, piece: &Piece) -> Result<()> {
        let mut sum = [0; 32];
        hex::decode_to_slice(&piece.piece, &mut sum).map_err(|e| damaged("a piece's checksum is none").source(e))?;
        if piece.stored > MAX_FRAME {
            return Err(damaged("a piece is longer than it can be").context("stored_bytes", piece.stored));
        }
        self.sums.push(sum);
        self.ends.push(self.bytes() + u64::from(piece.stored));
        Ok(())
    }

    pub(crate) fn get(&self, number: u64) -> Option<(Sum, Range<u64>)> {
        let number = usize::try_from(number).ok()?;
        let end = *self.ends.get(number)?;
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        Some((*self.sums.get(number)?, start..end))
    }

    /// The length of all frames.
    pub(crate) fn bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn len(&self) -> u64 {
        self.ends.len() as u64
    }
}

/// The first look at an index: whose it is, the pieces, and that it is whole.
pub(crate) struct Scan {
    archive: String,
    component: String,
    content: Content,
    lines: Lines,
    has_head: bool,
    table: Table,
    plain: blake3::Hasher,
    blocks: Vec<Sum>,
}

impl Scan {
    pub(crate) fn new(archive: &str, component: &str, content: &Content) -> Self {
        Scan {
            archive: archive.to_owned(),
            component: component.to_owned(),
            content: content.clone(),
            lines: Lines::default(),
            has_head: false,
            table: Table::default(),
            plain: blake3::Hasher::new(),
            blocks: Vec::new(),
        }
    }

    /// Looks through a block. Keeps the thread busy.
    pub(crate) fn block(&mut self, block: &[u8]) -> Result<()> {
        self.plain.update(block);
        self.blocks.push(*blake3::hash(block).as_bytes());
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(block, |line| self.line(line))?;
        self.lines = lines;
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        if self.has_head && is_entry(line) {
            // The second look takes it, and knows where it may stand.
            return Ok(());
        }
        match parse(line)? {
            Line::Head(head) if !self.has_head => {
                self.has_head = true;
                self.belongs(&head)
            }
            Line::Piece(piece) if self.has_head && self.table.len() < self.pieces() => self.table.push(&piece),
            Line::Entry(_) if self.has_head => Ok(()),
            _ => Err(damaged("a line of an index stands where it cannot")),
        }
    }

    fn belongs(&self, head: &Head) -> Result<()> {
        head.check()?;
        if head.archive == self.archive && head.component == self.component {
            return Ok(());
        }
        Err(damaged("an index is that of another archive")
            .context("archive", &head.archive)
            .context("component", &head.component))
    }

    /// How many pieces there are at most. One without a byte may stand for an empty archive.
    fn pieces(&self) -> u64 {
        self.content.archive.plain.bytes.div_ceil(PIECE).max(1)
    }

    /// The pieces, and the checksums of all blocks.
    ///
    /// # Errors
    /// `Damaged` when it is not the index that the manifest means.
    pub(crate) fn finish(self) -> Result<(Table, Vec<Sum>)> {
        if self.plain.finalize().to_hex().as_str() != self.content.index.plain.blake3 {
            return Err(damaged("an index is not what was stored: its checksum differs from the manifest's"));
        }
        let is_complete = self.table.len() == self.pieces() || self.content.archive.plain.bytes == 0;
        if self.has_head && self.lines.is_whole() && is_complete {
            return Ok((self.table, self.blocks));
        }
        Err(damaged("an index is not complete"))
    }
}
