//! Whether there is no snapshot any more, or the storage does not show them.

use crate::format::ids::SessionId;
use crate::notes::{Receipts, Seen};
use crate::protocol::{ListedSession, ListedSnapshot};
use crate::repository::Inner;
use crate::session::Upkeep;
use backup_core::{Error, ErrorKind, Result};
use std::collections::{BTreeSet, HashSet};
use std::fmt;

/// The source of the error of a prune that does not believe that no snapshot is left: [`PruneOptions::with_believe_empty`]
/// lets it.
///
/// [`PruneOptions::with_believe_empty`]: super::PruneOptions::with_believe_empty
#[derive(Clone, Copy, Debug)]
pub struct NoSnapshots;

impl fmt::Display for NoSnapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no snapshot is listed")
    }
}

impl std::error::Error for NoSnapshots {}

/// Snapshots named in an error.
const NAMED: usize = 5;

/// What the listings of a pass say of snapshots.
pub(super) struct Evidence<'a> {
    pub(super) sessions: &'a [ListedSession<SessionId>],
    pub(super) snapshots: &'a [ListedSnapshot<SessionId>],
    pub(super) forgotten: &'a HashSet<SessionId>,
}

impl Evidence<'_> {
    /// Refuses to believe that there is no snapshot, unless one was forgotten and so was every other of which something is
    /// known: by receipts, by what this machine has seen, by a session that ended itself and may have committed.
    ///
    /// # Errors
    /// `Damaged`, with what to do; what the storage said.
    pub(super) async fn none_is_left(&self, inner: &Inner) -> Result<()> {
        let fenced = |id: &SessionId| self.snapshots.iter().any(|s| s.session == *id && s.tombstone.is_some());
        let own: Vec<[u8; 4]> = Upkeep::NAMES.iter().map(|name| inner.series(name)).collect::<Result<_>>()?;
        let ended = self.sessions.iter().filter(|listed| listed.has_ended).map(|listed| listed.session);
        let mut expected: BTreeSet<SessionId> = ended.filter(|id| !own.contains(&id.series())).collect();
        expected.extend(Seen::load(inner).ids());
        expected.extend(Receipts::read(inner).await?.ids());
        expected.retain(|id| !self.forgotten.contains(id) && !fenced(id));
        if expected.is_empty() && !self.forgotten.is_empty() {
            return Ok(());
        }
        let what = "there is no snapshot beside a full index: nothing is freed, for they may have been lost. Look into the \
                    storage. Forget each that is gone for good; or, if there is none that matters, push before you prune or \
                    let prune believe that none is left";
        let mut names: Vec<String> = expected.iter().rev().take(NAMED).map(SessionId::to_string).collect();
        if expected.len() > NAMED {
            names.push(format!("and {} more", expected.len() - NAMED));
        }
        let error = Error::new(ErrorKind::Damaged, what).source(NoSnapshots);
        Err(if names.is_empty() { error } else { error.context("there may have been", names.join(", ")) })
    }
}
