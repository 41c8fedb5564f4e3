use super::merge::{LeftOut, Merge, MergeRow};
use super::reader::{Paged, RunReader};
use super::record::{PackRecord, SegmentRecord};
use super::scan::{Scan, answer};
use super::set::{Answer, IndexSet, Need};
use super::spool::{MergedRun, Spool, SpooledRows};
use crate::crypto::WrappedKey;
use crate::format::ids::PackName;
use backup_core::{Error, ErrorKind, Result};
use hashbrown::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
enum Stage {
    Rows(Option<SpooledRows>),
    Tables(Tables),
    /// An error or a defect ended it.
    Over,
}

struct Tables {
    rows: SpooledRows,
    segments: Spool,
    packs: Spool,
    new_packs: HashMap<(PackName, [u8; 32], WrappedKey), u32>,
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
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn new(set: Arc<IndexSet>, spool: &Path) -> Result<Self> {
        Merger::with_max_rows(set, spool, super::source::MAX_ROWS as u64)
    }

    /// # Errors
    /// `InvalidInput` when the runs are not all of one kind.
    pub(crate) fn with_max_rows(set: Arc<IndexSet>, spool: &Path, max_rows: u64) -> Result<Self> {
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
                        None => SpooledRows::new(&self.spool, &set)?,
                    };
                    if let Some(needs) = self.take_rows(&mut rows, keep)? {
                        self.stage = Stage::Rows(Some(rows));
                        return Ok(Answer::Needs(needs));
                    }
                    if rows.count() == 0 {
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
                    return Ok(Answer::Known(Some(MergedRun::new(tables.rows, tables.segments, tables.packs)?)));
                }
            }
        }
    }

    fn take_rows(
        &mut self,
        rows: &mut SpooledRows,
        keep: &mut dyn FnMut(&MergeRow) -> bool,
    ) -> Result<Option<Vec<Need>>> {
        while rows.count() < self.max_rows {
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

impl Tables {
    fn new(spool: &Path, rows: SpooledRows) -> Result<Self> {
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
            if self.rows.is_used(self.run, self.number) {
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
        // Records of one pack that differ stay apart: one of them is wrong, and who reads finds out which.
        let key = (pack.name, pack.hash, pack.wrapped);
        let new = match self.new_packs.get(&key) {
            Some(new) => *new,
            None => {
                let new = self.packs.count() as u32;
                self.packs.put(&pack, &[])?;
                self.new_packs.insert(key, new);
                new
            }
        };
        self.pack_numbers.insert(old, new);
        Ok(new)
    }
}
