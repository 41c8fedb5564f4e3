use super::folder::Folder;
use super::note;
use crate::crypto::SignerId;
use crate::format::ids::SessionId;
use crate::format::snapshot::snapshot_key;
use crate::protocol::Occupant;
use crate::repository::{Inner, Needs, Repository};
use crate::session;
use backup_core::{BackupId, Error, ErrorKind, Key, Result};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::HashSet;
use std::sync::PoisonError;

/// Small objects read at once.
pub(super) const AT_ONCE: usize = 16;

/// The snapshots that owners have forgotten.
///
/// # Errors
/// What the storage said.
pub(crate) async fn forgotten(inner: &Inner) -> Result<HashSet<SessionId>> {
    let folder = Folder::read(inner).await?;
    let read = stream::iter(folder.said_forgotten()).map(|snapshot| {
        let folder = &folder;
        async move { Ok::<_, Error>(folder.is_forgotten(inner, &snapshot).await?.then_some(snapshot)) }
    });
    let found: Vec<Option<SessionId>> = read.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Forgets a snapshot unless it is held, or needed. One of a newer version goes as well.
///
/// # Errors
/// `AccessDenied` for one that is held; `InvalidInput` for one that another one needs; what the storage said.
pub(crate) async fn forget(inner: &Inner, snapshot: SessionId) -> Result<()> {
    inner.may_delete()?;
    let folder = Folder::read_one(inner, &snapshot).await?;
    match inner.counting(&snapshot).await {
        Ok(found) => {
            refuse_held(inner, &folder, &snapshot, found.head.label.domain).await?;
            refuse_needed(inner, &snapshot, found.signer).await?;
        }
        // One that does not count goes, too: it would hold up every prune. So would a tombstone that cannot be read.
        Err(error) if error.kind() == ErrorKind::Damaged => {}
        Err(error) if error.kind() == ErrorKind::NotFound && is_unclear(inner, &snapshot).await? => {}
        Err(error) => return Err(error),
    }
    session::forget(inner, snapshot).await?;
    let numbers = folder.numbers(&snapshot).iter();
    let keys: Vec<Key> = numbers.map(|number| note::key(&snapshot, *number)).collect::<Result<_>>()?;
    session::discard(inner, &keys).await
}

/// Whether something stands there that is neither a snapshot nor a tombstone that can be read.
async fn is_unclear(inner: &Inner, snapshot: &SessionId) -> Result<bool> {
    match session::occupant(inner, &snapshot_key(snapshot)?).await {
        Ok(occupant) => Ok(matches!(occupant, Occupant::Other)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

async fn refuse_held(inner: &Inner, folder: &Folder, snapshot: &SessionId, domain: u32) -> Result<()> {
    let Some((_, note)) = folder.note(inner, snapshot, inner.index_key_of(domain)?).await? else { return Ok(()) };
    let Some(reason) = note.hold else { return Ok(()) };
    let held =
        Error::new(ErrorKind::AccessDenied, "the snapshot is held: release it first").context("snapshot", snapshot);
    Err(if reason.is_empty() { held } else { held.context("reason", reason) })
}

/// What a snapshot says that it needs counts of older ones of its own signer, and in those of owners: nobody holds up
/// what is others', and no two each other.
async fn refuse_needed(inner: &Inner, snapshot: &SessionId, signer: SignerId) -> Result<()> {
    let needs = |id: &SessionId| inner.needs.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
    let others = inner.snapshot_ids().await?.into_iter().filter(|id| id > snapshot);
    let read = stream::iter(others).map(|id| async move {
        if let Some(known) = needs(&id) {
            return Ok(Some((id, known)));
        }
        let found = inner.if_counting(&id).await?;
        Ok::<_, Error>(found.map(|found| (id, Needs { signer: found.signer, snapshots: found.head.label.needs })))
    });
    let read: Vec<Option<(SessionId, Needs)>> = read.buffer_unordered(AT_ONCE).try_collect().await?;
    let may = |needing: &SignerId| *needing == signer || *needing == inner.config.signing.id();
    match read.iter().flatten().find(|(_, needs)| may(&needs.signer) && needs.snapshots.contains(snapshot)) {
        Some((id, _)) => {
            Err(Error::new(ErrorKind::InvalidInput, "another snapshot needs this one: forget that one first")
                .context("snapshot", snapshot)
                .context("needed_by", id))
        }
        None => Ok(()),
    }
}

impl Repository {
    /// Says of a snapshot that is not there that it is forgotten, so that nobody misses it any more.
    ///
    /// # Errors
    /// `InvalidInput` for one that is there; `AccessDenied` for a writer; what the storage said.
    pub async fn forget_missing(&self, id: &BackupId) -> Result<()> {
        let inner = &*self.0;
        inner.need_owner("forget a snapshot")?;
        inner.may_delete()?;
        let snapshot = SessionId::from_hex(&id.0)?;
        match inner.storage.stat(&snapshot_key(&snapshot)?).await {
            Ok(_) => Err(Error::new(ErrorKind::InvalidInput, "the snapshot is there").context("snapshot", id)),
            Err(error) if error.kind() == ErrorKind::NotFound => session::forget(inner, snapshot).await,
            Err(error) => Err(error),
        }
    }
}
