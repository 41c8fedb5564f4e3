use super::super::names::{PackId, RunId, SessionName};
use super::super::object::{Condemned, Object, Record, Removal};
use super::super::rules::{Rule, Rules};
use super::MAX_CONDEMNED;
use super::survey::Findings;
use super::view::View;
use std::collections::BTreeSet;

/// What a pass has decided to do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Plan<S> {
    /// Records whose names are deleted in this pass, ascending.
    pub(super) ripe: Vec<Record<S>>,
    /// Packs whose rows no merged run takes over.
    dropped: BTreeSet<PackId<S>>,
    pub(super) rescue: Vec<PackId<S>>,
    pub(super) repack: Vec<PackId<S>>,
    pub(super) delete: Vec<Removal<S>>,
    /// Fenced sessions of which the first run is about to be deleted.
    pub(super) void: Vec<S>,
    pub(super) merge: Vec<RunId<S>>,
    pub(super) condemn: Condemned<S>,
    /// What nobody looks at any more: records that are done with, and sessions.
    pub(super) sweep: Vec<Removal<S>>,
}

impl<S> Default for Plan<S> {
    fn default() -> Self {
        Plan {
            ripe: Vec::new(),
            dropped: BTreeSet::new(),
            rescue: Vec::new(),
            repack: Vec::new(),
            delete: Vec::new(),
            void: Vec::new(),
            merge: Vec::new(),
            condemn: Condemned::default(),
            sweep: Vec::new(),
        }
    }
}

impl<S: SessionName> View<S> {
    /// Whether what a record names is deleted in this pass: everybody who may rely on it is over, the grace has passed.
    pub(super) fn is_ripe(&self, record: &Record<S>) -> bool {
        record.names.is_some()
            && record.gone.is_none()
            && record.is_graced
            && record.waits.as_ref().is_some_and(|sessions| self.are_over(sessions))
    }

    /// Whether a pack that is there is deleted in this pass.
    pub(super) fn is_doomed(&self, pack: PackId<S>) -> bool {
        let names = |record: &&Record<S>| record.names.as_ref().is_some_and(|names| names.packs.contains(&pack));
        self.is_condemned(pack)
            && self.records.iter().filter(names).any(|record| record.gone.is_some() || self.is_ripe(record))
    }

    /// The `.waits` that nobody has created, the last to be created first.
    pub(super) fn missing_waits(&self) -> Vec<Object<S>> {
        let missing = self.records.iter().filter(|record| record.names.is_some() && record.waits.is_none());
        missing.map(|record| Object::Waits { record: record.name, sessions: self.open_sessions() }).rev().collect()
    }
}

impl<S: SessionName> Plan<S> {
    pub(super) fn make(view: &View<S>, found: Findings<S>, session: S, rules: Rules) -> Self {
        let (ripe, rest): (Vec<_>, Vec<_>) = view.records.iter().partition(|record| view.is_ripe(record));
        let (mut packs, runs) = names_of(ripe.iter().copied());
        let (gone_packs, gone_runs) = names_of(rest.iter().copied().filter(|record| record.gone.is_some()));

        if !rules.keeps(Rule::RescueByCopy) {
            packs.retain(|pack| !found.needed.contains(pack));
        }
        // What is gone is deleted once more where its writer created it once more.
        let is_doomed = |pack: &PackId<S>| packs.contains(pack) || gone_packs.contains(pack);
        let doomed_packs = found.condemned_packs.iter().copied().filter(is_doomed);
        let is_doomed = |run: &RunId<S>| runs.contains(run) || gone_runs.contains(run);
        let doomed_runs: Vec<_> = found.condemned_runs.iter().copied().filter(is_doomed).collect();
        // A session of which a run counts was merged in part: it had ended by itself, its writer is done, and the fence
        // that left a tombstone came too late. To void it would take the rest of its runs, too.
        let doomed_sessions: BTreeSet<S> = doomed_runs.iter().map(|run| run.session).collect();
        let is_to_be_void = |session: &S| {
            view.is_fenced(*session)
                && !view.is_void(*session)
                && (!rules.keeps(Rule::VoidWhole) || !found.have_sound_runs.contains(session))
        };
        let void = doomed_sessions.into_iter().filter(|_| rules.keeps(Rule::VoidRuns)).filter(is_to_be_void).collect();
        let delete: Vec<_> =
            doomed_packs.map(Removal::Pack).chain(doomed_runs.into_iter().map(Removal::Index)).collect();
        let is_rescuing = !delete.is_empty() && rules.keeps(Rule::SecondMark) && rules.keeps(Rule::RescueByCopy);
        let mut condemn = Condemned { packs: Vec::new(), runs: found.merge.clone() };
        condemn.runs.extend(&found.dead_runs);
        let room = MAX_CONDEMNED.saturating_sub(condemn.runs.len());
        // What is copied is condemned in the same pass.
        let repack: Vec<_> = found.repack.iter().copied().take(room).collect();
        condemn.packs = repack.iter().chain(&found.dead).copied().take(room).collect();
        condemn.packs.sort_unstable();
        condemn.runs.sort_unstable();

        let at_once = ripe.iter().copied().filter(|_| !rules.keeps(Rule::GoneSessionsOver));
        let done_with = at_once.chain(rest).filter(|record| {
            let holds_back = rules.keeps(Rule::NoRowsLeft) && found.holds_back.contains(&record.name);
            let may_be_relied_on = rules.keeps(Rule::GoneSessionsOver)
                && !record.gone.as_ref().is_some_and(|sessions| view.are_over(sessions));
            record.names.is_none() || !(holds_back || may_be_relied_on)
        });
        // A record without its name is nothing: whatever is interrupted here, it goes on saying what is condemned.
        let records = done_with.map(|record| record.name);
        let records = records.flat_map(|name| [Removal::Gone(name), Removal::Waits(name), Removal::Record(name)]);
        Plan {
            delete,
            void,
            dropped: packs.union(&gone_packs).copied().collect(),
            rescue: if is_rescuing { found.needed.clone() } else { Vec::new() },
            merge: found.merge.clone(),
            condemn,
            sweep: records.chain(spent(view, &found, session)).collect(),
            ripe: ripe.into_iter().filter(|_| rules.keeps(Rule::GoneSessionsOver)).cloned().collect(),
            repack,
        }
    }

