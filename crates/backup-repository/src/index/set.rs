use super::reader::{Fault, Paged, RunReader};
use super::record::{PackRecord, Row, SegmentRecord};
use super::search::Location;
use crate::format::ids::{ChunkId, Kind, PackName, RunName};
use backup_core::{Error, ErrorKind, Result};
use std::ops::Range;
use std::sync::Arc;

/// A block that a lookup lacks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Need {
    /// The object to read from.
    pub(crate) run: RunName,
    /// The bytes to read: the sealed block.
    pub(crate) range: Range<u64>,
    place: u32,
    block: u32,
    page: u32,
}

/// What a lookup says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    Known(T),
    /// Read these, hand each to [`IndexSet::provide`], and ask again. Never empty.
    Needs(Vec<Need>),
}

/// The open runs. Lookups go on in any number of threads.
pub(crate) struct IndexSet {
    runs: Vec<Arc<RunReader>>,
    data: Shelf,
    metadata: Shelf,
}

/// Runs of one kind, by the first bytes of the ids that they cover.
struct Shelf {
    /// Runs over much of all ids.
    wide: Vec<u32>,
    narrow: Vec<Vec<u32>>,
}

impl Shelf {
    fn new(runs: &[Arc<RunReader>], kind: Kind) -> Self {
        let mut shelf = Shelf { wide: Vec::new(), narrow: vec![Vec::new(); 256] };
        for (place, run) in (0..).zip(runs).filter(|(_, run)| run.kind() == kind) {
            let (first, last) = run.ids();
            let (ChunkId([from, ..]), ChunkId([to, ..])) = (first, last);
            if to - from > 64 {
                shelf.wide.push(place);
            } else {
                shelf.narrow.iter_mut().take(usize::from(to) + 1).skip(usize::from(from)).for_each(|n| n.push(place));
            }
        }
        shelf
    }

    /// Runs that may cover an id.
    fn places(&self, id: &ChunkId) -> impl Iterator<Item = u32> + Clone {
        let ChunkId([first, ..]) = id;
        let narrow = self.narrow.get(usize::from(*first)).map_or(&[][..], Vec::as_slice);
        narrow.iter().chain(&self.wide).copied()
    }
}

impl IndexSet {
    /// The set of these runs. Which runs count (those that no other replaces) is the caller's to say.
    pub(crate) fn new(runs: Vec<Arc<RunReader>>) -> Self {
        let (data, metadata) = (Shelf::new(&runs, Kind::Data), Shelf::new(&runs, Kind::Metadata));
        IndexSet { runs, data, metadata }
    }

    pub(crate) fn runs(&self) -> &[Arc<RunReader>] {
        &self.runs
    }

    fn covering<'a>(&'a self, kind: Kind, id: &'a ChunkId) -> impl Iterator<Item = (u32, &'a RunReader)> + Clone {
        let shelf = match kind {
            Kind::Data => &self.data,
            Kind::Metadata => &self.metadata,
        };
        shelf
            .places(id)
            .filter_map(|place| Some((place, &**self.runs.get(place as usize)?)))
            .filter(|(_, run)| run.covers(id))
    }

    /// Whether a copy of the chunk is in a pack that is not condemned; without `is_condemned`, in any pack.
    ///
    /// A row that contradicts itself counts as none.
    pub(crate) fn contains(
        &self,
        kind: Kind,
        id: &ChunkId,
        is_condemned: Option<&dyn Fn(&PackName) -> bool>,
    ) -> Answer<bool> {
        let mut needs = Vec::new();
        for (place, run) in self.covering(kind, id) {
            match holds(run, id, is_condemned) {
                Ok(true) => return Answer::Known(true),
                Ok(false) | Err(Fault::Damaged(_)) => {}
                Err(Fault::Missing(page)) => needs.extend(need(place, run, page)),
            }
        }
        if needs.is_empty() { Answer::Known(false) } else { Answer::Needs(needs) }
    }

    /// The copies of a chunk, found one after the other.
    pub(crate) fn locate(&self, kind: Kind, id: ChunkId) -> Candidates<'_> {
        let places: Vec<u32> = self.covering(kind, &id).map(|(place, _)| place).collect();
        Candidates { set: self, id, ask_filters: places.len() > 1, places, at: 0, row: Place::Unsought }
    }

    /// Takes a block that was needed.
    ///
    /// # Errors
    /// `Damaged` when it is not the block that was written: the run's object is damaged there.
    pub(crate) fn provide(&self, need: &Need, sealed: Vec<u8>) -> Result<()> {
        let run = self.runs.get(need.place as usize).filter(|run| run.name() == need.run);
        let run = run.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a block belongs to no open index run"))?;
        run.provide(need.block, Some(need.page), sealed)
    }
}

