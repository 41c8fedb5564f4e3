//! What the marks say of each pack.

use super::listing::ListedRun;
use super::mark::Marks;
use crate::format::ids::{Kind, PackName, RunName, SessionId};
use crate::index::{IndexSet, PackRecord, Row, RowPlace, RunReader, Section, SegmentRecord};
use crate::locate::{Locator, next};
use crate::protocol::{PackFacts, PackId};
use backup_core::Result;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A pack is small below this share of the length at which packs are closed.
const SMALL_SHARE: u64 = 8;
/// So many small packs of one kind are worth being made one.
const MANY_SMALL: usize = 16;
/// So many runs of one kind are worth being made one.
const MANY_RUNS: usize = 8;

/// A pack, as runs of one domain and kind say: that it is of these is their word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    pub(super) pack: PackName,
    pub(super) domain: u32,
    pub(super) kind: Kind,
}

/// What all runs together say of one pack.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    /// Plain bytes of each segment, by its number, and those of them that are live: no more than the runs have records.
    segments: BTreeMap<u32, (u32, u32)>,
    /// Rows that hold something.
    pub(super) live: u64,
    /// Rows from which something is to be copied, because nothing else has it.
    pub(super) needed: u64,
}

impl Sum {
    fn add(&mut self, segment: &SegmentSum) {
        self.live += u64::from(segment.live_rows);
        self.needed += u64::from(segment.needed_rows);
        let (plain, live) = self.segments.entry(segment.number).or_default();
        *plain = segment.plain.max(*plain);
        // A chunk is live in one row only, whatever runs list it.
        *live = live.saturating_add(segment.live);
    }

    /// Plain bytes in all, and those that rewriting would free: whole segments, and the dead part of those that are
    /// mostly dead.
    fn reclaimable(&self) -> (u64, u64) {
        self.segments.values().fold((0, 0), |(all, free), (plain, live)| {
            let (plain, live) = (u64::from(*plain), u64::from(*live).min(u64::from(*plain)));
            (all + plain, free + if live * 2 >= plain { 0 } else { plain - live })
        })
    }
}

pub(super) type Sums = HashMap<Claim, Sum>;

