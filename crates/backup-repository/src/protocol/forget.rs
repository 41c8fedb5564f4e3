use super::names::SessionName;
use super::object::{Object, Outcome, Removal};
use super::rules::{Rule, Rules};
use super::stop::Stop;
use crate::format::ids::SessionId;

/// Forgets a snapshot: first a note that it does not count, then the snapshot is deleted.
///
/// The note stays. A create of the snapshot whose answer was lost may be tried again by its writer long after the
/// snapshot was deleted and its chunks with it; without the note it would count again.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Forget<S = SessionId> {
    snapshot: S,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Note,
    Delete,
    Done,
}

/// What a forget wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ForgetTask<S = SessionId> {
    /// Create it and say what came of it with [`Forget::created`].
    Create(Object<S>),
    /// Delete it and say so with [`Forget::deleted`]. A storage that refuses loses nothing: the note counts.
    Delete(Removal<S>),
    /// The snapshot is forgotten.
    Done,
}

impl<S: SessionName> Forget<S> {
    /// Of this snapshot.
    pub fn new(snapshot: S) -> Self {
        Forget::with(snapshot, Rules::default())
    }

    #[doc(hidden)]
    pub fn with(snapshot: S, rules: Rules) -> Self {
        Forget { snapshot, phase: if rules.keeps(Rule::NoteForgotten) { Phase::Note } else { Phase::Delete } }
    }

    /// What to do now.
    pub fn next(&self) -> ForgetTask<S> {
        match self.phase {
            Phase::Note => ForgetTask::Create(Object::Forgotten(self.snapshot)),
            Phase::Delete => ForgetTask::Delete(Removal::Snapshot(self.snapshot)),
            Phase::Done => ForgetTask::Done,
        }
    }

    /// What came of the note. That another stands there already is as good.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn created(&mut self, _outcome: Outcome<S>) -> Result<(), Stop> {
        match self.phase {
            Phase::Note => self.phase = Phase::Delete,
            _ => return Err(Stop::Misuse("a forget did not ask for an object")),
        }
        Ok(())
    }

    /// The snapshot is deleted, or the storage refused.
    ///
    /// # Errors
    /// [`Stop::Misuse`] when it had not asked.
    pub fn deleted(&mut self) -> Result<(), Stop> {
        match self.phase {
            Phase::Delete => self.phase = Phase::Done,
            _ => return Err(Stop::Misuse("a forget did not ask to delete")),
        }
        Ok(())
    }
}
