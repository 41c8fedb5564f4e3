use super::super::names::{PackId, RunId, SessionName};
use super::super::object::Record;
use super::view::View;
use std::collections::{BTreeSet, HashMap};

/// What became of choosing a row for a referenced chunk, by the row's place among those offered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Holder {
    /// This row holds it: its pack is live.
    Keep(usize),
    /// Every pack that has it is condemned: it is to be copied from this one.
    Rescue(usize),
    /// No row names a pack that is there. Prune must not go on.
    Lost,
}

/// Chooses what holds a referenced chunk among its rows, the preferred first: how each row's pack stands
/// ([`super::Prune::standing`]), and whether the listing of packs showed it. The caller has opened and hashed the chunk
/// that it prefers when others hold copies that may go in its favour.
pub fn choose_holder(rows: impl IntoIterator<Item = (Standing, bool)>) -> Holder {
    let mut rescue = Holder::Lost;
    for (place, (standing, is_there)) in rows.into_iter().enumerate() {
        match (standing, is_there) {
            (_, false) => {}
            (Standing::Sound, true) => return Holder::Keep(place),
            (Standing::Condemned, true) if rescue == Holder::Lost => rescue = Holder::Rescue(place),
            (Standing::Condemned, true) => {}
        }
    }
    rescue
}

pub use super::view::Standing;

/// What the mark found of one pack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PackFacts<S> {
    /// The pack.
    pub pack: PackId<S>,
    /// Whether it holds a referenced chunk ([`Holder::Keep`]).
    pub is_live: bool,
    /// Whether it has a referenced chunk that every holder of is condemned ([`Holder::Rescue`]).
    pub is_needed: bool,
    /// Whether the caller would rather copy its live chunks than keep it.
    pub is_repack_wanted: bool,
}

/// What a pass has to know of the listed runs and packs. Fed one by one: it keeps exceptions only.
#[derive(Debug)]
pub struct Survey<'a, S> {
    view: &'a View<S>,
    /// The records that name a pack.
    named_by: HashMap<PackId<S>, Vec<&'a Record<S>>>,
    findings: Findings<S>,
}

/// What a survey keeps for [`super::Prune::surveyed`].
#[derive(Debug)]
pub struct Findings<S> {
    /// Records of whose packs some run has rows, or of whose runs one is there.
    pub(super) holds_back: BTreeSet<S>,
    /// Runs to be made into others.
    pub(super) merge: Vec<RunId<S>>,
    /// Runs that do not count and nobody has condemned: their writer created them once more.
    pub(super) dead_runs: Vec<RunId<S>>,
    /// Runs of fenced sessions, which are merged together or not at all.
    fenced: Vec<RunId<S>>,
    /// Packs that hold nothing referenced, and nobody will publish or commit anything that would change it.
    pub(super) dead: Vec<PackId<S>>,
    /// Packs whose live chunks are to be copied before they are condemned.
    pub(super) repack: Vec<PackId<S>>,
    /// Condemned packs that are there.
    pub(super) condemned_packs: Vec<PackId<S>>,
    /// Condemned runs that are there.
    pub(super) condemned_runs: Vec<RunId<S>>,
    /// Condemned packs with a referenced chunk that nothing else holds.
    pub(super) needed: Vec<PackId<S>>,
    /// Sessions of which a pack is there.
    pub(super) have_packs: BTreeSet<S>,
    /// Sessions of which a run is there, be it one that counts or not.
    pub(super) have_runs: BTreeSet<S>,
    /// Sessions of which a run is there that counts.
    pub(super) have_sound_runs: BTreeSet<S>,
}

impl<'a, S: SessionName> Survey<'a, S> {
    pub(super) fn new(view: &'a View<S>) -> Self {
        let mut named_by: HashMap<_, Vec<_>> = HashMap::new();
        for record in &view.records {
            for pack in record.names.iter().flat_map(|names| &names.packs) {
                named_by.entry(*pack).or_default().push(record);
            }
        }
        let findings = Findings {
            holds_back: BTreeSet::new(),
            merge: Vec::new(),
            dead_runs: Vec::new(),
            fenced: Vec::new(),
            dead: Vec::new(),
            repack: Vec::new(),
            condemned_packs: Vec::new(),
            condemned_runs: Vec::new(),
            needed: Vec::new(),
            have_packs: BTreeSet::new(),
            have_runs: BTreeSet::new(),
            have_sound_runs: BTreeSet::new(),
        };
        Survey { view, named_by, findings }
    }

    /// A listed run: the packs that it lists, and whether the caller wants it merged. Each run once.
    pub fn run(&mut self, run: RunId<S>, packs: impl IntoIterator<Item = PackId<S>>, is_merge_wanted: bool) {
        self.findings.have_runs.insert(run.session);
        if self.view.is_void(run.session) && !self.view.is_run_condemned(run) {
            self.findings.dead_runs.push(run);
            return;
        }
        let mut is_stale = false;
        for record in packs.into_iter().filter_map(|pack| self.named_by.get(&pack)).flatten() {
            self.findings.holds_back.insert(record.name);
            is_stale |= record.gone.is_some() || self.view.is_ripe(record);
        }
        if self.view.is_run_condemned(run) {
            self.findings.condemned_runs.push(run);
            let naming = |record: &&Record<S>| record.names.as_ref().is_some_and(|names| names.runs.contains(&run));
            let records = self.view.records.iter().filter(naming);
            self.findings.holds_back.extend(records.map(|record| record.name));
            return;
        }
        self.findings.have_sound_runs.insert(run.session);
        if self.view.is_abandoned(run.session) {
            if is_stale || is_merge_wanted {
                self.findings.merge.push(run);
            } else if self.view.is_fenced(run.session) {
                self.findings.fenced.push(run);
            }
        }
    }

    /// A listed pack. Each pack once.
    pub fn pack(&mut self, facts: PackFacts<S>) {
        let PackFacts { pack, is_live, is_needed, is_repack_wanted } = facts;
        self.findings.have_packs.insert(pack.session);
        if self.view.is_condemned(pack) {
            self.findings.condemned_packs.push(pack);
            if is_needed {
                self.findings.needed.push(pack);
            }
        } else if self.view.is_abandoned(pack.session) {
            if !is_live {
                self.findings.dead.push(pack);
            } else if is_repack_wanted {
                self.findings.repack.push(pack);
            }
        }
    }

    /// Everything listed has been described.
    pub fn finish(mut self) -> Findings<S> {
        // Once one of them is deleted none of them counts.
        let merged: BTreeSet<S> = self.findings.merge.iter().map(|run| run.session).collect();
        let together = self.findings.fenced.iter().filter(|run| merged.contains(&run.session));
        self.findings.merge.extend(together);
        self.findings.merge.sort_unstable();
        self.findings
    }
}
