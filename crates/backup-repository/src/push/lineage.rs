use crate::format::ids::SessionId;
use crate::notes::{Missing, Seen, remember_own};
use crate::repository::Inner;
use backup_core::{ErrorKind, Event, Observer, Result};

/// Where a new snapshot stands among those of its writer and name.
pub(super) struct Lineage {
    /// One more than its predecessor's.
    pub(super) sequence: u64,
    /// The newest that counts.
    pub(super) previous: Option<SessionId>,
    count: u64,
    missing: Vec<Missing>,
}

impl Lineage {
    /// Looks for the predecessor, and tells what this machine has seen and is not there.
    ///
    /// # Errors
    /// What the storage said.
    pub(super) async fn find(inner: &Inner, name: &str, series: &[u8; 4], observer: &dyn Observer) -> Result<Self> {
        let seen = Seen::load(inner);
        let listed = inner.listed().await?;
        let missing = seen.missing(inner, &listed).await?;
        for missing in &missing {
            observer.event(Event::Warning(missing.to_string()));
        }
        let own: Vec<SessionId> =
            listed.snapshots.iter().map(|(id, _)| *id).filter(|id| id.series() == *series).collect();
        let count = own.len() as u64 + 1;
        for (passed_over, id) in (1..).zip(own.iter().rev()) {
            match inner.snapshot(id).await {
                Ok(snapshot) if snapshot.head.name == name => {
                    let sequence = snapshot.head.sequence.saturating_add(passed_over);
                    return Ok(Lineage { sequence, previous: Some(*id), count, missing });
                }
                Ok(_) => {}
                // One that does not count may vanish without leaving a gap, so it is nobody's predecessor.
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => {}
                // A newer version's.
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Lineage { sequence: count, previous: None, count, missing })
    }

    /// After the commit: what this machine has made, it has seen.
    pub(super) fn remember(&self, inner: &Inner, own: SessionId) {
        remember_own(inner, own, self.count, &self.missing);
    }
}
