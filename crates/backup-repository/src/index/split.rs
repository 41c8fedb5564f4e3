use super::bits::Bits;
use super::layout::Section;
use super::merge::{LeftOut, Merge, MergeRow};
use super::reader::{Paged, RunReader};
use super::record::{PackRecord, Record, Row, SegmentRecord};
use super::scan::{Scan, answer};
use super::set::{Answer, IndexSet};
use super::source::{MAX_ROWS, RunSource, Totals};
use crate::format::ids::{ChunkId, PackName};
use backup_core::{Error, ErrorKind, Result};
use hashbrown::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A row in the spool: as in a run, and the run that it came from.
const SPOOLED_ROW: usize = 34;

/// Makes new runs of old ones: merges their rows, leaves some out, and cuts the rest by id range.
///
/// Rows, segments and packs of the run in the making lie in nameless files in the spool folder. In memory are two bits
/// a segment of the old runs, and the names of the new run's packs.
pub(crate) struct Merger {
    merge: Merge,
    spool: PathBuf,
    max_rows: u64,
    left_out: LeftOut,
    stage: Stage,
}

enum Stage {
    Rows(Option<Rows>),
    Tables(Tables),
    /// An error or a defect ended it.
    Over,
}

struct Rows {
    file: Spool<Row>,
    used: Vec<Bits>,
    first: Option<ChunkId>,
    last: ChunkId,
}

struct Tables {
    rows: Rows,
    segments: Spool<SegmentRecord>,
    packs: Spool<PackRecord>,
    new_packs: HashMap<PackName, u32>,
    /// The run whose segments are being taken over.
    run: usize,
    scan: Scan<SegmentRecord>,
    number: u32,
    /// A segment that was read and waits for its pack.
    waiting: Option<SegmentRecord>,
    /// Numbers of the current run's packs in the new run.
    pack_numbers: HashMap<u32, u32>,
}

impl Merger {
    /// # Errors
    /// `InvalidInput` when the runs are not all of one kind.
    pub(crate) fn new(set: Arc<IndexSet>, spool: &Path) -> Result<Self> {
        Merger::with_max_rows(set, spool, MAX_ROWS as u64)
    }

    pub(super) fn with_max_rows(set: Arc<IndexSet>, spool: &Path, max_rows: u64) -> Result<Self> {
        let merge = Merge::new(set)?;
        let (left_out, stage) = (LeftOut::new(), Stage::Rows(None));
        Ok(Merger { merge, spool: spool.to_owned(), max_rows, left_out, stage })
    }

    /// The rows of the next new run; none after the last. After `Needs` the same call goes on where it stopped.
    ///
    /// Rows in packs that `leave_out` names are left out, and those of which `keep` says no.
    ///
    /// # Errors
    /// `Damaged` when a run contradicts itself; `NoSpace` or `Io` of the spool.
    pub(crate) fn next(
        &mut self,
        leave_out: &dyn Fn(&PackName) -> bool,
        keep: &mut dyn FnMut(&MergeRow) -> bool,
    ) -> Result<Answer<Option<MergedRun>>> {
        let set = self.merge.set().clone();
        if let Answer::Needs(needs) = self.left_out.read(&set, leave_out)? {
            return Ok(Answer::Needs(needs));
        }
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Over => {
                    return Err(Error::new(ErrorKind::Internal, "a merge of index runs goes on after an error"));
                }
                Stage::Rows(rows) => {
                    let mut rows = match rows {
                        Some(rows) => rows,
                        None => Rows::new(&self.spool, &set)?,
                    };
                    let needs = self.take_rows(&mut rows, keep)?;
                    if let Some(needs) = needs {
                        self.stage = Stage::Rows(Some(rows));
                        return Ok(Answer::Needs(needs));
                    }
                    if rows.file.count == 0 {
                        self.stage = Stage::Rows(Some(rows));
                        return Ok(Answer::Known(None));
                    }
                    self.stage = Stage::Tables(Tables::new(&self.spool, rows)?);
                }
                Stage::Tables(mut tables) => {
                    if let Answer::Needs(needs) = tables.read(&set)? {
                        self.stage = Stage::Tables(tables);
                        return Ok(Answer::Needs(needs));
                    }
                    self.stage = Stage::Rows(None);
                    return Ok(Answer::Known(Some(MergedRun::new(tables)?)));
                }
            }
        }
    }

    fn take_rows(
        &mut self,
        rows: &mut Rows,
        keep: &mut dyn FnMut(&MergeRow) -> bool,
    ) -> Result<Option<Vec<super::set::Need>>> {
        while rows.file.count < self.max_rows {
            match self.merge.next()? {
                Answer::Needs(needs) => return Ok(Some(needs)),
                Answer::Known(None) => break,
                Answer::Known(Some(row)) if self.left_out.contains(row.run, row.row.segment) || !keep(&row) => {}
                Answer::Known(Some(row)) => rows.add(&row)?,
            }
        }
        Ok(None)
    }
}

