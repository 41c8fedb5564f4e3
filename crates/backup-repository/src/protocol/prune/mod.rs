mod plan;
mod survey;
mod view;

pub use survey::{Findings, Holder, PackFacts, Survey, choose_holder};
pub use view::{ListedSnapshot, ListedTombstone, Standing};

use super::names::{PackId, RunId, SessionName};
use super::object::{Condemned, ListedSession, Object, Outcome, Record, Removal};
use super::output::Output;
use super::rules::{Rule, Rules};
use super::stop::Stop;
use crate::format::ids::SessionId;
use plan::Plan;
use view::View;

/// The most names in one record; what is more waits for the next pass.
pub const MAX_CONDEMNED: usize = 200_000;

/// One pass of prune: deletes what earlier passes condemned and nobody can need any more, and condemns what is garbage
/// now. A pass is a session; a prune of two passes is two sessions one after the other.
///
/// start → list condemned → list sessions → list snapshots → list index → list packs → mark → copy what is to be rescued
/// or repacked, and publish it → void what was fenced → delete → publish runs without the rows of deleted packs → condemn → list sessions →
/// `.waits`, `.gone` → remove records that are done with → end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Prune<S = SessionId> {
    rules: Rules,
    session: S,
    phase: Phase<S>,
    view: View<S>,
    plan: Plan<S>,
    output: Output<S>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase<S> {
    Start,
    Condemned,
    Sessions,
    /// Creating `.waits` that other passes did not come to, the last first.
    MissingWaits(Vec<Object<S>>),
    Snapshots,
    Index,
    Packs,
    Survey,
    Copy,
    /// Creating `.void`, the last first.
    Void(Vec<S>),
    Delete,
    Merge,
    Condemn,
    SessionsNow,
    /// Creating `.waits` and `.gone`, the last first.
    Notes(Vec<Object<S>>),
    Sweep,
    End,
    Done,
    Fenced,
}

/// What a pass wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PruneTask<S = SessionId> {
    /// Create it and say what came of it with [`Prune::created`].
    Create(Object<S>),
    /// List `condemned/`, read the records and give them to [`Prune::condemned`].
    ListCondemned,
    /// List `sessions/` and give it to [`Prune::sessions`].
    ListSessions,
    /// List `snapshots/`, then the notes, and give them to [`Prune::snapshots`].
    ListSnapshots,
    /// List `index/` and give what is no run to [`Prune::index`].
    ListIndex,
    /// List `packs/` and say so with [`Prune::packs`].
    ListPacks,
    /// Mark what the snapshots of the listing reference, with [`choose_holder`] over the rows of the listed runs that
    /// are of use ([`Prune::is_run_of_use`]). Describe what was listed in a [`Prune::survey`], and give that back to
    /// [`Prune::surveyed`]. A chunk that is lost ends the pass: [`Prune::abandon`].
    Mark,
    /// Copy chunks to packs of this session, publish these in runs, and say so with [`Prune::copied`]. If what is to be
    /// copied has vanished, another prune was quicker: [`Prune::abandon`].
    Copy {
        /// The packs of which every referenced chunk that has no holder is copied.
        rescue: Vec<PackId<S>>,
        /// The packs of which every chunk they hold is copied.
        repack: Vec<PackId<S>>,
    },
    /// Delete, in this order, and say which the storage refused with [`Prune::deleted`].
    Delete(Vec<Removal<S>>),
    /// Make runs of the rows of these runs, without those of packs that [`Prune::is_dropped`] names; none if no row is
    /// left. Then [`Prune::merged`].
    Merge(Vec<RunId<S>>),
    /// The session is over.
    Done,
}

/// What a pass is about to do.
#[derive(Clone, Copy, Debug)]
pub struct Outlook<'a, S = SessionId> {
    /// Deleted now.
    pub delete: &'a [Removal<S>],
    /// Condemned packs from which referenced chunks are copied first.
    pub rescue: &'a [PackId<S>],
    /// Packs condemned now whose live chunks are copied first.
    pub repack: &'a [PackId<S>],
    /// Runs condemned now that others replace.
    pub merge: &'a [RunId<S>],
    /// All that is condemned now.
    pub condemn: &'a Condemned<S>,
}

impl<S: SessionName> Prune<S> {
    /// A pass.
    pub fn new(session: S) -> Self {
        Prune::with(session, Rules::default())
    }

    #[doc(hidden)]
    pub fn with(session: S, rules: Rules) -> Self {
        let phase = if rules.keeps(Rule::PruneSession) { Phase::Start } else { Phase::Condemned };
        Prune { rules, session, phase, view: View::new(rules), plan: Plan::default(), output: Output::new(session) }
    }

    /// The session's name, and its record's.
    pub fn session(&self) -> S {
        self.session
    }

