use super::names::{RunId, SessionName};
use super::object::{Object, Occupant, Outcome, Tombstone};
use super::rules::{Rule, Rules};
use super::stop::Stop;
use crate::format::ids::SessionId;
use std::collections::BTreeSet;

/// Ends a session that does not end itself: by an owner once its lease has lapsed, or by its writer, who resumes.
///
/// It takes the two names that the session would create next, its snapshot and its next run; whoever loses the race
/// for a name knows it. Only then is `end` written, and only `end` makes a session count as over. Any number of fences
/// may work on one session, and one that stopped half-way is finished by the next.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fence<S = SessionId> {
    rules: Rules,
    target: S,
    by: Option<S>,
    phase: Phase,
    verdict: Verdict<S>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Snapshot,
    ListRuns,
    Run(u32),
    End,
    Done,
}

/// What a fence found or made of the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict<S = SessionId> {
    /// It had committed: its snapshot counts.
    Committed,
    /// It had not, and never will.
    Fenced(Tombstone<S>),
    /// Something stands in its snapshot's place that nobody can read, or that was signed by nobody who may: it commits
    /// nothing any more, and had committed if that is a snapshot which was damaged. Its packs are nobody else's.
    Unclear,
}

/// What a fence wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FenceTask<S = SessionId> {
    /// Create it and say what came of it with [`Fence::created`].
    Create(Object<S>),
    /// List `index/<s>-` of this session and give the names to [`Fence::runs`].
    ListRuns(S),
    /// The session is over.
    Done(Verdict<S>),
}

impl<S: SessionName> Fence<S> {
    /// Of `target`, by an owner. The caller has seen that its lease has lapsed, or a person said so.
    pub fn new(target: S) -> Self {
        Fence::with(target, None, Rules::default())
    }

    /// Of `target`, by the session `by` of the same writer, which takes over its packs.
    pub fn adopt(target: S, by: S) -> Self {
        Fence::with(target, Some(by), Rules::default())
    }

    #[doc(hidden)]
    pub fn with(target: S, by: Option<S>, rules: Rules) -> Self {
        Fence { rules, target, by, phase: Phase::Snapshot, verdict: Verdict::Committed }
    }

    /// What to do now.
    pub fn next(&self) -> FenceTask<S> {
        match self.phase {
            Phase::Snapshot => FenceTask::Create(Object::SnapshotTombstone {
                session: self.target,
                tombstone: Tombstone { by: self.by },
            }),
            Phase::ListRuns => FenceTask::ListRuns(self.target),
            Phase::Run(number) => FenceTask::Create(Object::RunTombstone(RunId { session: self.target, number })),
            Phase::End => FenceTask::Create(Object::End(self.target)),
            Phase::Done => FenceTask::Done(self.verdict),
        }
    }

    /// The names that a listing of the session's runs showed. The tombstone goes to the first that is free.
    ///
    /// A session counts its runs without gaps, and none of a session that is not over is ever deleted: the first free name
    /// is the one it will create next. What stands behind it is not of the session, and must not lead the fence past it.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn runs(&mut self, names: impl IntoIterator<Item = RunId<S>>) -> Result<(), Stop> {
        if self.phase != Phase::ListRuns {
            return Err(Stop::Misuse("a fence did not ask for runs"));
        }
        let taken: BTreeSet<u32> =
            names.into_iter().filter(|run| run.session == self.target).map(|run| run.number).collect();
        // Of what is sorted the first that is not at its place shows the gap.
        let free = (0..=u32::MAX).zip(&taken).find(|(number, taken)| number != *taken).map(|(number, _)| number);
        self.phase = Phase::Run(free.unwrap_or(u32::try_from(taken.len()).unwrap_or(u32::MAX)));
        Ok(())
    }

    /// What came of the object it asked for.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had asked for none, or an occupant does not belong under that name.
    pub fn created(&mut self, outcome: Outcome<S>) -> Result<(), Stop> {
        self.phase = match (self.phase, outcome) {
            (Phase::Snapshot, outcome) => {
                self.verdict = match outcome {
                    Outcome::Created => Verdict::Fenced(Tombstone { by: self.by }),
                    Outcome::Taken(Occupant::SnapshotTombstone(first)) => Verdict::Fenced(first),
                    Outcome::Taken(Occupant::Commit) => Verdict::Committed,
                    // The name is taken, and nobody frees it but who forgets the snapshot, by a note.
                    Outcome::Taken(Occupant::Other) => Verdict::Unclear,
                    Outcome::Taken(_) => return Err(Stop::Misuse("a run under snapshots/")),
                };
                if self.rules.keeps(Rule::FenceIndex) { Phase::ListRuns } else { Phase::End }
            }
            (Phase::Run(_), Outcome::Created | Outcome::Taken(Occupant::RunTombstone)) => Phase::End,
            // At the last number there is none left for another run.
            (Phase::Run(number), Outcome::Taken(_)) => number.checked_add(1).map_or(Phase::End, Phase::Run),
            (Phase::End, _) => Phase::Done,
            _ => return Err(Stop::Misuse("a fence did not ask for an object")),
        };
        Ok(())
    }
}
