use super::fence::{Fence, FenceTask, Verdict};
use super::names::{PackId, RunId, SessionName};
use super::object::{Object, Outcome, Record};
use super::output::Output;
use super::rules::{Rule, Rules};
use super::stop::Stop;
use crate::format::ids::SessionId;

/// A session that adds a snapshot: start → list condemned → list index → packs → runs → commit → end.
///
/// Its start, put before everything else, holds back every deletion that could hurt it: a record that it did not see
/// waits for it, and what a record that it did see names does not count for it. So it lists each once, waits for
/// nobody and rescues nothing. A create that finds somebody else's object ends it with [`Stop::Fenced`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Writer<S = SessionId> {
    rules: Rules,
    session: S,
    adopts: Vec<S>,
    owned: Vec<S>,
    /// Whether it lists packs of any session: `repair index`.
    repairs: bool,
    phase: Phase<S>,
    /// Packs and runs that do not count, ascending.
    condemned_packs: Vec<PackId<S>>,
    condemned_runs: Vec<RunId<S>>,
    /// Sessions whose runs do not count, ascending.
    void: Vec<S>,
    output: Output<S>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase<S> {
    Start,
    /// The fence of the first of `adopts`.
    Adopt(Fence<S>),
    Condemned,
    Index,
    Packs,
    Write,
    Commit,
    End,
    Done,
    Fenced,
}

/// What a writer wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum WriterTask<S = SessionId> {
    /// Create it and say what came of it with [`Writer::created`].
    Create(Object<S>),
    /// List `index/<s>-` of this session and give the names to [`Writer::adopted_runs`].
    ListRuns(S),
    /// List `condemned/`, read the records and give them to [`Writer::condemned`].
    ListCondemned,
    /// List `index/` and say which sessions it calls void with [`Writer::indexed`]; then open the runs that
    /// [`Writer::is_run_of_use`] allows.
    ListIndex,
    /// List the packs of these sessions and give those that no run of the listing lists to [`Writer::adopted_packs`].
    ListPacks(Vec<S>),
    /// The same with all packs, of any session.
    ListAllPacks,
    /// Write packs and runs, as many as it takes; then [`Writer::commit`], or [`Writer::give_up`].
    Write,
    /// The session is over.
    Done,
}

impl<S: SessionName> Writer<S> {
    /// A fresh session.
    pub fn new(session: S) -> Self {
        Writer::with(session, Vec::new(), Rules::default())
    }

    /// A session that goes on with what dead sessions of the same writer left: `previous`, and all that its start says
    /// it meant to adopt, newest first. Each becomes over, and its packs belong to this session, unless an owner fenced
    /// it before. The newest must not have ended: what an ended session left in no run is garbage, and may be deleted
    /// while this one publishes it.
    pub fn resume(session: S, previous: Vec<S>) -> Self {
        Writer::with(session, previous, Rules::default())
    }

    /// What a [`super::Repair`] does but wait.
    pub(super) fn repair(session: S, rules: Rules) -> Self {
        Writer { repairs: true, ..Writer::with(session, Vec::new(), rules) }
    }

    #[doc(hidden)]
    pub fn with(session: S, adopts: Vec<S>, rules: Rules) -> Self {
        Writer {
            rules,
            session,
            adopts,
            owned: Vec::new(),
            repairs: false,
            phase: Phase::Start,
            condemned_packs: Vec::new(),
            condemned_runs: Vec::new(),
            void: Vec::new(),
            output: Output::new(session),
        }
    }

    /// The session's name, and the snapshot's.
    pub fn session(&self) -> S {
        self.session
    }

    /// What to do now.
    pub fn next(&self) -> Result<WriterTask<S>, Stop> {
        Ok(match &self.phase {
            Phase::Start => WriterTask::Create(Object::Start { session: self.session, adopts: self.adopts.clone() }),
            Phase::Adopt(fence) => match fence.next() {
                FenceTask::Create(object) => WriterTask::Create(object),
                FenceTask::ListRuns(session) => WriterTask::ListRuns(session),
                FenceTask::Done(_) => return Err(Stop::Misuse("a finished fence was kept")),
            },
            Phase::Condemned => WriterTask::ListCondemned,
            Phase::Index => WriterTask::ListIndex,
            Phase::Packs if self.repairs => WriterTask::ListAllPacks,
            Phase::Packs => WriterTask::ListPacks(self.owned.clone()),
            Phase::Write => WriterTask::Write,
            Phase::Commit => WriterTask::Create(Object::Commit(self.session)),
            Phase::End => WriterTask::Create(Object::End(self.session)),
            Phase::Done => WriterTask::Done,
            Phase::Fenced => return Err(Stop::Fenced),
        })
    }

