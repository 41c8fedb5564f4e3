//! How a run's image is divided: sections of pages, pages of items, blocks of pages.

use backup_core::{Error, ErrorKind, Result};
use std::ops::Range;

/// Bytes of a page, its checksum included.
pub(crate) const PAGE: usize = 4096;
/// Bytes of a page that hold items.
pub(crate) const PAGE_ITEMS: usize = PAGE - 8;
/// Pages that are sealed together.
pub(crate) const PAGES_PER_BLOCK: u32 = 16;
/// Bytes of a full block.
pub(crate) const BLOCK: usize = PAGE * PAGES_PER_BLOCK as usize;

/// The parts of an image, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Filter,
    Rows,
    Segments,
    Packs,
    Fences,
}

impl Section {
    pub(crate) const ALL: [Section; 5] =
        [Section::Filter, Section::Rows, Section::Segments, Section::Packs, Section::Fences];

    /// Bytes of one item.
    pub(crate) const fn item_len(self) -> usize {
        match self {
            Section::Filter => 64,
            Section::Rows => 30,
            Section::Segments => 24,
            Section::Packs => 128,
            Section::Fences => 8,
        }
    }

    /// Items on a full page.
    pub(crate) const fn per_page(self) -> u32 {
        (PAGE_ITEMS / self.item_len()) as u32
    }
}

/// Where everything of an image stands: it follows from the numbers of rows, segments and packs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    counts: [u32; 5],
    /// First page of each section, and the end of the last.
    pages: [u32; 6],
}

impl Layout {
    /// # Errors
    /// `InvalidInput` without rows, or when a number does not fit.
    pub(crate) fn new(rows: u64, segments: u64, packs: u64) -> Result<Self> {
        let bad = || {
            Error::new(ErrorKind::InvalidInput, "an index run cannot have so many or so few rows")
                .context("rows", rows)
                .context("segments", segments)
                .context("packs", packs)
        };
        if rows == 0 {
            return Err(bad());
        }
        let fences = rows.div_ceil(u64::from(Section::Rows.per_page()));
        let wide = [rows.saturating_mul(10).div_ceil(512), rows, segments, packs, fences];
        let (mut counts, mut pages, mut page) = ([0; 5], [0; 6], 0u32);
        for (((count, first), wide), section) in counts.iter_mut().zip(&mut pages).zip(wide).zip(Section::ALL) {
            *count = u32::try_from(wide).map_err(|_| bad())?;
            *first = page;
            page = page.checked_add(count.div_ceil(section.per_page())).ok_or_else(bad)?;
        }
        if let Some(end) = pages.last_mut() {
            *end = page;
        }
        Ok(Layout { counts, pages })
    }

    /// Items of each section, in order.
    pub(crate) fn counts(&self) -> [u32; 5] {
        self.counts
    }

    /// Items of one section.
    pub(crate) fn count(&self, section: Section) -> u32 {
        self.counts.get(section as usize).copied().unwrap_or(0)
    }

    /// Pages of one section.
    pub(crate) fn section_pages(&self, section: Section) -> Range<u32> {
        let at = |i: usize| self.pages.get(i).copied().unwrap_or(0);
        at(section as usize)..at(section as usize + 1)
    }

    /// The page on which an item stands, and its place there, counted in items.
    pub(crate) fn place(&self, section: Section, item: u32) -> (u32, u32) {
        let per_page = section.per_page();
        (self.section_pages(section).start + item / per_page, item % per_page)
    }

    /// Items on the `page`th page of a section, counted from the section's first.
    pub(crate) fn items_on(&self, section: Section, page: u32) -> u32 {
        let before = page.saturating_mul(section.per_page());
        self.count(section).saturating_sub(before).min(section.per_page())
    }

    /// Pages in all.
    pub(crate) fn page_count(&self) -> u32 {
        self.pages.last().copied().unwrap_or(0)
    }

    /// Bytes of the image.
    pub(crate) fn image_len(&self) -> u64 {
        u64::from(self.page_count()) * PAGE as u64
    }

    /// Blocks in all.
    pub(crate) fn block_count(&self) -> u32 {
        self.page_count().div_ceil(PAGES_PER_BLOCK)
    }

    /// Plain bytes of a block.
    pub(crate) fn block_len(&self, block: u32) -> usize {
        let before = block.saturating_mul(PAGES_PER_BLOCK);
        self.page_count().saturating_sub(before).min(PAGES_PER_BLOCK) as usize * PAGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_follow_each_other() {
        assert_eq!(Section::ALL.map(Section::per_page), [63, 136, 170, 31, 511]);
        let layout = Layout::new(137, 1, 0).unwrap();
        assert_eq!(layout.counts(), [3, 137, 1, 0, 2]);
        assert_eq!(Section::ALL.map(|s| layout.section_pages(s)), [0..1, 1..3, 3..4, 4..4, 4..5]);
        assert_eq!((layout.items_on(Section::Rows, 0), layout.items_on(Section::Rows, 1)), (136, 1));
        assert_eq!(layout.place(Section::Rows, 136), (2, 0));
        assert_eq!((layout.block_count(), layout.block_len(0), layout.block_len(1)), (1, 5 * PAGE, 0));
        let large = Layout::new(1 << 22, 1 << 22, 1 << 22).unwrap();
        let blocks = u64::from(large.block_count());
        let last = large.block_len(large.block_count() - 1) as u64;
        assert_eq!((blocks - 1) * BLOCK as u64 + last, large.image_len());
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for (rows, segments, packs) in [(0, 1, 1), (u64::MAX, 1, 1), (1, 1 << 32, 1), (1, 1, u64::MAX)] {
            assert_eq!(Layout::new(rows, segments, packs).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}
