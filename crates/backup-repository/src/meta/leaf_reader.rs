use super::attributes::{self, Attributes};
use super::body::unzigzag;
use super::leaf_writer::field;
use super::row::Row;
use super::{Found, LEAF, MAX_BLOCK_BYTES, damaged, front};
use crate::format::ids::CHUNK_ID_LEN;
use crate::format::wire::{Fields, take_varint};
use backup_core::{ErrorKind, Result, TreePath};
use bytes::{Buf, Bytes};

/// The most attribute messages of a leaf: many more than fit into one that is not hostile.
const MAX_ATTRIBUTES: usize = 1 << 16;

/// A leaf being read: [`LeafReader::advance`] to a path, then [`LeafReader::take`] or [`LeafReader::skip`] the entry.
pub(super) struct LeafReader {
    columns: Columns,
    attributes: Vec<Known>,
    entries: u64,
    /// Entries passed, the one that `path` belongs to included.
    at: u64,
    path: Vec<u8>,
    seconds: i64,
    nanoseconds: u32,
}

/// An attribute message of a leaf.
enum Known {
    Read(Attributes),
    /// What only a newer version reads: each entry that has it says so.
    Newer(Bytes),
}

/// The columns of one entry, but for its path and time.
struct Next {
    number: u64,
    size: u64,
    extra: Bytes,
    ids: Bytes,
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
                    let message = value.bytes()?;
                    attributes.push(match attributes::decode(message) {
                        Ok(attributes) => Known::Read(attributes),
                        Err(e) if e.kind() == ErrorKind::Unsupported => Known::Newer(block.slice_ref(message)),
                        Err(error) => return Err(error),
                    });
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
    ///
    /// # Errors
    /// `Unsupported` for an entry of a newer version: those behind it can be read. `Damaged`.
    pub(super) fn take(&mut self) -> Result<(Found, usize)> {
        let Next { number, size, extra, ids } = self.next()?;
        let row = Row { seconds: self.seconds, nanoseconds: self.nanoseconds, size, extra: &extra, ids: &ids };
        let attributes = usize::try_from(number).ok().and_then(|number| self.attributes.get(number));
        let found = |attributes: &Attributes| {
            let found = row.found(TreePath::from_encoded(self.path.clone())?, attributes)?;
            Ok((found, self.path.len() + attributes.encoded_len + 8 * extra.len() + ids.len()))
        };
        match attributes.ok_or_else(|| damaged("an entry's attributes are missing"))? {
            Known::Read(attributes) => found(attributes),
            Known::Newer(message) => found(&attributes::decode(message)?),
        }
    }

    /// Passes over the entry that `advance` went to.
    pub(super) fn skip(&mut self) -> Result<()> {
        self.next().map(|_| ())
    }

    /// Takes the next entry's columns.
    fn next(&mut self) -> Result<Next> {
        let (number, count) = self.columns_of_next()?;
        let columns = &mut self.columns;
        let size = take(&mut columns.sizes, take_varint)?;
        let length = take(&mut columns.extras, take_varint)?;
        let extra = split(&mut columns.extras, length)?;
        let ids = split(&mut columns.ids, count.saturating_mul(CHUNK_ID_LEN as u64))?;
        Ok(Next { number, size, extra, ids })
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

/// Splits bytes off the front of a column.
fn split(column: &mut Bytes, length: u64) -> Result<Bytes> {
    match usize::try_from(length) {
        Ok(length) if length <= column.len() => Ok(column.split_to(length)),
        _ => Err(damaged("a column is cut short")),
    }
}

/// The fields of a leaf.
pub(super) fn fields(block: &[u8]) -> Result<Fields<'_>> {
    match block.split_first() {
        Some((&LEAF, message)) if block.len() <= MAX_BLOCK_BYTES => Fields::new(message, &field::SINGULAR),
        _ => Err(damaged("it is not a leaf")),
    }
}
