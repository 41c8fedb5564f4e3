use super::super::names::{PackId, RunId, SessionName};
use super::super::object::{ListedSession, Record, Tombstone};
use super::super::rules::{Rule, Rules};
use std::collections::BTreeSet;

/// A snapshot's name as a listing of `snapshots/` (and then of the notes) showed it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ListedSnapshot<S> {
    /// The session.
    pub session: S,
    /// The tombstone that stands there; none for a snapshot.
    pub tombstone: Option<Tombstone<S>>,
    /// Whether a note says that the snapshot is forgotten. It is then not marked.
    pub is_forgotten: bool,
    /// Whether the object is a year old by the storage's time.
    pub is_expired: bool,
}

/// What is no run as a listing of `index/` showed it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListedTombstone<S> {
    /// The session that was fenced.
    pub session: S,
    /// The number of the run that the tombstone keeps from being written; none for `index/<s>.void`.
    pub number: Option<u32>,
    /// Whether it is a year old by the storage's time: no writer waits any more to create that run.
    pub is_expired: bool,
}

/// How a pack stands with the records that this pass has seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// It counts.
    Sound,
    /// It does not count; its chunks can still be copied while it is there.
    Condemned,
}

/// What the listings of one pass showed, in the order in which they were made.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct View<S> {
    rules: Rules,
    pub(super) records: Vec<Record<S>>,
    condemned_packs: Vec<PackId<S>>,
    condemned_runs: Vec<RunId<S>>,
    sessions: Vec<ListedSession<S>>,
    pub(super) snapshots: Vec<ListedSnapshot<S>>,
    run_tombstones: Vec<ListedTombstone<S>>,
}

impl<S: SessionName> View<S> {
    pub(super) fn new(rules: Rules) -> Self {
        View {
            rules,
            records: Vec::new(),
            condemned_packs: Vec::new(),
            condemned_runs: Vec::new(),
            sessions: Vec::new(),
            snapshots: Vec::new(),
            run_tombstones: Vec::new(),
        }
    }

    pub(super) fn saw_records(&mut self, mut records: Vec<Record<S>>) {
        records.sort_unstable_by_key(|record| record.name);
        let names = records.iter().filter_map(|record| record.names.as_ref());
        let (packs, runs): (BTreeSet<_>, BTreeSet<_>) =
            names.fold(Default::default(), |(mut packs, mut runs), names| {
                packs.extend(&names.packs);
                runs.extend(&names.runs);
                (packs, runs)
            });
        self.condemned_packs = packs.into_iter().collect();
        self.condemned_runs = runs.into_iter().collect();
        self.records = records;
    }

    pub(super) fn saw_sessions(&mut self, mut sessions: Vec<ListedSession<S>>) {
        sessions.sort_unstable_by_key(|session| session.session);
        self.sessions = sessions;
    }

    pub(super) fn saw_snapshots(&mut self, snapshots: impl IntoIterator<Item = ListedSnapshot<S>>) {
        // A snapshot that counts takes part in nothing but the mark.
        self.snapshots = snapshots.into_iter().filter(|s| s.tombstone.is_some() || s.is_forgotten).collect();
        self.snapshots.sort_unstable_by_key(|snapshot| snapshot.session);
    }

    pub(super) fn saw_run_tombstones(&mut self, tombstones: impl IntoIterator<Item = ListedTombstone<S>>) {
        self.run_tombstones = tombstones.into_iter().collect();
        self.run_tombstones.sort_unstable();
    }

    /// Drops what the plan was made of. What is condemned or void stays known.
    pub(super) fn forget(&mut self) {
        self.records.clear();
        self.sessions.clear();
        self.snapshots.clear();
    }

    pub(super) fn is_condemned(&self, pack: PackId<S>) -> bool {
        self.condemned_packs.binary_search(&pack).is_ok()
    }

    pub(super) fn is_run_condemned(&self, run: RunId<S>) -> bool {
        self.condemned_runs.binary_search(&run).is_ok()
    }

    /// Whether somebody else ended this session.
    pub(super) fn is_fenced(&self, session: S) -> bool {
        self.run_tombstones(session).next().is_some()
    }

