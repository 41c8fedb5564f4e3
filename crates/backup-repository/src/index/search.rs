//! Finding an id in one run: filter, fences, rows; then segment and pack.

use super::filter::{is_marked, prefix};
use super::layout::Section;
use super::page::Page;
use super::reader::{Fault, Paged, RunReader};
use super::record::{PackRecord, Record, Row, SegmentRecord, item};
use crate::crypto::WrappedKey;
use crate::format::ids::ChunkId;
use crate::pack::SegmentPlace;
use backup_core::{Error, ErrorKind};

/// Where one copy of a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    pub(crate) segment: SegmentPlace,
    /// Which of the repository's identities unwraps the pack's key.
    pub(crate) identity: u16,
    pub(crate) wrapped: WrappedKey,
    /// First byte in the plain segment.
    pub(crate) offset: u32,
    /// Bytes.
    pub(crate) length: u32,
}

impl RunReader {
    /// Whether the filter lets the id pass. False is certain.
    pub(super) fn may_contain(&self, id: &ChunkId) -> Paged<bool> {
        let (page, place) = self.layout().place(Section::Filter, self.shape.item(id));
        let len = Section::Filter.item_len();
        let at = place as usize * len;
        self.page(page, |page| page.get(at..at + len).is_some_and(|item| is_marked(item, id)))
    }

    /// The first row of an id.
    pub(super) fn seek(&self, id: &ChunkId) -> Paged<Option<u32>> {
        let prefix = prefix(id);
        let page = self.fences_below(prefix)?.saturating_sub(1);
        if let Some(row) = self.seek_on(page, id)? {
            return Ok(row);
        }
        // The pages that follow begin with a larger id, or with the same eight bytes.
        let next = page + 1;
        if next >= self.layout().count(Section::Fences) || self.fence(next)? != prefix {
            return Ok(None);
        }
        let (mut low, mut high) = (next, self.layout().count(Section::Fences));
        if let Some(above) = prefix.checked_add(1) {
            high = self.fences_below(above)?;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record::<Row>(middle * Section::Rows.per_page())?.id < *id {
                low = middle + 1
            } else {
                high = middle
            }
        }
        match self.seek_on(low - 1, id)? {
            Some(row) => Ok(row),
            None => self.seek_on(low, id).map(Option::flatten),
        }
    }

    /// The first row of an id on a page of rows: found, or certainly on none; nothing when it may be on a later page.
    fn seek_on(&self, page: u32, id: &ChunkId) -> Paged<Option<Option<u32>>> {
        let rows = self.layout().section_pages(Section::Rows);
        let count = self.layout().items_on(Section::Rows, page);
        if count == 0 {
            return Ok(None);
        }
        let (place, found) = self.page(rows.start + page, |page| lower_bound(page, count, id))?;
        let row = page * Section::Rows.per_page() + place;
        Ok((place < count).then_some(found.then_some(row)))
    }

    /// The next row, if it has the same id.
    pub(super) fn next_same(&self, row: u32, id: &ChunkId) -> Paged<Option<u32>> {
        let next = row + 1;
        let (page, place) = (next / Section::Rows.per_page(), next % Section::Rows.per_page());
        if next >= self.layout().count(Section::Rows) || (place == 0 && self.fence(page)? != prefix(id)) {
            return Ok(None);
        }
        Ok((self.record::<Row>(next)?.id == *id).then_some(next))
    }

    /// A record by its number.
    pub(super) fn record<R: Record>(&self, number: u32) -> Paged<R> {
        if number >= self.layout().count(R::SECTION) {
            return Err(self.impossible("a number points past the end"));
        }
        let (page, place) = self.layout().place(R::SECTION, number);
        Ok(self.page(page, |page| R::get(item::<R>(page, place)))??)
    }

    /// Segment and pack of a row.
    pub(super) fn resolve(&self, row: &Row) -> Paged<(SegmentRecord, PackRecord)> {
        let segment: SegmentRecord = self.record(row.segment)?;
        let pack: PackRecord = self.record(segment.pack)?;
        let fits = u64::from(segment.offset) + u64::from(segment.sealed_len) <= pack.length
            && row.offset + row.length <= segment.plain_len
            && pack.kind == self.kind();
        if fits { Ok((segment, pack)) } else { Err(self.impossible("a chunk lies outside of its segment or pack")) }
    }

    /// Where a row's chunk is.
    pub(super) fn location(&self, row: &Row) -> Paged<Location> {
        let (segment, pack) = self.resolve(row)?;
        let place = SegmentPlace {
            pack: pack.name,
            kind: pack.kind,
            number: segment.number,
            offset: segment.offset,
            sealed_len: segment.sealed_len,
            plain_len: segment.plain_len,
            flags: segment.flags,
        };
        let (identity, wrapped) = (pack.identity, pack.wrapped);
        Ok(Location { segment: place, identity, wrapped, offset: row.offset, length: row.length })
    }

    fn impossible(&self, because: &'static str) -> Fault {
        let error = Error::new(ErrorKind::Damaged, "an index run contradicts itself");
        Fault::Damaged(error.context("run", self.name()).context("because", because))
    }

    /// How many fences are smaller than `prefix`.
    ///
    /// Ids are hashes, so the page of fences is guessed from the prefix, and the guess is hardly ever wrong.
    fn fences_below(&self, prefix: u64) -> Paged<u32> {
        let pages = self.layout().section_pages(Section::Fences);
        let (mut low, mut high) = (0, pages.end - pages.start);
        let mut guess = self.shape.share(prefix, high);
        let mut misses = 0;
        while low < high {
            let count = self.layout().items_on(Section::Fences, guess);
            let below = self.page(pages.start + guess, |page| partition(count, |n| fence_at(page, n) < prefix))?;
            let is_left = below == 0;
            match below {
                0 => high = guess,
                below if below == count => low = guess + 1,
                below => return Ok(guess * Section::Fences.per_page() + below),
            }
            // A miss is nearly always by one page; halving bounds the rest.
            misses += 1;
            guess = match (misses < 3, is_left) {
                (true, true) => high.saturating_sub(1),
                (true, false) => low,
                (false, _) => low + (high - low) / 2,
            };
        }
        Ok((low * Section::Fences.per_page()).min(self.layout().count(Section::Fences)))
    }

    fn fence(&self, rows_page: u32) -> Paged<u64> {
        let (page, place) = self.layout().place(Section::Fences, rows_page);
        self.page(page, |page| fence_at(page, place))
    }
}

fn fence_at(page: &Page, place: u32) -> u64 {
    let len = Section::Fences.item_len();
    let bytes = page.get(place as usize * len..).and_then(|rest| rest.first_chunk::<8>());
    bytes.map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes))
}

/// How many of `count` items, of which the first ones are `below`, are that.
fn partition(count: u32, below: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if below(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The place of the first row on a page that is not smaller, and whether it has this id.
fn lower_bound(page: &Page, count: u32, id: &ChunkId) -> (u32, bool) {
    let id_at = |n| item::<Row>(page, n).get(..id.0.len()).unwrap_or(&[]);
    let place = partition(count, |n| id_at(n) < &id.0[..]);
    (place, place < count && id_at(place) == &id.0[..])
}
