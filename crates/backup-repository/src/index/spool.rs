//! Runs in the making, in nameless files.

use super::bits::Bits;
use super::layout::Section;
use super::merge::MergeRow;
use super::record::{PackRecord, Record, Row, SegmentRecord};
use super::set::IndexSet;
use super::source::{RunSource, Totals};
use crate::format::ids::ChunkId;
use backup_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// Bytes of a spooled row: as in a run, and the old run that it came from.
const SPOOLED_ROW: usize = Section::Rows.item_len() + 4;

fn spool_failed(e: std::io::Error) -> Error {
    Error::io("the rows of a new index run cannot be kept in a temporary file", e)
}

fn defect() -> Error {
    Error::new(ErrorKind::Internal, "a merge of index runs lost count")
}

/// Records in a nameless file.
pub(super) struct Spool {
    file: BufWriter<File>,
    count: u64,
    item: Vec<u8>,
}

impl Spool {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 16, tempfile::tempfile_in(folder).map_err(spool_failed)?);
        Ok(Spool { file, count: 0, item: Vec::new() })
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Appends a record, and what belongs behind it.
    pub(super) fn put(&mut self, record: &impl Record, rest: &[u8]) -> Result<()> {
        self.item.clear();
        record.put(&mut self.item)?;
        self.item.extend_from_slice(rest);
        self.count += 1;
        self.file.write_all(&self.item).map_err(spool_failed)
    }

    fn read(self) -> Result<BufReader<File>> {
        let mut file = self.file.into_inner().map_err(|e| spool_failed(e.into_error()))?;
        file.rewind().map_err(spool_failed)?;
        Ok(BufReader::with_capacity(1 << 16, file))
    }
}

/// The next item of a spool; none at its end.
fn take<const N: usize>(file: &mut BufReader<File>) -> Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    if file.fill_buf().map_err(spool_failed)?.is_empty() {
        return Ok(None);
    }
    file.read_exact(&mut bytes).map_err(spool_failed)?;
    Ok(Some(bytes))
}

/// The rows of a run in the making, with the numbers of the old runs' segments.
pub(super) struct SpooledRows {
    file: Spool,
    /// For each old run, the segments that have rows here.
    used: Vec<Bits>,
    first: Option<ChunkId>,
    last: ChunkId,
}

impl SpooledRows {
    pub(super) fn new(spool: &Path, set: &IndexSet) -> Result<Self> {
        let used = set.runs().iter().map(|run| Bits::new(run.layout().count(Section::Segments))).collect();
        Ok(SpooledRows { file: Spool::new(spool)?, used, first: None, last: ChunkId([0; 20]) })
    }

    pub(super) fn add(&mut self, row: &MergeRow) -> Result<()> {
        self.used.get_mut(row.run as usize).ok_or_else(defect)?.set(row.row.segment);
        self.first.get_or_insert(row.row.id);
        self.last = row.row.id;
        self.file.put(&row.row, &row.run.to_le_bytes())
    }

    pub(super) fn count(&self) -> u64 {
        self.file.count
    }

    pub(super) fn is_used(&self, run: usize, segment: u32) -> bool {
        self.used.get(run).is_some_and(|used| used.is_set(segment))
    }
}

/// What a merge makes a new run of.
pub(crate) struct MergedRun {
    rows: BufReader<File>,
    segments: BufReader<File>,
    packs: BufReader<File>,
    /// For each old run, how many of the new run's segments come before its own, and which of its segments those are.
    used: Vec<(u32, Bits)>,
    totals: Totals,
}

impl MergedRun {
    pub(super) fn new(rows: SpooledRows, segments: Spool, packs: Spool) -> Result<Self> {
        let first = rows.first.ok_or_else(defect)?;
        let totals =
            Totals { rows: rows.count(), segments: segments.count, packs: packs.count, first, last: rows.last };
        let mut before = 0;
        let mut used = Vec::with_capacity(rows.used.len());
        for mut bits in rows.used {
            let count = bits.count();
            used.push((before, bits));
            before += count;
        }
        let (rows, segments, packs) = (rows.file.read()?, segments.read()?, packs.read()?);
        Ok(MergedRun { rows, segments, packs, used, totals })
    }
}

impl RunSource for MergedRun {
    fn totals(&self) -> Totals {
        self.totals
    }

    fn rewind_rows(&mut self) -> Result<()> {
        self.rows.rewind().map_err(spool_failed)
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        let Some(bytes) = take::<SPOOLED_ROW>(&mut self.rows)? else { return Ok(None) };
        let (row, run) = bytes.split_last_chunk::<4>().ok_or_else(defect)?;
        let row = Row::get(row)?;
        let (before, bits) = self.used.get(u32::from_le_bytes(*run) as usize).ok_or_else(defect)?;
        Ok(Some(Row { segment: before + bits.rank(row.segment), ..row }))
    }

    fn next_segment(&mut self) -> Result<Option<SegmentRecord>> {
        take::<{ Section::Segments.item_len() }>(&mut self.segments)?.map(|item| SegmentRecord::get(&item)).transpose()
    }

    fn next_pack(&mut self) -> Result<Option<PackRecord>> {
        take::<{ Section::Packs.item_len() }>(&mut self.packs)?.map(|item| PackRecord::get(&item)).transpose()
    }
}