    pub(super) fn is_dropped(&self, pack: PackId<S>) -> bool {
        self.dropped.contains(&pack)
    }

    /// What could not be copied stays where it is.
    pub(super) fn leave(&mut self, packs: &[PackId<S>]) {
        let left: BTreeSet<PackId<S>> = packs.iter().copied().collect();
        self.condemn.packs.retain(|pack| !left.contains(pack));
        self.delete.retain(|removal| !matches!(removal, Removal::Pack(pack) if left.contains(pack)));
        self.refused(&packs.iter().copied().map(Removal::Pack).collect::<Vec<_>>());
    }

    /// What the storage would not delete goes on counting as there.
    pub(super) fn refused(&mut self, refused: &[Removal<S>]) {
        let is_refused = |removal| refused.contains(&removal);
        self.dropped.retain(|pack| !is_refused(Removal::Pack(*pack)));
        self.ripe.retain(|record| {
            let packs = record.names.iter().flat_map(|names| names.packs.iter().copied().map(Removal::Pack));
            let runs = record.names.iter().flat_map(|names| names.runs.iter().copied().map(Removal::Index));
            !packs.chain(runs).any(is_refused)
        });
    }

    /// `.waits` of the new record and `.gone` of those deleted, with the sessions open now; the last to be created
    /// first.
    pub(super) fn notes(&self, session: S, open: &[S]) -> Vec<Object<S>> {
        let gone = self.ripe.iter().rev();
        let gone = gone.map(|record| Object::Gone { record: record.name, sessions: open.to_vec() });
        let waits = (!self.condemn.is_empty()).then(|| Object::Waits { record: session, sessions: open.to_vec() });
        gone.chain(waits).collect()
    }
}

fn names_of<'a, S: SessionName + 'a>(
    records: impl IntoIterator<Item = &'a Record<S>>,
) -> (BTreeSet<PackId<S>>, BTreeSet<RunId<S>>) {
    let (mut packs, mut runs) = (BTreeSet::new(), BTreeSet::new());
    for names in records.into_iter().filter_map(|record| record.names.as_ref()) {
        packs.extend(&names.packs);
        runs.extend(&names.runs);
    }
    (packs, runs)
}

/// What stands for nothing any more. A session's folder stays while a pack or run of it is there: a session that is not
/// listed may have started since, and its objects are no candidates. A `.void` stays while there is a run that it keeps
/// from counting.
fn spent<S: SessionName>(view: &View<S>, found: &Findings<S>, session: S) -> Vec<Removal<S>> {
    let mut removals: Vec<_> = view.spent_snapshots().map(Removal::Snapshot).collect();
    for spent in view.spent_sessions().filter(|spent| *spent != session) {
        let has_runs = found.have_runs.contains(&spent);
        let is_empty = !has_runs && !found.have_packs.contains(&spent);
        removals.extend(view.tombstone(spent).map(|_| Removal::Snapshot(spent)));
        removals.extend(view.run_tombstones(spent).filter_map(|tombstone| match tombstone.number {
            Some(number) => Some(Removal::Index(RunId { session: spent, number })),
            None => (!has_runs).then_some(Removal::Void(spent)),
        }));
        removals.extend((is_empty && view.is_listed(spent)).then_some(Removal::Session(spent)));
    }
    removals
}
