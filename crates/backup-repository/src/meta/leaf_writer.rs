use super::body::{Body, zigzag};
use super::{LEAF, MAX_BLOCK_BYTES, attributes, front};
use crate::format::ids::CHUNK_ID_LEN;
use crate::format::wire::{put_bytes, put_uint, put_varint};
use backup_core::{Error, ErrorKind, Result, Totals};
use hashbrown::HashMap;

/// Fields of a leaf. Entries stand in columns: what is alike stands together, which compresses far better than rows.
pub(super) mod field {
    pub(in super::super) const ENTRIES: u32 = 1;
    pub(in super::super) const ATTRIBUTES: u32 = 2;
    pub(in super::super) const PATHS: u32 = 3;
    pub(in super::super) const ATTRIBUTE_NUMBERS: u32 = 4;
    pub(in super::super) const SECONDS: u32 = 5;
    pub(in super::super) const SIZES: u32 = 6;
    pub(in super::super) const CHUNK_COUNTS: u32 = 7;
    pub(in super::super) const EXTRAS: u32 = 8;
    pub(in super::super) const NANOSECONDS: u32 = 9;
    pub(in super::super) const CHUNK_IDS: u32 = 10;
    /// Chunks that entries refer to in ways of a later version.
    pub(in super::super) const FURTHER_CHUNKS: u32 = 11;
    /// Content lists that entries refer to in ways of a later version: their roots, as in an entry.
    pub(in super::super) const FURTHER_LISTS: u32 = 12;

    /// All but the attributes.
    pub(in super::super) const SINGULAR: [u32; 11] = [
        ENTRIES,
        PATHS,
        ATTRIBUTE_NUMBERS,
        SECONDS,
        SIZES,
        CHUNK_COUNTS,
        EXTRAS,
        NANOSECONDS,
        CHUNK_IDS,
        FURTHER_CHUNKS,
        FURTHER_LISTS,
    ];
}

/// What a leaf's writer knows of an attribute message.
#[derive(Clone, Copy, Default)]
struct Known {
    number: u64,
    has_content: bool,
    has_size: bool,
}

/// A leaf being filled.
#[derive(Default)]
pub(super) struct LeafWriter {
    totals: Totals,
    first: Vec<u8>,
    previous: Vec<u8>,
    /// The attribute messages of the leaf.
    table: HashMap<Box<[u8]>, Known>,
    last_attributes: Vec<u8>,
    last_known: Known,
    seconds_before: i64,
    nanoseconds_before: u32,
    attributes: Vec<u8>,
    paths: Vec<u8>,
    numbers: Vec<u8>,
    seconds: Vec<u8>,
    sizes: Vec<u8>,
    counts: Vec<u8>,
    extras: Vec<u8>,
    nanoseconds: Vec<u8>,
    ids: Vec<u8>,
}

impl LeafWriter {
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    pub(super) fn entries(&self) -> usize {
        self.totals.entries as usize
    }

    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    /// Bytes of the block so far, but for a few.
    pub(super) fn len(&self) -> usize {
        self.columns().iter().map(|(_, column)| column.len()).sum::<usize>() + self.attributes.len()
    }

    /// Appends an entry; the caller sees to the order of paths.
    pub(super) fn push(&mut self, path: &[u8], body: &Body<'_>) -> Result<()> {
        // What cannot be read again must not be written: a body may come from a damaged cache.
        let Known { number, has_content, has_size } = self.number_of(body.attributes)?;
        body.row.check(has_content, has_size)?;
        if self.totals.entries == 0 {
            self.first.clear();
            self.first.extend_from_slice(path);
        }
        front::put(&mut self.paths, &self.previous, path);
        self.previous.clear();
        self.previous.extend_from_slice(path);

        let row = &body.row;
        put_varint(&mut self.numbers, number);
        let passed = row.seconds.wrapping_sub(self.seconds_before);
        put_varint(&mut self.seconds, zigzag(passed));
        let nanoseconds = match passed {
            0 => zigzag(i64::from(row.nanoseconds) - i64::from(self.nanoseconds_before)),
            _ => u64::from(row.nanoseconds),
        };
        put_varint(&mut self.nanoseconds, nanoseconds);
        (self.seconds_before, self.nanoseconds_before) = (row.seconds, row.nanoseconds);
        put_varint(&mut self.sizes, row.size);
        put_varint(&mut self.counts, (row.ids.len() / CHUNK_ID_LEN) as u64);
        put_varint(&mut self.extras, row.extra.len() as u64);
        self.extras.extend_from_slice(row.extra);
        self.ids.extend_from_slice(row.ids);
        self.totals +=
            Totals { entries: 1, files: u64::from(has_content), size_bytes: if has_content { row.size } else { 0 } };
        Ok(())
    }

    fn number_of(&mut self, message: &[u8]) -> Result<Known> {
        if self.totals.entries > 0 && self.last_attributes == message {
            return Ok(self.last_known);
        }
        let known = match self.table.get(message) {
            Some(known) => *known,
            None => {
                let attributes = attributes::decode(message)?;
                let known = Known {
                    number: self.table.len() as u64,
                    has_content: attributes.kind.has_content(),
                    has_size: attributes.has_size,
                };
                put_bytes(&mut self.attributes, field::ATTRIBUTES, message);
                self.table.insert(message.into(), known);
                known
            }
        };
        self.last_attributes.clear();
        self.last_attributes.extend_from_slice(message);
        self.last_known = known;
        Ok(known)
    }

    fn columns(&self) -> [(u32, &Vec<u8>); 8] {
        [
            (field::PATHS, &self.paths),
            (field::ATTRIBUTE_NUMBERS, &self.numbers),
            (field::SECONDS, &self.seconds),
            (field::SIZES, &self.sizes),
            (field::CHUNK_COUNTS, &self.counts),
            (field::EXTRAS, &self.extras),
            (field::NANOSECONDS, &self.nanoseconds),
            (field::CHUNK_IDS, &self.ids),
        ]
    }

    /// The finished block, and an empty leaf instead of this one.
    pub(super) fn finish(&mut self) -> Result<Vec<u8>> {
        let mut block = Vec::with_capacity(self.len() + 64);
        block.push(LEAF);
        put_uint(&mut block, field::ENTRIES, self.totals.entries);
        block.extend_from_slice(&self.attributes);
        for (field, column) in self.columns() {
            put_bytes(&mut block, field, column);
        }
        if block.len() > MAX_BLOCK_BYTES {
            return Err(Error::new(ErrorKind::Internal, "a metadata block grew too long"));
        }
        self.clear();
        Ok(block)
    }

    fn clear(&mut self) {
        self.totals = Totals::default();
        self.table.clear();
        (self.seconds_before, self.nanoseconds_before) = (0, 0);
        let LeafWriter {
            previous, attributes, paths, numbers, seconds, sizes, counts, extras, nanoseconds, ids, ..
        } = self;
        for column in [previous, attributes, paths, numbers, seconds, sizes, counts, extras, nanoseconds, ids] {
            column.clear();
        }
    }
}
