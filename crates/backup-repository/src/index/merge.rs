use super::bits::Bits;
use super::reader::{Fault, Paged, RunReader};
use super::record::{PackRecord, Row, SegmentRecord};
use super::scan::{Scan, answer};
use super::set::{Answer, IndexSet};
use crate::format::ids::{ChunkId, PackName};
use backup_core::{Error, ErrorKind, Result};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Copies of one chunk that are compared with each other to find rows that say the same. More are all kept.
const MAX_COMPARED: usize = 64;

/// A row on its way through a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MergeRow {
    pub(crate) row: Row,
    /// The run, by its place in [`IndexSet::runs`].
    pub(crate) run: u32,
    /// Which of the run's rows, from 0.
    pub(crate) number: u32,
}

/// The rows of several runs in the order of ids, those that say the same only once.
pub(crate) struct Merge {
    set: Arc<IndexSet>,
    inputs: Vec<Input>,
    /// The next row of each run.
    heads: BinaryHeap<Reverse<MergeRow>>,
    /// The run whose next row must come before the merge can go on.
    advance: Vec<u32>,
    /// The rows given so far that have the id of the last.
    same: Vec<MergeRow>,
}

struct Input {
    rows: Scan<Row>,
    number: u32,
    last: Option<ChunkId>,
}

impl Merge {
    /// # Errors
    /// `InvalidInput` when the runs are not all of one kind.
    pub(crate) fn new(set: Arc<IndexSet>) -> Result<Self> {
        let runs = set.runs();
        if runs.windows(2).any(|pair| matches!(pair, [a, b] if a.kind() != b.kind())) {
            return Err(Error::new(ErrorKind::InvalidInput, "index runs of different kinds cannot be merged"));
        }
        let inputs = runs.iter().map(|_| Input { rows: Scan::new(), number: 0, last: None }).collect();
        let advance = (0..runs.len() as u32).collect();
        Ok(Merge { inputs, advance, set, heads: BinaryHeap::new(), same: Vec::new() })
    }

    /// The set whose runs are merged.
    pub(crate) fn set(&self) -> &Arc<IndexSet> {
        &self.set
    }

    /// The next row; none after the last. After `Needs` the same call goes on where it stopped.
    ///
    /// # Errors
    /// `Damaged` when a run contradicts itself.
    pub(crate) fn next(&mut self) -> Result<Answer<Option<MergeRow>>> {
        loop {
            while let Some(run) = self.advance.last().copied() {
                match self.next_of(run)? {
                    Answer::Known(row) => {
                        self.heads.extend(row.map(Reverse));
                        self.advance.pop();
                    }
                    Answer::Needs(needs) => return Ok(Answer::Needs(needs)),
                }
            }
            let Some(Reverse(row)) = self.heads.peek().copied() else { return Ok(Answer::Known(None)) };
            let is_new = match self.is_new(&row)? {
                Answer::Known(is_new) => is_new,
                Answer::Needs(needs) => return Ok(Answer::Needs(needs)),
            };
            self.heads.pop();
            self.advance.push(row.run);
            if is_new {
                self.same.push(row);
                return Ok(Answer::Known(Some(row)));
            }
        }
    }

    /// Segment and pack of a row.
    #[cfg(test)]
    pub(crate) fn resolve(&self, row: &MergeRow) -> Result<Answer<(SegmentRecord, PackRecord)>> {
        resolve(&self.set, row)
    }

    fn next_of(&mut self, place: u32) -> Result<Answer<Option<MergeRow>>> {
        let (Some(input), Some(run)) = (self.inputs.get_mut(place as usize), self.set.runs().get(place as usize))
        else {
            return Ok(Answer::Known(None));
        };
        match answer(place, run, input.rows.next(run))? {
            Answer::Needs(needs) => Ok(Answer::Needs(needs)),
            Answer::Known(None) => Ok(Answer::Known(None)),
            Answer::Known(Some(row)) => {
                if input.last.is_some_and(|last| last > row.id) || !run.covers(&row.id) {
                    return Err(Error::new(ErrorKind::Damaged, "the rows of an index run are out of order")
                        .context("run", run.name())
                        .context("row", input.number));
                }
                let number = input.number;
                input.number += 1;
                input.last = Some(row.id);
                Ok(Answer::Known(Some(MergeRow { row, run: place, number })))
            }
        }
    }

