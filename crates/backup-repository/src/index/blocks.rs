use super::seal::{BlockEntry, HASH_LEN, MAX_SEALED};
use crate::crypto::TAG_LEN;
use backup_core::{Error, ErrorKind, Result};
use std::ops::Range;

/// Bytes of the object before its first block.
pub(super) const MAGIC: &[u8; 8] = b"BKUPRUN1";
const ENTRY: usize = 4 + HASH_LEN;
const STRIDE: usize = 64;

/// The sealed blocks of a run: as stored, with every 64th offset beside it.
#[derive(Debug)]
pub(super) struct BlockTable {
    stored: Vec<u8>,
    offsets: Vec<u64>,
    end: u64,
}

impl BlockTable {
    /// An empty table that blocks are added to.
    pub(super) fn new() -> Self {
        BlockTable { stored: Vec::new(), offsets: Vec::new(), end: MAGIC.len() as u64 }
    }

    /// # Errors
    /// `Damaged` when it is not one of `blocks` entries of possible lengths.
    pub(super) fn parse(stored: &[u8], blocks: u32) -> Result<Self> {
        let (entries, rest) = stored.as_chunks::<ENTRY>();
        let mut table = BlockTable::new();
        if rest.is_empty() && entries.len() == blocks as usize {
            table.stored.reserve_exact(stored.len());
            for entry in entries.iter().map(entry) {
                if entry.sealed_len <= TAG_LEN as u32 || entry.sealed_len > MAX_SEALED {
                    return Err(damaged("a block has an impossible length"));
                }
                table.push(&entry);
            }
            Ok(table)
        } else {
            Err(damaged("the table of blocks has the wrong length"))
        }
    }

    pub(super) fn push(&mut self, entry: &BlockEntry) {
        if self.len().is_multiple_of(STRIDE) {
            self.offsets.push(self.end);
        }
        self.stored.extend(entry.sealed_len.to_le_bytes().into_iter().take(3));
        self.stored.push(entry.flags);
        self.stored.extend_from_slice(&entry.hash);
        self.end += u64::from(entry.sealed_len);
    }

    fn len(&self) -> usize {
        self.stored.len() / ENTRY
    }

    /// The table as it is stored.
    pub(super) fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// Where the last block ends in the object.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// A block's entry, and its bytes in the object.
    pub(super) fn get(&self, block: u32) -> Option<(BlockEntry, Range<u64>)> {
        let (entries, _) = self.stored.as_chunks::<ENTRY>();
        let group = block as usize / STRIDE;
        let mut start = *self.offsets.get(group)?;
        for before in entries.get(group * STRIDE..block as usize)? {
            start += u64::from(entry(before).sealed_len);
        }
        let entry = entry(entries.get(block as usize)?);
        Some((entry, start..start + u64::from(entry.sealed_len)))
    }
}

fn entry(bytes: &[u8; ENTRY]) -> BlockEntry {
    let [a, b, c, flags, hash @ ..] = *bytes;
    BlockEntry { sealed_len: u32::from_le_bytes([a, b, c, 0]), flags, hash }
}

pub(super) fn damaged(because: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, "the footer of an index run is damaged").context("because", because)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_found_where_it_stands() {
        let mut table = BlockTable::new();
        let mut ranges = Vec::new();
        for n in 0..200u32 {
            let start = table.end();
            table.push(&BlockEntry { sealed_len: 17 + 300 * n, flags: (n % 2) as u8, hash: [n as u8; HASH_LEN] });
            ranges.push(start..table.end());
        }
        let parsed = BlockTable::parse(table.stored(), 200).unwrap();
        for (n, range) in (0..).zip(ranges) {
            let (entry, found) = parsed.get(n).unwrap();
            assert_eq!((found, entry.hash), (range, [n as u8; HASH_LEN]));
            assert_eq!(u32::from(entry.flags), n % 2);
        }
        assert_eq!((parsed.end(), parsed.get(200)), (table.end(), None));
    }

    #[test]
    fn impossible_tables_are_refused() {
        let mut table = BlockTable::new();
        table.push(&BlockEntry { sealed_len: 17, flags: 0, hash: [0; HASH_LEN] });
        assert!(BlockTable::parse(table.stored(), 1).is_ok());
        assert!(BlockTable::parse(table.stored(), 2).is_err());
        assert!(BlockTable::parse(&table.stored()[1..], 1).is_err());
        for len in [0, TAG_LEN as u32, MAX_SEALED + 1] {
            let mut table = BlockTable::new();
            table.push(&BlockEntry { sealed_len: len, flags: 0, hash: [0; HASH_LEN] });
            assert!(BlockTable::parse(table.stored(), 1).is_err(), "{len}");
        }
    }
}
