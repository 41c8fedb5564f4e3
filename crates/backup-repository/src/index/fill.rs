use super::blocks::MAGIC;
use super::reader::RunReader;
use backup_core::{Error, ErrorKind, Result};
use std::ops::Range;

impl RunReader {
    /// Starts taking the whole object, which may come in parts of any length.
    pub(crate) fn fill(&self) -> Filler<'_> {
        Filler { reader: self, block: None, buffer: Vec::new(), stored: true }
    }

    /// The range of the object that [`RunReader::fill`] takes: all but the tail.
    pub(crate) fn fill_range(&self) -> Range<u64> {
        0..self.footer.blocks.end()
    }
}

/// Takes a run's object from its first byte, and keeps the blocks.
pub(crate) struct Filler<'a> {
    reader: &'a RunReader,
    /// The next block; none before the magic.
    block: Option<u32>,
    buffer: Vec<u8>,
    stored: bool,
}

impl Filler<'_> {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// `Damaged` when they are not what was written; nothing damaged is kept.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(len) = self.wanted()
            && let Some(part) = self.buffer.get(used..used + len)
        {
            match self.block {
                None if part != MAGIC => {
                    return Err(Error::new(ErrorKind::Damaged, "an object is not an index run")
                        .context("run", self.reader.name()));
                }
                None => self.block = Some(0),
                Some(block) => {
                    let plain = self.reader.open_block(block, part.to_vec())?;
                    self.stored &= self.reader.store(block, &plain);
                    self.block = Some(block + 1);
                }
            }
            used += len;
        }
        self.buffer.drain(..used);
        Ok(())
    }

    /// Bytes of the next part; none after the last block.
    fn wanted(&self) -> Option<usize> {
        match self.block {
            None => Some(MAGIC.len()),
            Some(block) => self.reader.footer.blocks.get(block).map(|(entry, _)| entry.sealed_len as usize),
        }
    }

    /// Checks that everything came.
    ///
    /// # Errors
    /// `Damaged` when the object ended early or went on.
    pub(crate) fn finish(self) -> Result<()> {
        if self.wanted().is_some() || !self.buffer.is_empty() {
            return Err(Error::new(ErrorKind::Damaged, "an index run has another length than its footer says")
                .context("run", self.reader.name()));
        }
        if self.stored {
            self.reader.set_complete();
        }
        Ok(())
    }
}
