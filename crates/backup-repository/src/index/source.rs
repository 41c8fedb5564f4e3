use super::record::{PackRecord, Row, SegmentRecord};
use crate::format::ids::ChunkId;
use backup_core::{Error, ErrorKind, Result};

/// The most rows of one run; more are split by id range.
pub(crate) const MAX_ROWS: usize = 1 << 22;

/// How much a run will hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    pub(crate) rows: u64,
    pub(crate) segments: u64,
    pub(crate) packs: u64,
    pub(crate) first: ChunkId,
    pub(crate) last: ChunkId,
}

/// What a run is made of. Rows are read twice: for the filter, and for themselves.
pub(crate) trait RunSource {
    fn totals(&self) -> Totals;
    /// Starts the rows from the beginning.
    fn rewind_rows(&mut self) -> Result<()>;
    /// The next row in the order of ids.
    fn next_row(&mut self) -> Result<Option<Row>>;
    fn next_segment(&mut self) -> Result<Option<SegmentRecord>>;
    fn next_pack(&mut self) -> Result<Option<PackRecord>>;
}

/// Rows, segments and packs in memory.
pub(crate) struct RunRows {
    rows: Vec<Row>,
    segments: Vec<SegmentRecord>,
    packs: Vec<PackRecord>,
    totals: Totals,
    next: [usize; 3],
}

impl RunRows {
    /// Takes them in any order; the numbers in rows and segments count the given vectors.
    ///
    /// # Errors
    /// `InvalidInput` without rows, with more than [`MAX_ROWS`], or when a number points to nothing.
    pub(crate) fn new(mut rows: Vec<Row>, segments: Vec<SegmentRecord>, packs: Vec<PackRecord>) -> Result<Self> {
        rows.sort_unstable();
        let bad = |because: &'static str| {
            Error::new(ErrorKind::InvalidInput, "an index run cannot be made of this").context("because", because)
        };
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Err(bad("there are no rows")) };
        if rows.len() > MAX_ROWS {
            return Err(bad("there are too many rows"));
        }
        if rows.iter().any(|row| row.segment as usize >= segments.len()) {
            return Err(bad("a row is in no segment"));
        }
        if segments.iter().any(|segment| segment.pack as usize >= packs.len()) {
            return Err(bad("a segment is in no pack"));
        }
        let [r, s, p] = [rows.len(), segments.len(), packs.len()].map(|n| n as u64);
        let totals = Totals { rows: r, segments: s, packs: p, first: first.id, last: last.id };
        Ok(RunRows { rows, segments, packs, totals, next: [0; 3] })
    }
}

fn advance<T: Copy>(items: &[T], next: &mut usize) -> Option<T> {
    let item = items.get(*next).copied();
    *next += usize::from(item.is_some());
    item
}

impl RunSource for RunRows {
    fn totals(&self) -> Totals {
        self.totals
    }

    fn rewind_rows(&mut self) -> Result<()> {
        let [row, ..] = &mut self.next;
        *row = 0;
        Ok(())
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        let [row, ..] = &mut self.next;
        Ok(advance(&self.rows, row))
    }

    fn next_segment(&mut self) -> Result<Option<SegmentRecord>> {
        let [_, segment, _] = &mut self.next;
        Ok(advance(&self.segments, segment))
    }

    fn next_pack(&mut self) -> Result<Option<PackRecord>> {
        let [.., pack] = &mut self.next;
        Ok(advance(&self.packs, pack))
    }
}