    /// What to do now.
    pub fn next(&self) -> Result<PruneTask<S>, Stop> {
        Ok(match &self.phase {
            Phase::Start => PruneTask::Create(Object::Start { session: self.session, adopts: Vec::new() }),
            Phase::Condemned => PruneTask::ListCondemned,
            Phase::Sessions | Phase::SessionsNow => PruneTask::ListSessions,
            Phase::MissingWaits(objects) | Phase::Notes(objects) => match objects.last() {
                Some(object) => PruneTask::Create(object.clone()),
                None => return Err(Stop::Misuse("an empty list of objects was kept")),
            },
            Phase::Snapshots => PruneTask::ListSnapshots,
            Phase::Index => PruneTask::ListIndex,
            Phase::Packs => PruneTask::ListPacks,
            Phase::Survey => PruneTask::Mark,
            Phase::Copy => PruneTask::Copy { rescue: self.plan.rescue.clone(), repack: self.plan.repack.clone() },
            Phase::Void(sessions) => match sessions.last() {
                Some(session) => PruneTask::Create(Object::Void(*session)),
                None => return Err(Stop::Misuse("an empty list of objects was kept")),
            },
            Phase::Delete => PruneTask::Delete(self.plan.delete.clone()),
            Phase::Merge => PruneTask::Merge(self.plan.merge.clone()),
            Phase::Condemn => {
                PruneTask::Create(Object::Condemned { record: self.session, names: self.plan.condemn.clone() })
            }
            Phase::Sweep => PruneTask::Delete(self.plan.sweep.clone()),
            Phase::End => PruneTask::Create(Object::End(self.session)),
            Phase::Done => PruneTask::Done,
            Phase::Fenced => return Err(Stop::Fenced),
        })
    }

    /// What came of the object that [`Prune::next`] asked for.
    ///
    /// # Errors
    /// [`Stop::Fenced`] when somebody else's object has the name of the session; [`Stop::Misuse`] when it had asked for
    /// none.
    pub fn created(&mut self, outcome: Outcome<S>) -> Result<(), Stop> {
        self.phase = match (std::mem::replace(&mut self.phase, Phase::Fenced), outcome) {
            (Phase::Start, Outcome::Created) => Phase::Condemned,
            // Another list of the same record is as good, if it was made by the same rule.
            (Phase::MissingWaits(objects), _) => self.missing_waits(objects),
            (Phase::Notes(objects), _) => self.notes(objects),
            (Phase::Void(mut sessions), _) => {
                sessions.pop();
                if sessions.is_empty() { self.after_void() } else { Phase::Void(sessions) }
            }
            (Phase::Condemn, Outcome::Created) if self.rules.keeps(Rule::RecordBeforeSessions) => Phase::SessionsNow,
            (Phase::Condemn, Outcome::Created) => self.sessions_now(),
            (Phase::End, _) => Phase::Done,
            (Phase::Start | Phase::Condemn, Outcome::Taken(_)) => return Err(Stop::Fenced),
            (phase, _) => {
                self.phase = phase;
                return Err(Stop::Misuse("a prune did not ask for an object"));
            }
        };
        Ok(())
    }

