//! What a pass lists, in the form in which the machine takes it.

use crate::format::ids::{RunName, SessionId};
use crate::format::record::{MAX_RECORD, RawRecord, RecordKind, from_json};
use crate::format::snapshot::{TreeRoot, read_body, snapshot_of};
use crate::locate::MAX_TOMBSTONE;
use crate::notes::forgotten;
use crate::protocol::{ListedSnapshot, ListedTombstone, Tombstone};
use crate::repository::{Counting, Inner};
use crate::session::{is_valid, session_of_void};
use backup_core::{Error, ErrorKind, Key, Result, StorageExt};
use futures_util::stream::{StreamExt, iter};
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

/// Small objects read at once.
const AT_ONCE: usize = 16;
/// No writer waits longer than this to repeat a create.
const EXPIRED: Duration = Duration::from_secs(365 * 24 * 3600);

/// A run that was listed and is no tombstone.
#[derive(Clone, Debug)]
pub(super) struct ListedRun {
    pub(super) name: RunName,
    pub(super) key: Key,
    pub(super) length: u64,
}

/// A snapshot that counts.
#[derive(Clone, Debug)]
pub(super) struct MarkedSnapshot {
    pub(super) id: SessionId,
    pub(super) domain: u32,
    pub(super) trees: Vec<TreeRoot>,
}

fn is_older(modified: SystemTime, now: SystemTime, age: Duration) -> bool {
    now.duration_since(modified).is_ok_and(|passed| passed >= age)
}

/// What stands under `snapshots/`, those of them whose data must stay, and which were forgotten.
pub(super) async fn snapshots(
    inner: &Inner,
    now: SystemTime,
) -> Result<(Vec<ListedSnapshot<SessionId>>, Vec<MarkedSnapshot>, HashSet<SessionId>)> {
    let listed = inner.storage.list_all("snapshots/").await?;
    // The notes after the snapshots: one that came back after it was forgotten has its note already.
    let forgotten = forgotten(inner).await?;
    let read = iter(listed).map(|(key, meta)| {
        let forgotten = &forgotten;
        async move {
            let Some(id) = snapshot_of(&key) else { return Ok(None) };
            let is_forgotten = forgotten.contains(&id);
            let Some(found) = snapshot(inner, &id, &key, is_forgotten).await? else { return Ok(None) };
            let is_expired = is_older(meta.modified, now, EXPIRED);
            let listed = |tombstone| ListedSnapshot { session: id, tombstone, is_forgotten, is_expired };
            Ok::<_, Error>(Some(match found {
                Found::Tombstone(tombstone) => (listed(Some(tombstone)), None),
                Found::Snapshot(marked) => (listed(None), marked),
            }))
        }
    });
    let mut all = Vec::new();
    let mut marked = Vec::new();
    let mut read = read.buffered(AT_ONCE);
    while let Some(found) = read.next().await {
        let Some((listed, snapshot)) = found? else { continue };
        all.push(listed);
        marked.extend(snapshot);
    }
    drop(read);
    Ok((all, marked, forgotten))
}

enum Found {
    Tombstone(Tombstone),
    /// None when it is forgotten: it need not be readable.
    Snapshot(Option<MarkedSnapshot>),
}

/// What stands under a snapshot's key; none when it has gone since it was listed.
async fn snapshot(inner: &Inner, id: &SessionId, key: &Key, is_forgotten: bool) -> Result<Option<Found>> {
    let unreadable = |error: Error| {
        // Guessing that it refers to nothing would delete what it refers to.
        let advice = match error.kind() {
            ErrorKind::Unsupported => "prune with a newer backup, or forget the snapshot by its whole id",
            _ => "`backup check` says more; forget it to prune without it",
        };
        error.context("key", key).context("advice", advice)
    };
    let bytes = match inner.storage.get_bytes(key, MAX_RECORD).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::Damaged && is_forgotten => return Ok(Some(Found::Snapshot(None))),
        Err(error) => return Err(unreadable(error)),
    };
    if let Ok(raw) = RawRecord::parse(&bytes)
        && inner.signers.verify(RecordKind::Tombstone, key, &raw).is_ok()
    {
        return match from_json(raw.payload) {
            Ok(tombstone) => Ok(Some(Found::Tombstone(tombstone))),
            Err(_) if is_forgotten => Ok(Some(Found::Snapshot(None))),
            Err(error) => Err(unreadable(error)),
        };
    }
    if is_forgotten {
        return Ok(Some(Found::Snapshot(None)));
    }
    let snapshot = inner.counting_of(id, key.clone(), &bytes).and_then(Counting::read).map_err(unreadable)?;
    let components = read_body(key, &inner.identities, &snapshot.payload).map_err(unreadable)?;
    let trees = components.iter().filter_map(|component| component.tree).collect();
    Ok(Some(Found::Snapshot(Some(MarkedSnapshot { id: *id, domain: snapshot.head.domain, trees }))))
}

/// Runs, and what stands in the place of runs.
pub(super) async fn index(inner: &Inner, now: SystemTime) -> Result<(Vec<ListedRun>, Vec<ListedTombstone<SessionId>>)> {
    let (mut runs, mut tombstones) = (Vec::new(), Vec::new());
    for (key, meta) in inner.storage.list_all("index/").await? {
        let is_expired = is_older(meta.modified, now, EXPIRED);
        if let Some(session) = session_of_void(&key) {
            if is_valid(inner, RecordKind::Void, &key).await? {
                tombstones.push(ListedTombstone { session, number: None, is_expired });
            }
        } else if let Some(name) = RunName::from_key(&key) {
            let is_tombstone =
                meta.size_bytes < MAX_TOMBSTONE && is_valid(inner, RecordKind::RunTombstone, &key).await?;
            if is_tombstone {
                let (session, number) = (name.0.session, Some(name.0.number));
                tombstones.push(ListedTombstone { session, number, is_expired });
            } else {
                runs.push(ListedRun { name, key, length: meta.size_bytes });
            }
        }
    }
    Ok((runs, tombstones))
}