    /// What came of the object that [`Writer::next`] asked for.
    ///
    /// # Errors
    /// [`Stop::Fenced`] when somebody else's object has the name; [`Stop::Misuse`] when it had asked for none.
    pub fn created(&mut self, outcome: Outcome<S>) -> Result<(), Stop> {
        match (&mut self.phase, outcome) {
            (Phase::Adopt(fence), outcome) => {
                fence.created(outcome)?;
                self.adopt()
            }
            (Phase::Start, Outcome::Created) => self.adopt_next(),
            (Phase::Commit, Outcome::Created) => self.phase = Phase::End,
            // A fence ends a session that has committed with an `end` of its own.
            (Phase::End, _) => self.phase = Phase::Done,
            (Phase::Start | Phase::Commit, Outcome::Taken(_)) => return self.fenced(),
            _ => return Err(Stop::Misuse("a writer did not ask for an object")),
        }
        Ok(())
    }

    /// The runs of the session to be adopted.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn adopted_runs(&mut self, names: impl IntoIterator<Item = RunId<S>>) -> Result<(), Stop> {
        match &mut self.phase {
            Phase::Adopt(fence) => fence.runs(names),
            _ => Err(Stop::Misuse("a writer did not ask for runs")),
        }
    }

    fn adopt(&mut self) {
        let Phase::Adopt(fence) = &self.phase else { return };
        let FenceTask::Done(verdict) = fence.next() else { return };
        let adopted = self.adopts.remove(0);
        if let Verdict::Fenced(tombstone) = verdict
            && tombstone.by.is_some_and(|by| by == self.session || self.owned.contains(&by))
        {
            self.owned.push(adopted);
        }
        self.adopt_next();
    }

    fn adopt_next(&mut self) {
        self.phase = match self.adopts.first() {
            Some(next) => Phase::Adopt(Fence::with(*next, Some(self.session), self.rules)),
            None if self.rules.keeps(Rule::CondemnedBeforeIndex) => Phase::Condemned,
            None => Phase::Index,
        };
    }

    /// The records of a listing of `condemned/`, whole.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn condemned<'a>(&mut self, records: impl IntoIterator<Item = &'a Record<S>>) -> Result<(), Stop>
    where
        S: 'a,
    {
        if self.phase != Phase::Condemned {
            return Err(Stop::Misuse("a writer did not ask for records"));
        }
        for names in records.into_iter().filter_map(|record| record.names.as_ref()) {
            self.condemned_packs.extend(&names.packs);
            self.condemned_runs.extend(&names.runs);
        }
        self.condemned_packs.sort_unstable();
        self.condemned_packs.dedup();
        self.condemned_runs.sort_unstable();
        self.condemned_runs.dedup();
        self.phase = if self.rules.keeps(Rule::CondemnedBeforeIndex) { Phase::Index } else { self.after_listings() };
        Ok(())
    }

    /// The sessions of which a listing of `index/` shows a `.void`.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn indexed(&mut self, void: impl IntoIterator<Item = S>) -> Result<(), Stop> {
        if self.phase != Phase::Index {
            return Err(Stop::Misuse("a writer did not ask for the index"));
        }
        self.void = void.into_iter().collect();
        self.void.sort_unstable();
        self.phase =
            if self.rules.keeps(Rule::CondemnedBeforeIndex) { self.after_listings() } else { Phase::Condemned };
        Ok(())
    }

    fn after_listings(&self) -> Phase<S> {
        if self.repairs || !self.owned.is_empty() { Phase::Packs } else { Phase::Write }
    }

    /// Packs of adopted sessions (of any, for a repair) that stand in no run; the next run lists those that count, which
    /// are returned. The caller has read their footers.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked, or for a pack of another session.
    pub fn adopted_packs(&mut self, packs: impl IntoIterator<Item = PackId<S>>) -> Result<Vec<PackId<S>>, Stop> {
        if self.phase != Phase::Packs {
            return Err(Stop::Misuse("a writer did not ask for packs"));
        }
        let mut kept = Vec::new();
        for pack in packs {
            if !self.repairs && !self.owned.contains(&pack.session) {
                return Err(Stop::Misuse("a pack of a session that is not adopted"));
            }
            if self.is_present([pack]) {
                self.output.own(pack);
                kept.push(pack);
            }
        }
        self.phase = Phase::Write;
        Ok(kept)
    }

    /// Whether a chunk is there, given the packs that its rows name: one that is not condemned suffices.
    pub fn is_present(&self, packs: impl IntoIterator<Item = PackId<S>>) -> bool {
        packs.into_iter().any(|pack| self.condemned_packs.binary_search(&pack).is_err())
    }

    /// Whether a listed run counts. A condemned one does not: another has its rows, and it may vanish. Nor does one of
    /// a session that is void: its packs may be gone.
    pub fn is_run_of_use(&self, run: RunId<S>) -> bool {
        self.condemned_runs.binary_search(&run).is_err() && self.void.binary_search(&run.session).is_err()
    }

    /// The name of the next pack. Several may be in flight.
    ///
    /// # Errors
    /// [`Stop::Misuse`] before the listings are done or after the commit.
    pub fn begin_pack(&mut self) -> Result<PackId<S>, Stop> {
        self.writing()?;
        self.output.begin_pack()
    }

    /// What came of storing a pack.
    ///
    /// # Errors
    /// [`Stop::Fenced`], [`Stop::Misuse`].
    pub fn pack_stored(&mut self, pack: PackId<S>, outcome: Outcome<S>) -> Result<(), Stop> {
        self.writing()?;
        let stored = self.output.pack_stored(pack, outcome);
        self.or_fenced(stored)
    }

    /// The next run: all packs stored since the last. None when there are none.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while another run is being written.
    pub fn begin_run(&mut self) -> Result<Option<Object<S>>, Stop> {
        self.writing()?;
        self.output.begin_run()
    }

    /// The name of the next run, which lists exactly these packs: runs are of one kind each.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while another run is being written, or for a pack that is not stored or stands in a run.
    pub fn begin_run_of(&mut self, packs: &[PackId<S>]) -> Result<RunId<S>, Stop> {
        self.writing()?;
        self.output.begin_run_of(packs)
    }

    /// What came of storing the run.
    ///
    /// # Errors
    /// [`Stop::Fenced`], [`Stop::Misuse`].
    pub fn run_stored(&mut self, outcome: Outcome<S>) -> Result<(), Stop> {
        self.writing()?;
        let stored = self.output.run_stored(outcome);
        self.or_fenced(stored)
    }

    /// All chunks of the snapshot are present or stored: commit it next.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while a pack or run is in flight or a pack stands in no run, and for a repair.
    pub fn commit(&mut self) -> Result<(), Stop> {
        if self.repairs {
            return Err(Stop::Misuse("a repair commits nothing"));
        }
        self.finish(Phase::Commit)
    }

    /// There is nothing to commit: end the session next.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while a pack or run is in flight or a pack stands in no run.
    pub fn give_up(&mut self) -> Result<(), Stop> {
        self.finish(Phase::End)
    }

    /// Ends a repair's session next, wherever it is.
    pub(super) fn end(&mut self) -> Result<(), Stop> {
        match self.phase {
            Phase::Fenced => Err(Stop::Fenced),
            Phase::Start | Phase::Done => Err(Stop::Misuse("a repair that is not under way")),
            _ if self.output.is_writing_run() => Err(Stop::Misuse("a repair ends while it writes a run")),
            _ => {
                self.phase = Phase::End;
                Ok(())
            }
        }
    }

    fn finish(&mut self, phase: Phase<S>) -> Result<(), Stop> {
        self.writing()?;
        if !self.output.is_published() {
            return Err(Stop::Misuse("a session is finished with packs in no run"));
        }
        self.phase = phase;
        Ok(())
    }

    fn writing(&self) -> Result<(), Stop> {
        match self.phase {
            Phase::Write => Ok(()),
            Phase::Fenced => Err(Stop::Fenced),
            _ => Err(Stop::Misuse("a session that does not write")),
        }
    }

    fn or_fenced(&mut self, result: Result<(), Stop>) -> Result<(), Stop> {
        if result == Err(Stop::Fenced) { self.fenced() } else { result }
    }

    fn fenced(&mut self) -> Result<(), Stop> {
        self.phase = Phase::Fenced;
        Err(Stop::Fenced)
    }
}
