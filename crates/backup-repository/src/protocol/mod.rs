//! The concurrency protocol as a state machine without I/O: docs/protocol.md for people.
//!
//! Each machine says what to do next and is told what came of it. The engine does it on a storage, the model checker
//! (tests/checker) in every order that there is, a simulator in one. What safety rests on is decided here
//! and nowhere else: the order of listings, what counts as present, what may be condemned, deleted or forgotten, and
//! when a session is over.
//!
//! Machines: [`Writer`] (push, resume, sync), [`Repair`] (`repair index`), [`Prune`] (one pass), [`Fence`] (ends a lapsed
//! or resumed session), [`Forget`], [`Renewal`]. All are generic over the name of a session, so that the checker counts
//! in single bytes; chunks do not occur in them, only packs that hold them.

mod fence;
mod forget;
mod lease;
mod names;
mod object;
mod output;
mod prune;
mod repair;
mod rules;
mod stop;
#[cfg(test)]
mod tests;
mod writer;

pub use fence::{Fence, FenceTask, Verdict};
pub use forget::{Forget, ForgetTask};
pub use lease::{Lease, Renewal, RenewalTask};
pub use names::{PackId, RunId, SessionName};
pub use object::{Condemned, ListedSession, Object, Occupant, Outcome, Record, Removal, Tombstone};
pub use prune::{
    Findings, Holder, ListedSnapshot, ListedTombstone, MAX_CONDEMNED, Outlook, PackFacts, Prune, PruneTask, Standing,
    Survey, choose_holder,
};
pub use repair::{Repair, RepairTask};
pub use rules::{Rule, Rules};
pub use stop::Stop;
pub use writer::{Writer, WriterTask};