impl Rows {
    fn new(spool: &Path, set: &IndexSet) -> Result<Self> {
        let used = set.runs().iter().map(|run| Bits::new(run.layout().count(Section::Segments))).collect();
        Ok(Rows { file: Spool::new(spool)?, used, first: None, last: ChunkId([0; 20]) })
    }

    fn add(&mut self, row: &MergeRow) -> Result<()> {
        self.used.get_mut(row.run as usize).ok_or_else(defect)?.set(row.row.segment);
        self.first.get_or_insert(row.row.id);
        self.last = row.row.id;
        self.file.put(&row.row, &row.run.to_le_bytes())
    }
}

impl Tables {
    fn new(spool: &Path, rows: Rows) -> Result<Self> {
        Ok(Tables {
            rows,
            segments: Spool::new(spool)?,
            packs: Spool::new(spool)?,
            new_packs: HashMap::new(),
            run: 0,
            scan: Scan::new(),
            number: 0,
            waiting: None,
            pack_numbers: HashMap::new(),
        })
    }

    /// Takes over the segments in use, and their packs.
    fn read(&mut self, set: &IndexSet) -> Result<Answer<()>> {
        while let Some(run) = set.runs().get(self.run) {
            if let Answer::Needs(needs) = answer(self.run as u32, run, self.read_run(run))? {
                return Ok(Answer::Needs(needs));
            }
            (self.scan, self.number) = (Scan::new(), 0);
            self.pack_numbers.clear();
            self.run += 1;
        }
        Ok(Answer::Known(()))
    }

    fn read_run(&mut self, run: &RunReader) -> Paged<()> {
        loop {
            let segment = match self.waiting {
                Some(segment) => segment,
                None => match self.scan.next(run)? {
                    Some(segment) => segment,
                    None => return Ok(()),
                },
            };
            if self.rows.used.get(self.run).is_some_and(|used| used.is_set(self.number)) {
                self.waiting = Some(segment);
                let pack = self.new_pack(run, segment.pack)?;
                self.segments.put(&SegmentRecord { pack, ..segment }, &[])?;
            }
            self.waiting = None;
            self.number += 1;
        }
    }

    fn new_pack(&mut self, run: &RunReader, old: u32) -> Paged<u32> {
        if let Some(new) = self.pack_numbers.get(&old) {
            return Ok(*new);
        }
        let pack: PackRecord = run.record(old)?;
        let new = match self.new_packs.get(&pack.name) {
            Some(new) => *new,
            None => {
                let new = self.packs.count as u32;
                self.packs.put(&pack, &[])?;
                self.new_packs.insert(pack.name, new);
                new
            }
        };
        self.pack_numbers.insert(old, new);
        Ok(new)
    }
}

/// Records in a nameless file.
struct Spool<R> {
    file: BufWriter<File>,
    count: u64,
    bytes: Vec<u8>,
    kind: std::marker::PhantomData<R>,
}

fn spool_failed(e: std::io::Error) -> Error {
    Error::io("the rows of a new index run cannot be kept in a temporary file", e)
}

fn defect() -> Error {
    Error::new(ErrorKind::Internal, "a merge of index runs lost count")
}

impl<R: Record> Spool<R> {
    fn new(folder: &Path) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 16, tempfile::tempfile_in(folder).map_err(spool_failed)?);
        Ok(Spool { file, count: 0, bytes: Vec::new(), kind: std::marker::PhantomData })
    }

    fn put(&mut self, record: &R, rest: &[u8]) -> Result<()> {
        self.bytes.clear();
        record.put(&mut self.bytes)?;
        self.bytes.extend_from_slice(rest);
        self.count += 1;
        self.file.write_all(&self.bytes).map_err(spool_failed)
    }

    fn read(self) -> Result<BufReader<File>> {
        let mut file = self.file.into_inner().map_err(|e| spool_failed(e.into_error()))?;
        file.rewind().map_err(spool_failed)?;
        Ok(BufReader::with_capacity(1 << 16, file))
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
    fn new(tables: Tables) -> Result<Self> {
        let Tables { rows, segments, packs, .. } = tables;
        let first = rows.first.ok_or_else(defect)?;
        let totals =
            Totals { rows: rows.file.count, segments: segments.count, packs: packs.count, first, last: rows.last };
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

/// The next item of a spool; none at its end.
fn take<const N: usize>(file: &mut BufReader<File>) -> Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    if file.fill_buf().map_err(spool_failed)?.is_empty() {
        return Ok(None);
    }
    file.read_exact(&mut bytes).map_err(spool_failed)?;
    Ok(Some(bytes))
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