    /// Whether no row that was given says the same: one chunk's place in a pack may be in an old run and in one that
    /// was merged from it.
    fn is_new(&mut self, row: &MergeRow) -> Result<Answer<bool>> {
        if self.same.last().is_none_or(|last| last.row.id != row.row.id) {
            self.same.clear();
            return Ok(Answer::Known(true));
        }
        let (segment, pack) = match resolve(&self.set, row)? {
            Answer::Known((segment, pack)) => (SegmentRecord { pack: 0, ..segment }, pack),
            Answer::Needs(needs) => return Ok(Answer::Needs(needs)),
        };
        for other in self.same.iter().rev().take(MAX_COMPARED) {
            match resolve(&self.set, other)? {
                Answer::Known((other_segment, other_pack)) => {
                    // Of two that differ in anything one is wrong; which, is found out by who reads.
                    let same = other_pack == pack && SegmentRecord { pack: 0, ..other_segment } == segment;
                    if same && (other.row.offset, other.row.length) == (row.row.offset, row.row.length) {
                        return Ok(Answer::Known(false));
                    }
                }
                Answer::Needs(needs) => return Ok(Answer::Needs(needs)),
            }
        }
        Ok(Answer::Known(true))
    }
}

fn resolve(set: &IndexSet, row: &MergeRow) -> Result<Answer<(SegmentRecord, PackRecord)>> {
    let run = set.runs().get(row.run as usize);
    let run = run.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a row belongs to no open index run"))?;
    answer(row.run, run, run.resolve(&row.row))
}

/// Which segments of each run belong to packs that a merge leaves out: a bit a segment, so that no row of them needs
/// to be resolved.
pub(super) struct LeftOut {
    bits: Vec<Bits>,
    /// Packs, then segments of the run that is being read.
    packs: Option<(Scan<PackRecord>, Bits, u32)>,
    segments: Option<(Scan<SegmentRecord>, Bits, u32)>,
}

impl LeftOut {
    pub(super) fn new() -> Self {
        LeftOut { bits: Vec::new(), packs: None, segments: None }
    }

    pub(super) fn contains(&self, run: u32, segment: u32) -> bool {
        self.bits.get(run as usize).is_some_and(|bits| bits.is_set(segment))
    }

    /// Reads the tables of all runs.
    pub(super) fn read(&mut self, set: &IndexSet, leave_out: &dyn Fn(&PackName) -> bool) -> Result<Answer<()>> {
        while let Some(run) = set.runs().get(self.bits.len()) {
            match answer(self.bits.len() as u32, run, self.read_run(run, leave_out))? {
                Answer::Known(bits) => self.bits.push(bits),
                Answer::Needs(needs) => return Ok(Answer::Needs(needs)),
            }
        }
        Ok(Answer::Known(()))
    }

    fn read_run(&mut self, run: &RunReader, leave_out: &dyn Fn(&PackName) -> bool) -> Paged<Bits> {
        use super::layout::Section;
        let new_packs = || (Scan::new(), Bits::new(run.layout().count(Section::Packs)), 0);
        let (scan, packs, number) = self.packs.get_or_insert_with(new_packs);
        while let Some(pack) = scan.next(run)? {
            if leave_out(&pack.name) {
                packs.set(*number);
            }
            *number += 1;
        }
        let new_segments = || (Scan::new(), Bits::new(run.layout().count(Section::Segments)), 0);
        let (scan, segments, number) = self.segments.get_or_insert_with(new_segments);
        while let Some(segment) = scan.next(run)? {
            if packs.is_set(segment.pack) {
                segments.set(*number);
            }
            *number += 1;
        }
        self.packs = None;
        let (_, bits, _) = self.segments.take().ok_or_else(|| {
            Fault::Damaged(Error::new(ErrorKind::Internal, "an index run's segments were read twice"))
        })?;
        Ok(bits)
    }
}
