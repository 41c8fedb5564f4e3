use super::attributes::{self, Attributes};
use super::body::unzigzag;
use super::leaf_writer::field;
use super::row::Row;
use super::{Found, LEAF, MAX_BLOCK_BYTES, damaged, front};
use crate::format::ids::CHUNK_ID_LEN;
use crate::format::wire::{Fields, take_bytes, take_varint};
use backup_core::{Result, TreePath};
use bytes::{Buf, Bytes};

/// The most attribute messages of a leaf: many more than fit into one that is not hostile.
const MAX_ATTRIBUTES: usize = 1 << 16;

/// A leaf being read: [`LeafReader::advance`] to a path, then [`LeafReader::take`] or [`LeafReader::skip`] the entry.
pub(super) struct LeafReader {
    columns: Columns,
    attributes: Vec<Attributes>,
    entries: u64,
    /// Entries passed, the one that `path` belongs to included.
    at: u64,
    path: Vec<u8>,
    seconds: i64,
    nanoseconds: u32,
}

/// What is left of each column.
#[derive(Default)]
struct Columns {
    paths: Bytes,
    numbers: Bytes,
    seconds: Bytes,
    sizes: Bytes,
    counts: Bytes,
    extras: Bytes,
    nanoseconds: Bytes,
    ids: Bytes,
}

impl LeafReader {
    /// Opens a block.
    pub(super) fn open(block: &Bytes) -> Result<Self> {
        let mut entries = 0;
        let mut attributes = Vec::new();
        let mut columns = Columns::default();
        let mut fields = fields(block)?;
        while let Some((field, value)) = fields.next()? {
            let column = match field {
                field::ENTRIES => {
                    entries = value.uint()?;
                    continue;
                }
                field::ATTRIBUTES if attributes.len() == MAX_ATTRIBUTES => {
                    return Err(damaged("a leaf has too many attributes"));
                }
                field::ATTRIBUTES => {
                    attributes.push(attributes::decode(value.bytes()?)?);
                    continue;
                }
                field::PATHS => &mut columns.paths,
                field::ATTRIBUTE_NUMBERS => &mut columns.numbers,
                field::SECONDS => &mut columns.seconds,
                field::SIZES => &mut columns.sizes,
                field::CHUNK_COUNTS => &mut columns.counts,
                field::EXTRAS => &mut columns.extras,
                field::NANOSECONDS => &mut columns.nanoseconds,
                field::CHUNK_IDS => &mut columns.ids,
                _ => continue,
            };
            *column = block.slice_ref(value.bytes()?);
        }
        if entries == 0 {
            return Err(damaged("a leaf is empty"));
        }
        Ok(LeafReader { columns, attributes, entries, at: 0, path: Vec::new(), seconds: 0, nanoseconds: 0 })
    }

    /// Goes to the next entry's path; false at the end of the leaf.
    pub(super) fn advance(&mut self) -> Result<bool> {
        if self.at == self.entries {
            return if self.columns.is_empty() { Ok(false) } else { Err(damaged("a leaf has more than its entries")) };
        }
        let is_first = self.at == 0;
        take(&mut self.columns.paths, |paths| front::take(paths, &mut self.path, is_first))?;
        self.at += 1;
        Ok(true)
    }

    /// The path that `advance` went to.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The entry that `advance` went to, and about how many bytes it takes.
    pub(super) fn take(&mut self) -> Result<(Found, usize)> {
        let (number, count) = self.columns_of_next()?;
        let size = take(&mut self.columns.sizes, take_varint)?;
        let columns = &mut self.columns;
        let (mut extras, mut ids) = (columns.extras.as_ref(), columns.ids.as_ref());
        let length = take_varint(&mut extras)?;
        let extra = take_bytes(&mut extras, length)?;
        let row = Row {
            seconds: self.seconds,
            nanoseconds: self.nanoseconds,
            size,
            extra,
            ids: take_bytes(&mut ids, count.saturating_mul(CHUNK_ID_LEN as u64))?,
        };
        let attributes = usize::try_from(number).ok().and_then(|number| self.attributes.get(number));
        let attributes = attributes.ok_or_else(|| damaged("an entry's attributes are missing"))?;
        let found = row.found(TreePath::from_encoded(self.path.clone())?, attributes)?;
        let bytes = self.path.len() + attributes.encoded_len + 8 * row.extra.len() + row.ids.len();
        let left = (extras.len(), ids.len());
        columns.extras.advance(columns.extras.len() - left.0);
        columns.ids.advance(columns.ids.len() - left.1);
        Ok((found, bytes))
    }

    /// Passes over the entry that `advance` went to.
    pub(super) fn skip(&mut self) -> Result<()> {
        let (_, count) = self.columns_of_next()?;
        take(&mut self.columns.sizes, take_varint)?;
        take(&mut self.columns.extras, |extras| {
            let length = take_varint(extras)?;
            take_bytes(extras, length).map(|_| ())
        })?;
        let ids_bytes = count.saturating_mul(CHUNK_ID_LEN as u64);
        take(&mut self.columns.ids, |ids| take_bytes(ids, ids_bytes).map(|_| ()))?;
        Ok(())
    }

    /// Reads the next time, and gives the next attribute number and chunk count.
    fn columns_of_next(&mut self) -> Result<(u64, u64)> {
        let columns = &mut self.columns;
        let number = take(&mut columns.numbers, take_varint)?;
        let passed = unzigzag(take(&mut columns.seconds, take_varint)?);
        let stored = take(&mut columns.nanoseconds, take_varint)?;
        let nanoseconds = match passed {
            0 => unzigzag(stored).checked_add(i64::from(self.nanoseconds)).and_then(|ns| u32::try_from(ns).ok()),
            _ => u32::try_from(stored).ok(),
        };
        self.seconds = self.seconds.wrapping_add(passed);
        self.nanoseconds =
            nanoseconds.filter(|ns| *ns < 1_000_000_000).ok_or_else(|| damaged("nanoseconds are out of range"))?;
        Ok((number, take(&mut columns.counts, take_varint)?))
    }
}

impl Columns {
    fn is_empty(&self) -> bool {
        let Columns { paths, numbers, seconds, sizes, counts, extras, nanoseconds, ids } = self;
        [paths, numbers, seconds, sizes, counts, extras, nanoseconds, ids].iter().all(|column| column.is_empty())
    }
}

/// Takes something off the front of a column.
fn take<T>(column: &mut Bytes, read: impl FnOnce(&mut &[u8]) -> Result<T>) -> Result<T> {
    let mut input = column.as_ref();
    let value = read(&mut input);
    let left = input.len();
    column.advance(column.len() - left);
    value
}

/// The fields of a leaf.
pub(super) fn fields(block: &[u8]) -> Result<Fields<'_>> {
    match block.split_first() {
        Some((&LEAF, message)) if block.len() <= MAX_BLOCK_BYTES => Fields::new(message, &field::SINGULAR),
        _ => Err(damaged("it is not a leaf")),
    }
}