    /// The records of a listing of `condemned/`.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn condemned(&mut self, records: Vec<Record<S>>) -> Result<(), Stop> {
        self.expect(&Phase::Condemned, "a prune did not ask for records")?;
        self.view.saw_records(records);
        self.phase = if self.rules.keeps(Rule::OverBeforeMark) { Phase::Sessions } else { Phase::Snapshots };
        Ok(())
    }

    /// A listing of `sessions/`.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn sessions(&mut self, sessions: Vec<ListedSession<S>>) -> Result<(), Stop> {
        match self.phase {
            Phase::Sessions => {
                self.view.saw_sessions(sessions);
                let missing = self.view.missing_waits();
                self.phase = if missing.is_empty() { self.after_sessions() } else { Phase::MissingWaits(missing) };
            }
            Phase::SessionsNow => {
                self.view.saw_sessions(sessions);
                if self.plan.condemn.is_empty() || self.rules.keeps(Rule::RecordBeforeSessions) {
                    self.phase = self.sessions_now();
                    self.view.forget();
                } else {
                    self.phase = Phase::Condemn;
                }
            }
            _ => return Err(Stop::Misuse("a prune did not ask for sessions")),
        }
        Ok(())
    }

    fn missing_waits(&self, mut objects: Vec<Object<S>>) -> Phase<S> {
        objects.pop();
        if objects.is_empty() { self.after_sessions() } else { Phase::MissingWaits(objects) }
    }

    fn after_sessions(&self) -> Phase<S> {
        if self.rules.keeps(Rule::OverBeforeMark) { Phase::Snapshots } else { Phase::Survey }
    }

    /// A listing of `snapshots/`, and then of the notes.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn snapshots(&mut self, snapshots: impl IntoIterator<Item = ListedSnapshot<S>>) -> Result<(), Stop> {
        self.expect(&Phase::Snapshots, "a prune did not ask for snapshots")?;
        self.view.saw_snapshots(snapshots);
        self.phase = Phase::Index;
        Ok(())
    }

    /// The tombstones and `.void`s of a listing of `index/`.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn index(&mut self, tombstones: impl IntoIterator<Item = ListedTombstone<S>>) -> Result<(), Stop> {
        self.expect(&Phase::Index, "a prune did not ask for the index")?;
        self.view.saw_run_tombstones(tombstones);
        self.phase = Phase::Packs;
        Ok(())
    }

    /// The listing of `packs/` is there.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn packs(&mut self) -> Result<(), Stop> {
        self.expect(&Phase::Packs, "a prune did not ask for packs")?;
        self.phase = if self.rules.keeps(Rule::OverBeforeMark) { Phase::Survey } else { Phase::Sessions };
        Ok(())
    }

    /// How a pack stands with the records of this pass's listing.
    pub fn standing(&self, pack: PackId<S>) -> Standing {
        if self.view.is_condemned(pack) { Standing::Condemned } else { Standing::Sound }
    }

    /// Whether a pack is deleted in this pass if it is there.
    pub fn is_doomed(&self, pack: PackId<S>) -> bool {
        self.view.is_doomed(pack)
    }

    /// Whether nobody will publish any more what this session has stored.
    pub fn is_abandoned(&self, session: S) -> bool {
        self.view.is_abandoned(session)
    }

    /// Whether a listed run takes part in the mark. A condemned one does not: another has its rows, and it may vanish. Nor
    /// does one of a session that is void.
    pub fn is_run_of_use(&self, run: RunId<S>) -> bool {
        !self.view.is_run_condemned(run) && !self.view.is_void(run.session)
    }

    /// To be told of every listed run and pack, and given to [`Prune::surveyed`].
    pub fn survey(&self) -> Survey<'_, S> {
        Survey::new(&self.view)
    }

    /// Everything that was listed has been described: the pass decides.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn surveyed(&mut self, findings: Findings<S>) -> Result<(), Stop> {
        self.expect(&Phase::Survey, "a prune did not ask for a survey")?;
        self.plan = Plan::make(&self.view, findings, self.session, self.rules);
        self.view.forget();
        self.phase =
            if self.plan.rescue.is_empty() && self.plan.repack.is_empty() { self.after_copy() } else { Phase::Copy };
        Ok(())
    }

    /// What the pass has decided, once it is surveyed: what a dry run shows.
    pub fn outlook(&self) -> Outlook<'_, S> {
        let Plan { rescue, repack, delete, merge, condemn, .. } = &self.plan;
        Outlook { delete, rescue, repack, merge, condemn }
    }

    /// The name of the next pack of copies. Several may be in flight.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when nothing is to be copied now.
    pub fn begin_pack(&mut self) -> Result<PackId<S>, Stop> {
        self.expect(&Phase::Copy, "a prune that does not copy")?;
        self.output.begin_pack()
    }

    /// What came of storing a pack.
    ///
    /// # Errors
    /// [`Stop::Fenced`], [`Stop::Misuse`].
    pub fn pack_stored(&mut self, pack: PackId<S>, outcome: Outcome<S>) -> Result<(), Stop> {
        self.expect(&Phase::Copy, "a prune that does not copy")?;
        let stored = self.output.pack_stored(pack, outcome);
        self.or_fenced(stored)
    }

    /// The next run of copies: all packs stored since the last. None when there are none.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while another run is being written.
    pub fn begin_run(&mut self) -> Result<Option<Object<S>>, Stop> {
        self.expect(&Phase::Copy, "a prune that does not copy")?;
        self.output.begin_run()
    }

    /// The name of the next run of copies, which lists exactly these packs: runs are of one kind each.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while another run is being written, or for a pack that is not stored or stands in a run.
    pub fn begin_run_of(&mut self, packs: &[PackId<S>]) -> Result<RunId<S>, Stop> {
        self.expect(&Phase::Copy, "a prune that does not copy")?;
        self.output.begin_run_of(packs)
    }

    /// The name of the next run made of others.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while another run is being written, or when nothing is to be merged now.
    pub fn begin_merged_run(&mut self) -> Result<RunId<S>, Stop> {
        self.expect(&Phase::Merge, "a prune that does not merge")?;
        self.output.begin_merged_run()
    }

    /// What came of storing a run.
    ///
    /// # Errors
    /// [`Stop::Fenced`], [`Stop::Misuse`].
    pub fn run_stored(&mut self, outcome: Outcome<S>) -> Result<(), Stop> {
        if !matches!(self.phase, Phase::Copy | Phase::Merge) {
            return Err(Stop::Misuse("a prune that publishes nothing"));
        }
        let stored = self.output.run_stored(outcome);
        self.or_fenced(stored)
    }

    /// Of these packs not everything could be copied, because it is damaged: they stay as they are. What was to be copied
    /// out of the way is not condemned, and what is condemned already is not deleted.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when nothing is to be copied now.
    pub fn leave(&mut self, packs: &[PackId<S>]) -> Result<(), Stop> {
        self.expect(&Phase::Copy, "a prune that does not copy")?;
        self.plan.leave(packs);
        Ok(())
    }

    /// Everything to be copied is stored and stands in a run.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while a pack or run is in flight or a pack stands in no run.
    pub fn copied(&mut self) -> Result<(), Stop> {
        self.expect(&Phase::Copy, "a prune that does not copy")?;
        if !self.output.is_published() {
            return Err(Stop::Misuse("copies that stand in no run"));
        }
        self.phase = self.after_copy();
        Ok(())
    }

    fn after_copy(&self) -> Phase<S> {
        if self.plan.void.is_empty() { self.after_void() } else { Phase::Void(self.plan.void.clone()) }
    }

    fn after_void(&self) -> Phase<S> {
        if self.plan.delete.is_empty() { self.after_delete() } else { Phase::Delete }
    }

    /// All is deleted that it asked for, but what the storage refused (object lock). A record with such a name stays
    /// open.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn deleted(&mut self, refused: &[Removal<S>]) -> Result<(), Stop> {
        self.phase = match self.phase {
            Phase::Delete => {
                self.plan.refused(refused);
                self.after_delete()
            }
            Phase::Sweep => self.after_sweep(),
            _ => return Err(Stop::Misuse("a prune did not ask to delete")),
        };
        Ok(())
    }

    fn after_delete(&self) -> Phase<S> {
        if self.plan.merge.is_empty() { self.after_merge() } else { Phase::Merge }
    }

    /// Whether the rows of a pack are left out of merged runs: it is deleted.
    pub fn is_dropped(&self, pack: PackId<S>) -> bool {
        self.plan.is_dropped(pack)
    }

    /// The runs made of others are stored.
    ///
    /// # Errors
    /// [`Stop::Misuse`] while a run is in flight.
    pub fn merged(&mut self) -> Result<(), Stop> {
        self.expect(&Phase::Merge, "a prune that does not merge")?;
        if !self.output.is_published() {
            return Err(Stop::Misuse("a merged run that is not stored"));
        }
        self.phase = self.after_merge();
        Ok(())
    }

    fn after_merge(&self) -> Phase<S> {
        if !self.plan.condemn.is_empty() && self.rules.keeps(Rule::RecordBeforeSessions) {
            Phase::Condemn
        } else if self.plan.condemn.is_empty() && self.plan.ripe.is_empty() {
            self.after_notes()
        } else {
            Phase::SessionsNow
        }
    }

    fn sessions_now(&self) -> Phase<S> {
        let notes = self.plan.notes(self.session, &self.view.open_sessions());
        if notes.is_empty() { self.after_notes() } else { Phase::Notes(notes) }
    }

    fn notes(&self, mut objects: Vec<Object<S>>) -> Phase<S> {
        objects.pop();
        if objects.is_empty() { self.after_notes() } else { Phase::Notes(objects) }
    }

    fn after_notes(&self) -> Phase<S> {
        if self.plan.sweep.is_empty() { self.after_sweep() } else { Phase::Sweep }
    }

    fn after_sweep(&self) -> Phase<S> {
        if self.rules.keeps(Rule::PruneSession) { Phase::End } else { Phase::Done }
    }

    /// Ends the pass where it is: a chunk is lost, or another prune deleted what this one was to copy. What it has
    /// published stays, and another pass goes on.
    ///
    /// # Errors
    /// [`Stop::Misuse`] before it has started or after it is over.
    pub fn abandon(&mut self) -> Result<(), Stop> {
        match self.phase {
            Phase::Start | Phase::Done | Phase::Fenced => Err(Stop::Misuse("a prune that is not under way")),
            _ => {
                self.phase = self.after_sweep();
                Ok(())
            }
        }
    }

    fn expect(&self, phase: &Phase<S>, otherwise: &'static str) -> Result<(), Stop> {
        match &self.phase {
            Phase::Fenced => Err(Stop::Fenced),
            current if current == phase => Ok(()),
            _ => Err(Stop::Misuse(otherwise)),
        }
    }

    fn or_fenced(&mut self, result: Result<(), Stop>) -> Result<(), Stop> {
        if result == Err(Stop::Fenced) {
            self.phase = Phase::Fenced;
        }
        result
    }
}
