//! What the marks say of each pack.

use super::PruneOptions;
use super::listing::ListedRun;
use super::mark::Marks;
use crate::format::ids::{Kind, PackName, RunName};
use crate::index::{Answer, IndexSet, PackRecord, Record, Records, Row, RowPlace, RunReader, Section, SegmentRecord};
use crate::locate::Locator;
use crate::protocol::{PackFacts, PackId};
use backup_core::{Error, ErrorKind, Result};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A pack is small below this share of the length at which packs are closed.
const SMALL_SHARE: u64 = 8;
/// So many small packs of one kind are worth being made one.
const MANY_SMALL: usize = 16;
/// So many runs of one kind are worth being made one.
const MANY_RUNS: usize = 8;

/// What a run says of one pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    pub(super) kind: Kind,
    pub(super) domain: u32,
    /// Plain bytes in all segments.
    plain: u64,
    /// Plain bytes that rewriting would free: whole segments, and the dead part of those that are mostly dead.
    reclaimable: u64,
    is_live: bool,
    is_needed: bool,
}

/// A run and the packs it lists.
pub(super) struct RunFacts {
    pub(super) name: RunName,
    pub(super) packs: Vec<PackId>,
}

/// Reads what a run says, fetching what is not here.
pub(super) async fn next<R: Record>(locator: &Locator, records: &mut Records<'_, R>) -> Result<Option<R>> {
    loop {
        match records.next()? {
            Answer::Known(record) => return Ok(record),
            Answer::Needs(needs) => locator.bring(&needs).await?,
        }
    }
}

/// The packs that each run of a set lists.
pub(super) async fn packs_of(locator: &Locator) -> Result<Vec<RunFacts>> {
    let index = locator.index();
    let mut facts = Vec::new();
    for (place, run) in index.runs().iter().enumerate() {
        let mut packs = Vec::new();
        let mut records = index.packs(place);
        while let Some(pack) = next(locator, &mut records).await? {
            packs.push(pack.name.into());
        }
        facts.push(RunFacts { name: run.name(), packs });
    }
    Ok(facts)
}

/// Adds what all runs of a domain together say of each pack.
pub(super) async fn sums(locator: &Locator, marks: &Marks, sums: &mut HashMap<PackName, Sum>) -> Result<()> {
    let index = locator.index();
    for (place, run) in index.runs().iter().enumerate() {
        let segments = segments(locator, &index, place, marks).await?;
        let mut packs = index.packs(place);
        let mut own: Vec<PackName> = Vec::new();
        while let Some(PackRecord { name, kind, .. }) = next(locator, &mut packs).await? {
            own.push(name);
            let blank = Sum { kind, domain: run.domain(), plain: 0, reclaimable: 0, is_live: false, is_needed: false };
            sums.entry(name).or_insert(blank);
        }
        for segment in segments {
            let Some(sum) = own.get(segment.pack as usize).and_then(|pack| sums.get_mut(pack)) else { continue };
            let (plain, live) = (u64::from(segment.plain), u64::from(segment.live));
            sum.plain += plain;
            sum.reclaimable += if live * 2 >= plain { 0 } else { plain - live };
            sum.is_live |= segment.is_live;
            sum.is_needed |= segment.is_needed;
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct SegmentSum {
    pack: u32,
    plain: u32,
    live: u32,
    is_live: bool,
    is_needed: bool,
}

async fn segments(locator: &Locator, index: &IndexSet, place: usize, marks: &Marks) -> Result<Vec<SegmentSum>> {
    let mut sums = Vec::new();
    let mut segments = index.records::<SegmentRecord>(place);
    while let Some(segment) = next(locator, &mut segments).await? {
        let SegmentRecord { pack, plain_len: plain, .. } = segment;
        sums.push(SegmentSum { pack, plain, live: 0, is_live: false, is_needed: false });
    }
    let mut rows = index.records::<Row>(place);
    let mut at = RowPlace { run: place as u32, row: 0 };
    while let Some(row) = next(locator, &mut rows).await? {
        let impossible = || Error::new(ErrorKind::Damaged, "a row of an index run is in no segment");
        let sum = sums.get_mut(row.segment as usize).ok_or_else(impossible)?;
        if marks.is_live(at) {
            // The empty chunk is live, too.
            sum.is_live = true;
            sum.live = sum.live.saturating_add(row.length);
        }
        sum.is_needed |= marks.is_needed(at);
        at.row += 1;
    }
    Ok(sums)
}

/// What the machine is told of every listed pack.
pub(super) fn pack_facts(
    packs: &HashMap<PackName, u64>,
    sums: &HashMap<PackName, Sum>,
    options: &PruneOptions,
    pack_len: u64,
) -> Vec<PackFacts<crate::format::ids::SessionId>> {
    let rewritten = worth_rewriting(packs, sums, options, pack_len);
    let fact = |pack: &PackName| {
        let sum = sums.get(pack);
        PackFacts {
            pack: (*pack).into(),
            is_live: sum.is_some_and(|sum| sum.is_live),
            is_needed: sum.is_some_and(|sum| sum.is_needed),
            is_repack_wanted: rewritten.contains(pack),
        }
    };
    packs.keys().map(fact).collect()
}

/// The packs that would free much if they were rewritten, and small ones of which there are many.
fn worth_rewriting(
    packs: &HashMap<PackName, u64>,
    sums: &HashMap<PackName, Sum>,
    options: &PruneOptions,
    pack_len: u64,
) -> HashSet<PackName> {
    let mut chosen = HashSet::new();
    let mut small: BTreeMap<(u32, u8), Vec<PackName>> = BTreeMap::new();
    for (pack, length) in packs {
        let Some(sum) = sums.get(pack).filter(|sum| sum.is_live) else { continue };
        if sum.reclaimable * 100 > sum.plain * u64::from(options.max_unused_percent) {
            chosen.insert(*pack);
        } else if *length < pack_len / SMALL_SHARE {
            small.entry((sum.domain, sum.kind.to_byte())).or_default().push(*pack);
        }
    }
    chosen.extend(small.into_values().filter(|small| small.len() >= MANY_SMALL).flatten());
    chosen
}

/// The runs that are worth being merged: where there are many of a domain and kind, those that are not full; and those
/// that another replaces, with it.
pub(super) fn worth_merging(runs: &[Arc<RunReader>], max_rows: u32) -> HashSet<RunName> {
    let mut shelves: BTreeMap<(u32, u8), Vec<&RunReader>> = BTreeMap::new();
    for run in runs {
        shelves.entry((run.domain(), run.kind().to_byte())).or_default().push(run);
    }
    let mut chosen = HashSet::new();
    for runs in shelves.into_values() {
        let open = runs.iter().filter(|run| run.layout().count(Section::Rows) < max_rows / 2);
        if open.clone().count() > MANY_RUNS {
            chosen.extend(open.map(|run| run.name()));
        }
        let replaced: HashSet<RunName> = runs.iter().flat_map(|run| run.replaces().iter().copied()).collect();
        for run in runs.iter().filter(|run| replaced.contains(&run.name())) {
            chosen.insert(run.name());
            chosen.extend(runs.iter().filter(|other| other.replaces().contains(&run.name())).map(|other| other.name()));
        }
    }
    chosen
}

/// The listed runs that take no part in the mark.
pub(super) fn split(runs: &[ListedRun], is_of_use: &dyn Fn(RunName) -> bool) -> (Vec<ListedRun>, Vec<ListedRun>) {
    runs.iter().cloned().partition(|run| is_of_use(run.name))
}