/// What to read so that a page is here.
pub(super) fn need(place: u32, run: &RunReader, page: u32) -> Option<Need> {
    let (block, range) = run.block_of(page)?;
    Some(Need { run: run.name(), range, place, block, page })
}

fn holds(run: &RunReader, id: &ChunkId, is_condemned: Option<&dyn Fn(&PackName) -> bool>) -> Paged<bool> {
    if !run.may_contain(id)? {
        return Ok(false);
    }
    let mut next = run.seek(id)?;
    let Some(is_condemned) = is_condemned else { return Ok(next.is_some()) };
    while let Some(row) = next {
        match pack_of(run, row) {
            Ok(pack) if !is_condemned(&pack) => return Ok(true),
            Err(Fault::Missing(page)) => return Err(Fault::Missing(page)),
            _ => next = run.next_same(row, id)?,
        }
    }
    Ok(false)
}

fn pack_of(run: &RunReader, row: u32) -> Paged<PackName> {
    let row: Row = run.record(row)?;
    let segment: SegmentRecord = run.record(row.segment)?;
    Ok(run.record::<PackRecord>(segment.pack)?.name)
}

/// A row of a set of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowPlace {
    /// The run, by its place in [`IndexSet::runs`].
    pub(crate) run: u32,
    /// Which of the run's rows, from 0.
    pub(crate) row: u32,
}

/// The copies of one chunk, found one after the other.
pub(crate) struct Candidates<'a> {
    set: &'a IndexSet,
    id: ChunkId,
    /// With one run only, its filter would cost as much as looking.
    ask_filters: bool,
    places: Vec<u32>,
    at: usize,
    row: Place,
}

/// How far the search in the current run is.
#[derive(Clone, Copy)]
enum Place {
    Unsought,
    /// This row has the id and was not given yet.
    At(u32),
    /// This row was the last to be given.
    After(u32),
}

impl Candidates<'_> {
    /// The same, but for what these runs say.
    pub(crate) fn without(mut self, runs: &[RunName]) -> Self {
        let set = self.set;
        self.places.retain(|place| set.runs.get(*place as usize).is_some_and(|run| !runs.contains(&run.name())));
        self
    }

    /// The row that the last copy came from.
    pub(crate) fn place(&self) -> Option<RowPlace> {
        match (self.places.get(self.at), self.row) {
            (Some(run), Place::After(row)) => Some(RowPlace { run: *run, row }),
            _ => None,
        }
    }

    /// The next copy; none after the last. After `Needs` the same call goes on where it stopped.
    ///
    /// Copies whose rows contradict themselves are left out; reading a run through reports them.
    pub(crate) fn next(&mut self) -> Answer<Option<Location>> {
        while let Some(place) = self.places.get(self.at).copied()
            && let Some(run) = self.set.runs.get(place as usize)
        {
            match self.next_in(run) {
                Ok(Some(location)) => return Answer::Known(Some(location)),
                Ok(None) | Err(Fault::Damaged(_)) => {
                    self.at += 1;
                    self.row = Place::Unsought;
                }
                Err(Fault::Missing(page)) => return Answer::Needs(need(place, run, page).into_iter().collect()),
            }
        }
        Answer::Known(None)
    }

    fn next_in(&mut self, run: &RunReader) -> Paged<Option<Location>> {
        loop {
            let found = match self.row {
                Place::Unsought if self.ask_filters && !run.may_contain(&self.id)? => None,
                Place::Unsought => run.seek(&self.id)?,
                Place::At(row) => Some(row),
                Place::After(row) => run.next_same(row, &self.id)?,
            };
            let Some(row) = found else { return Ok(None) };
            self.row = Place::At(row);
            match run.record(row).and_then(|row| run.location(&row)) {
                Err(Fault::Damaged(_)) => self.row = Place::After(row),
                Err(missing) => return Err(missing),
                Ok(location) => {
                    self.row = Place::After(row);
                    return Ok(Some(location));
                }
            }
        }
    }
}
