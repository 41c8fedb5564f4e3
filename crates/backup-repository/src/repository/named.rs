//! Snapshots by their names: what stands under one is read when that is asked.

use super::inner::Inner;
use crate::format::ids::SessionId;
use crate::format::snapshot::{snapshot_key, snapshot_of};
use crate::notes::Folder;
use crate::protocol::Occupant;
use backup_core::{ErrorKind, Key, ObjectMeta, Result, StorageExt};
use std::collections::BTreeMap;

/// A tombstone in a snapshot's place is no longer, in bytes; every snapshot is.
const MAX_TOMBSTONE: u64 = 256;

/// What listings of the snapshots and the notes showed.
#[derive(Debug)]
pub(crate) struct Named {
    objects: BTreeMap<SessionId, ObjectMeta>,
    pub(crate) notes: Folder,
}

impl Named {
    /// Lists both.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn read(inner: &Inner) -> Result<Self> {
        let listed = inner.storage.list_all("snapshots/").await?;
        // Read after the snapshots: one that its writer created once more after it was forgotten does not come back.
        let notes = Folder::read(inner).await?;
        let objects = listed.into_iter().filter_map(|(key, meta)| Some((snapshot_of(&key)?, meta))).collect();
        Ok(Named { objects, notes })
    }

    /// All that is listed, in the order of the ids, whatever it is.
    pub(crate) fn objects(&self) -> &BTreeMap<SessionId, ObjectMeta> {
        &self.objects
    }

    /// Whether a listed object is no tombstone and not forgotten: a snapshot, or what is left of one.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn stands(&self, inner: &Inner, id: &SessionId) -> Result<bool> {
        let Some(meta) = self.objects.get(id) else { return Ok(false) };
        if self.notes.is_forgotten(inner, id).await? {
            return Ok(false);
        }
        Ok(meta.size_bytes > MAX_TOMBSTONE || !is_tombstone(inner, &snapshot_key(id)?).await?)
    }
}

/// Whether what stands under a snapshot's key says that the session never commits.
async fn is_tombstone(inner: &Inner, key: &Key) -> Result<bool> {
    match crate::session::occupant(inner, key).await {
        Ok(occupant) => Ok(matches!(occupant, Occupant::SnapshotTombstone(_))),
        // Removed since it was listed.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