/// A run and the packs it lists.
pub(super) struct RunFacts {
    pub(super) name: RunName,
    pub(super) packs: Vec<PackId>,
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

/// Reads what a run says of packs and segments.
///
/// # Errors
/// `Damaged`, `Unsupported` where it says what cannot be; what the storage said.
pub(super) async fn read_through(locator: &Locator) -> Result<()> {
    let index = locator.index();
    for place in 0..index.runs().len() {
        let (mut packs, mut segments) = (index.packs(place), index.records::<SegmentRecord>(place));
        while next(locator, &mut packs).await?.is_some() {}
        while next(locator, &mut segments).await?.is_some() {}
    }
    Ok(())
}

/// Adds what all runs of a domain say of each pack. Several may list the same one, whole or in parts.
pub(super) async fn sums(locator: &Locator, marks: &Marks, sums: &mut Sums) -> Result<()> {
    let index = locator.index();
    for (place, run) in index.runs().iter().enumerate() {
        let mut own: Vec<Claim> = Vec::new();
        let mut packs = index.packs(place);
        while let Some(PackRecord { name, .. }) = next(locator, &mut packs).await? {
            let claim = Claim { pack: name, domain: run.domain(), kind: run.kind() };
            sums.entry(claim).or_default();
            own.push(claim);
        }
        for segment in segments(locator, &index, place, marks).await? {
            if let Some(sum) = own.get(segment.pack as usize).and_then(|claim| sums.get_mut(claim)) {
                sum.add(&segment);
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct SegmentSum {
    pack: u32,
    number: u32,
    plain: u32,
    live: u32,
    live_rows: u32,
    needed_rows: u32,
}

async fn segments(locator: &Locator, index: &IndexSet, place: usize, marks: &Marks) -> Result<Vec<SegmentSum>> {
    let mut sums = Vec::new();
    let mut segments = index.records::<SegmentRecord>(place);
    while let Some(segment) = next(locator, &mut segments).await? {
        let SegmentRecord { pack, number, plain_len: plain, .. } = segment;
        sums.push(SegmentSum { pack, number, plain, live: 0, live_rows: 0, needed_rows: 0 });
    }
    let mut rows = index.records::<Row>(place);
    let mut at = RowPlace { run: place as u32, row: 0 };
    while let Some(row) = next(locator, &mut rows).await? {
        // A row in no segment holds nothing, and was not marked.
        if let Some(sum) = sums.get_mut(row.segment as usize) {
            if marks.is_live(at) {
                sum.live_rows += 1;
                sum.live = sum.live.saturating_add(row.length);
            }
            sum.needed_rows += u32::from(marks.is_needed(at));
        }
        at.row += 1;
    }
    Ok(sums)
}

/// What the machine is told of every listed pack, and of how many nothing is said though they are worth rewriting, for want
/// of room.
pub(super) fn pack_facts(
    packs: &HashMap<PackName, u64>,
    sums: &Sums,
    terms: &Terms<'_>,
) -> (Vec<PackFacts<SessionId>>, u64) {
    let mut facts: HashMap<PackName, PackFacts<SessionId>> = packs
        .keys()
        .map(|pack| {
            let blank = PackFacts { pack: (*pack).into(), is_live: false, is_needed: false, is_repack_wanted: false };
            (*pack, blank)
        })
        .collect();
    let (rewritten, later) = worth_rewriting(packs, sums, terms);
    for (claim, sum) in sums {
        if let Some(fact) = facts.get_mut(&claim.pack) {
            fact.is_live |= sum.live > 0;
            fact.is_needed |= sum.needed > 0;
            fact.is_repack_wanted = rewritten.contains(&claim.pack);
        }
    }
    (facts.into_values().collect(), later)
}

/// Which packs are rewritten.
pub(super) struct Terms<'a> {
    /// The share that must be unused, in percent.
    pub(super) max_unused_percent: u8,
    /// The length at which packs are closed, in bytes.
    pub(super) pack_len: u64,
    /// So many bytes may be copied. One pack at least is, unless this is 0.
    pub(super) room: u64,
    /// Whether a pack may be rewritten now.
    pub(super) may_be_rewritten: &'a dyn Fn(&PackName) -> bool,
}

/// A pack that is worth rewriting.
struct Candidate {
    pack: PackName,
    /// Plain bytes in all, and those that stay.
    plain: u64,
    live: u64,
    /// What is copied, in bytes as they are stored: a guess that is rather too high.
    copied: u64,
}

/// The packs that would free much if they were rewritten, and small ones of which there are many: as many as there is room
/// for, and how many more there are.
fn worth_rewriting(packs: &HashMap<PackName, u64>, sums: &Sums, terms: &Terms<'_>) -> (HashSet<PackName>, u64) {
    let mut sparse = Vec::new();
    let mut small: BTreeMap<(u32, u8), Vec<Candidate>> = BTreeMap::new();
    for (claim, sum) in sums.iter().filter(|(_, sum)| sum.live > 0) {
        let Some(length) = packs.get(&claim.pack).filter(|_| (terms.may_be_rewritten)(&claim.pack)) else { continue };
        let (plain, free) = sum.reclaimable();
        let live = plain - free;
        let candidate = Candidate { pack: claim.pack, plain, live, copied: live.min(*length) };
        if free * 100 > plain * u64::from(terms.max_unused_percent) {
            sparse.push(candidate);
        } else if *length < terms.pack_len / SMALL_SHARE {
            small.entry((claim.domain, claim.kind.to_byte())).or_default().push(candidate);
        }
    }
    // What frees most for what it costs comes first.
    let share = |a: &Candidate, b: &Candidate| u128::from(a.live) * u128::from(b.plain);
    sparse.sort_by(|a, b| share(a, b).cmp(&share(b, a)).then(a.pack.cmp(&b.pack)));
    let (mut chosen, mut later, mut room) = (HashSet::new(), 0, terms.room);
    for candidate in sparse {
        if candidate.copied <= room || chosen.is_empty() && room > 0 {
            room = room.saturating_sub(candidate.copied);
            chosen.insert(candidate.pack);
        } else {
            later += u64::from(!chosen.contains(&candidate.pack));
        }
    }
    for mut shelf in small.into_values().filter(|shelf| shelf.len() >= MANY_SMALL) {
        shelf.sort_by_key(|candidate| candidate.pack);
        let fits = |candidate: &Candidate| {
            let left = room.checked_sub(candidate.copied);
            room = left.unwrap_or(room);
            left.is_some()
        };
        let (some, rest): (Vec<_>, Vec<_>) = shelf.into_iter().partition(fits);
        // A few of them would become as many again.
        let is_worth_it = some.len() >= MANY_SMALL;
        later += (rest.len() + if is_worth_it { 0 } else { some.len() }) as u64;
        chosen.extend(some.into_iter().filter(|_| is_worth_it).map(|candidate| candidate.pack));
    }
    (chosen, later)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_pack_is_bounded_by_what_is_said_of_it() {
        let mut sum = Sum::default();
        let segment = SegmentSum { pack: 0, number: 0, plain: 1000, live: 100, live_rows: 1, needed_rows: 0 };
        // The same one, as two runs say; and one that no pack has.
        for number in [0, 0, 65_535, u32::MAX] {
            sum.add(&SegmentSum { number, ..segment });
        }
        assert_eq!(sum.segments.len(), 3);
        assert_eq!((sum.live, sum.reclaimable()), (4, (3000, 3000 - 400)));
    }
}