    /// Whether no run of this session counts.
    pub(super) fn is_void(&self, session: S) -> bool {
        self.run_tombstones(session).any(|tombstone| tombstone.number.is_none())
    }

    fn session(&self, session: S) -> Option<&ListedSession<S>> {
        let place = self.sessions.binary_search_by_key(&session, |listed| listed.session).ok()?;
        self.sessions.get(place)
    }

    pub(super) fn is_listed(&self, session: S) -> bool {
        self.session(session).is_some()
    }

    fn has_ended(&self, listed: &ListedSession<S>) -> bool {
        listed.has_ended || (!self.rules.keeps(Rule::FenceLapsed) && listed.has_lapsed)
    }

    /// The sessions that were open, ascending.
    pub(super) fn open_sessions(&self) -> Vec<S> {
        self.sessions.iter().filter(|listed| !self.has_ended(listed)).map(|listed| listed.session).collect()
    }

    /// Whether none of these sessions, each known to have been open once, was open. Only a session that is over is ever
    /// swept away, so one that is not listed is over.
    pub(super) fn are_over(&self, once_open: &[S]) -> bool {
        once_open.iter().all(|session| self.session(*session).is_none_or(|listed| self.has_ended(listed)))
    }

    pub(super) fn tombstone(&self, session: S) -> Option<&ListedSnapshot<S>> {
        let place = self.snapshots.binary_search_by_key(&session, |listed| listed.session).ok()?;
        self.snapshots.get(place).filter(|listed| listed.tombstone.is_some())
    }

    /// Whether nobody will publish what this session wrote: it had ended before the index was listed, and so had its
    /// adopter, and his. A session that is not listed may have started since.
    pub(super) fn is_abandoned(&self, session: S) -> bool {
        if !self.session(session).is_some_and(|listed| self.has_ended(listed)) {
            return false;
        }
        let mut owner = session;
        for _ in 0..=self.snapshots.len() {
            let Some(adopter) = self.tombstone(owner).and_then(|listed| listed.tombstone?.by) else { return true };
            // The adopter had started before it took the name, which was before `end`: unlisted, it is swept.
            if !self.are_over(&[adopter]) {
                return false;
            }
            owner = adopter;
        }
        // Adoptions in a circle are not the work of this program: leave it alone.
        false
    }

    /// What keeps the names of a session that somebody else ended: its writer may not know yet, and try to create its
    /// objects once more.
    pub(super) fn run_tombstones(&self, session: S) -> impl Iterator<Item = &ListedTombstone<S>> {
        let first = self.run_tombstones.partition_point(|tombstone| tombstone.session < session);
        self.run_tombstones.iter().skip(first).take_while(move |tombstone| tombstone.session == session)
    }

    /// Objects under `snapshots/` that say nothing: snapshots that their writer created once more after they had been
    /// forgotten, and old tombstones of sessions that are swept away.
    pub(super) fn spent_snapshots(&self) -> impl Iterator<Item = S> + '_ {
        let spent = self.snapshots.iter().filter(|listed| match listed.tombstone {
            None => listed.is_forgotten,
            Some(_) => listed.is_expired && self.session(listed.session).is_none(),
        });
        spent.map(|listed| listed.session)
    }

    /// The sessions from which nobody will hear any more: they ended themselves, or were fenced so long ago that the
    /// tombstones may go.
    pub(super) fn spent_sessions(&self) -> impl Iterator<Item = S> + '_ {
        let fenced = self.run_tombstones.iter().map(|tombstone| tombstone.session);
        let sessions: BTreeSet<S> = self.sessions.iter().map(|listed| listed.session).chain(fenced).collect();
        sessions.into_iter().filter(|session| {
            self.session(*session).is_none_or(|listed| listed.has_ended)
                && (!self.is_listed(*session) || self.is_abandoned(*session))
                && self.tombstone(*session).is_none_or(|tombstone| tombstone.is_expired)
                && self.run_tombstones(*session).all(|tombstone| tombstone.is_expired)
        })
    }
}
