//! Side effects outside our storages, written down before they happen.

mod memory;

pub use memory::MemoryJournal;

use crate::{ActionSpec, Result};
use async_trait::async_trait;
use std::fmt::{self, Debug};

/// A side effect to be taken back: where, and what to do there.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoRecord {
    /// The chain as its connections describe themselves, outermost first.
    pub chain: Vec<String>,
    /// What to do at its end.
    pub undo: ActionSpec,
}

impl UndoRecord {
    /// A record.
    pub fn new(chain: Vec<String>, undo: ActionSpec) -> Self {
        UndoRecord { chain, undo }
    }
}

impl fmt::Display for UndoRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.undo, self.chain.join(" → "))
    }
}

/// Keeps records of side effects over the death of the process that caused them.
#[async_trait]
pub trait Journal: Debug + Send + Sync {
    /// Writes a record; it is durable when this returns. The lease says that its run is alive.
    ///
    /// # Errors
    /// `AccessDenied`, `NoSpace`, `Io`; the side effect must not happen then.
    async fn record(&self, record: UndoRecord) -> Result<Box<dyn Lease>>;

    /// The records, oldest first, that nobody holds a lease of: their runs are over and did not undo them. Each comes
    /// with a new lease, so that of several callers one gets it.
    ///
    /// # Errors
    /// When the journal cannot be read. One record that cannot be read is [`Pending::Unreadable`] and hides no other.
    async fn pending(&self) -> Result<Vec<Pending>>;
}

/// The hold on a record. Dropping it leaves the record pending.
#[async_trait]
pub trait Lease: Debug + Send + Sync {
    /// Removes the record: its side effect is undone.
    ///
    /// # Errors
    /// When it could not be removed; it stays pending.
    async fn done(self: Box<Self>) -> Result<()>;
}

/// What a journal holds of a run that is over.
#[derive(Debug)]
pub enum Pending {
    /// A side effect to be taken back.
    Record(UndoRecord, Box<dyn Lease>),
    /// A record that cannot be read: which, and why. A person must look.
    Unreadable(crate::Error),
}
