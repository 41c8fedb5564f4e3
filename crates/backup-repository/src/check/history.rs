//! What is said of snapshots, and which should be there.

use super::control::CheckedSnapshot;
use super::findings::Findings;
use crate::format::snapshot::snapshot_key;
use crate::notes::{Missing, Seen, kind_of};
use crate::repository::{Inner, Listed};
use crate::session::is_valid;
use backup_core::{Error, ErrorKind, Result, StorageExt};
use futures_util::stream::{self, StreamExt, TryStreamExt};

/// Small objects read at once.
const AT_ONCE: usize = 16;

/// Notes and receipts that are not validly signed by an owner.
pub(super) async fn notes(inner: &Inner, findings: &mut Findings) -> Result<()> {
    let mut listed = inner.storage.list_all("notes/").await?;
    listed.extend(inner.storage.list_all("receipts/").await?);
    let known = listed.into_iter().filter_map(|(key, _)| kind_of(&key).map(|kind| (key, kind)));
    let read = stream::iter(known).map(|(key, (kind, snapshot))| async move {
        let is_valid = is_valid(inner, kind, &key).await?;
        Ok::<_, Error>((key, snapshot, is_valid))
    });
    for (key, snapshot, is_valid) in read.buffered(AT_ONCE).try_collect::<Vec<_>>().await? {
        findings.checked("notes", 1);
        if is_valid {
            continue;
        }
        let problem = Error::new(ErrorKind::Damaged, "it is not as an owner wrote it: nothing that it says counts");
        match snapshot {
            Some(snapshot) => findings.of_snapshot(key.to_string(), &problem, snapshot),
            None => findings.object(Ok(key), &problem),
        }
    }
    Ok(())
}

/// Snapshots that are gone though nobody forgot them: those that their successors name, and the newest that this machine
/// has seen.
pub(super) async fn gaps(
    inner: &Inner,
    listed: &Listed,
    snapshots: &[CheckedSnapshot],
    seen: Seen,
    findings: &mut Findings,
) -> Result<()> {
    for snapshot in snapshots {
        let Some(previous) = snapshot.previous.filter(|id| id.series() == snapshot.id.series()) else { continue };
        if !listed.has(&previous) && !listed.notes.is_forgotten(inner, &previous).await? {
            let problem = Error::new(ErrorKind::Damaged, "the snapshot is gone, and nobody forgot it")
                .context("its successor", snapshot.id);
            findings.of_snapshot(snapshot_key(&previous)?.to_string(), &problem, previous);
        }
    }
    let missing = seen.missing(inner, listed).await?;
    for Missing { id, .. } in &missing {
        let problem = Error::new(
            ErrorKind::Damaged,
            "the snapshot is gone, and nobody forgot it: the storage shows an older state than this machine has seen",
        );
        let session = crate::SessionId::from_hex(&id.0)?;
        findings.of_snapshot(snapshot_key(&session)?.to_string(), &problem, session);
    }
    seen.remember(listed, &missing, snapshots.iter().map(|snapshot| &snapshot.id));
    Ok(())
}
