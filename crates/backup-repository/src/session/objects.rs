use crate::crypto::SignerId;
use crate::format::ids::{RunName, SessionId};
use crate::format::record::{self, MAX_RECORD, RawRecord, RecordKind, from_json, seal_json, to_json};
use crate::format::snapshot::{snapshot_key, to_ms};
use crate::keys::put_back;
use crate::locate::MAX_TOMBSTONE;
use crate::protocol::{Object, Occupant, Outcome, Tombstone};
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Key, Result, StorageExt};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// What a session's start and renewals say of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SessionInfo {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) domain: u32,
    /// Milliseconds since 1970, by the writer's clock.
    pub(crate) time: i64,
    /// Sessions that it means to take over, newest first.
    #[serde(default)]
    pub(crate) adopts: Vec<String>,
}

/// What a record of waits, or of what is gone, says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sessions {
    /// Ascending.
    pub(crate) sessions: Vec<SessionId>,
}

/// Creates an object of the protocol that is no pack, run or snapshot, and says what came of it. Where listings lag, it
/// returns when one shows it.
///
/// # Errors
/// What the storage said; `Internal` for an object that is written elsewhere.
pub(crate) async fn create(inner: &Inner, object: &Object, info: &SessionInfo) -> Result<Outcome> {
    let key = key_of(object)?;
    let (kind, payload) = match object {
        Object::Start { adopts, .. } => {
            put_back(inner).await?;
            let adopts = adopts.iter().map(SessionId::to_string).collect();
            (RecordKind::SessionStart, seal_json(&inner.keys.index, &key, &SessionInfo { adopts, ..info.clone() })?)
        }
        Object::Renewal { .. } => {
            let now = SessionInfo { time: to_ms(SystemTime::now()), ..info.clone() };
            (RecordKind::Renewal, seal_json(&inner.keys.index, &key, &now)?)
        }
        Object::End(_) => (RecordKind::SessionEnd, Vec::new()),
        Object::RunTombstone(_) => (RecordKind::RunTombstone, Vec::new()),
        Object::Void(_) => (RecordKind::Void, Vec::new()),
        Object::SnapshotTombstone { tombstone, .. } => (RecordKind::Tombstone, to_json(tombstone)?),
        Object::Condemned { names, .. } => (RecordKind::Condemned, to_json(names)?),
        Object::Waits { sessions, .. } => (RecordKind::Waits, to_json(&Sessions { sessions: sessions.clone() })?),
        Object::Gone { sessions, .. } => (RecordKind::Gone, to_json(&Sessions { sessions: sessions.clone() })?),
        Object::Forgotten(_) => (RecordKind::Forgotten, Vec::new()),
        Object::Run { .. } | Object::Commit(_) => {
            return Err(Error::new(ErrorKind::Internal, "this object is not written so").context("key", key));
        }
    };
    let outcome = create_record(inner, kind, &key, &payload).await?;
    // What follows is a listing that must show it, and what others did before.
    let lag = Duration::from_millis(inner.config.list_lag_ms);
    if !lag.is_zero() {
        tokio::time::sleep(lag).await;
    }
    Ok(outcome)
}

/// Creates a record under its key and says what came of it.
///
/// # Errors
/// What the storage said.
pub(crate) async fn create_record(inner: &Inner, kind: RecordKind, key: &Key, payload: &[u8]) -> Result<Outcome> {
    inner.may_write()?;
    let bytes: Bytes = record::write(kind, &inner.config.repository, key.as_str(), &inner.signing, payload)?;
    match inner.storage.create(key, bytes).await {
        Ok(_) => Ok(Outcome::Created),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Outcome::Taken(occupant(inner, key).await?)),
        Err(error) => Err(error),
    }
}

/// Which object stands under a key that is taken.
///
/// # Errors
/// What the storage said.
pub(crate) async fn occupant(inner: &Inner, key: &Key) -> Result<Occupant> {
    if key.as_str().starts_with("index/") {
        return occupant_of_run(inner, key).await;
    }
    let bytes = match inner.storage.get_bytes(key, MAX_RECORD).await {
        Ok(bytes) => bytes,
        // Longer than any record.
        Err(error) if error.kind() == ErrorKind::Damaged => return Ok(Occupant::Other),
        Err(error) => return Err(error),
    };
    // One that cannot be believed is somebody else's all the same.
    let Ok(raw) = RawRecord::parse(&bytes) else { return Ok(Occupant::Other) };
    let is = |kind| inner.signers.verify(kind, key, &raw).is_ok();
    if is(RecordKind::Snapshot) {
        Ok(Occupant::Commit)
    } else if is(RecordKind::Tombstone) {
        // Of one that does not parse nobody knows who took over.
        Ok(from_json::<Tombstone>(raw.payload).map_or(Occupant::Other, Occupant::SnapshotTombstone))
    } else {
        Ok(Occupant::Other)
    }
}

/// Which object stands in a run's place: a tombstone is one only if somebody signed it who may.
async fn occupant_of_run(inner: &Inner, key: &Key) -> Result<Occupant> {
    match inner.storage.get_bytes(key, MAX_TOMBSTONE).await {
        Ok(bytes) => {
            let raw = RawRecord::parse(&bytes).ok();
            let is_tombstone = raw.is_some_and(|raw| inner.signers.verify(RecordKind::RunTombstone, key, &raw).is_ok());
            Ok(if is_tombstone { Occupant::RunTombstone } else { Occupant::Other })
        }
        // Longer than any tombstone.
        Err(error) if error.kind() == ErrorKind::Damaged => match inner.storage.get_range(key, 0..8).await {
            Ok(head) if head == b"BKUPRUN1" => Ok(Occupant::Run),
            Ok(_) => Ok(Occupant::Other),
            Err(error) if error.kind() == ErrorKind::Damaged => Ok(Occupant::Other),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// Where an object of the protocol stands.
///
/// # Errors
/// None in practice: such keys are always valid.
pub(crate) fn key_of(object: &Object) -> Result<Key> {
    match object {
        Object::Start { session, .. } => Key::new(format!("sessions/{session}/0")),
        Object::Renewal { session, number } => Key::new(format!("sessions/{session}/{number}")),
        Object::End(session) => Key::new(format!("sessions/{session}/end")),
        Object::Run { run, .. } | Object::RunTombstone(run) => RunName::from(*run).key(),
        Object::Void(session) => Key::new(format!("index/{session}.void")),
        Object::Commit(session) | Object::SnapshotTombstone { session, .. } => snapshot_key(session),
        Object::Condemned { record, .. } => Key::new(format!("condemned/{record}")),
        Object::Waits { record, .. } => Key::new(format!("condemned/{record}.waits")),
        Object::Gone { record, .. } => Key::new(format!("condemned/{record}.gone")),
        Object::Forgotten(session) => Key::new(format!("notes/{session}/forgotten")),
    }
}

/// The session whose runs an `index/<s>.void` takes out.
pub(crate) fn session_of_void(key: &Key) -> Option<SessionId> {
    let session = key.as_str().strip_prefix("index/")?.strip_suffix(".void")?;
    SessionId::from_hex(session).ok()
}

/// Reads a clear record of an owner.
///
/// # Errors
/// `Damaged` when it is not what was written; what the storage said.
pub(crate) async fn read_clear<T: DeserializeOwned>(inner: &Inner, kind: RecordKind, key: &Key) -> Result<T> {
    let bytes = inner.storage.get_bytes(key, MAX_RECORD).await?;
    let raw = RawRecord::parse(&bytes).map_err(|e| e.context("key", key))?;
    raw.verify(kind, &inner.config.repository, key.as_str(), &inner.config.signing)
        .map_err(|e| e.context("key", key))?;
    from_json(raw.payload).map_err(|e| e.context("key", key))
}

/// Whether a record stands there as somebody wrote it who may. What a writer may sign is in [`RecordKind::is_writers`];
/// nobody but an owner ends the session of somebody else.
///
/// # Errors
/// What the storage said.
pub(crate) async fn is_valid(inner: &Inner, kind: RecordKind, key: &Key) -> Result<bool> {
    let Some(signer) = signer(inner, kind, key).await? else { return Ok(false) };
    match key.as_str().strip_suffix("/end") {
        Some(session) if kind == RecordKind::SessionEnd && signer != inner.config.signing.id() => {
            let start = Key::new(format!("{session}/0"))?;
            let started = self::signer(inner, RecordKind::SessionStart, &start).await?;
            // A session is swept with its end last: one without a start is not under way.
            Ok(started == Some(signer) || started.is_none() && is_missing(inner, &start).await?)
        }
        _ => Ok(true),
    }
}

/// Deletes what is not needed any more. What the storage refuses to delete (object lock) stays, as garbage.
///
/// # Errors
/// Anything else that the storage says.
pub(crate) async fn discard(inner: &Inner, keys: &[Key]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    match inner.storage.delete(keys).await {
        Err(error) if error.kind() != ErrorKind::AccessDenied => Err(error),
        _ => Ok(()),
    }
}

async fn is_missing(inner: &Inner, key: &Key) -> Result<bool> {
    match inner.storage.stat(key).await {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Who signed a record; nobody when it is not there, or signed by nobody who may.
pub(super) async fn signer(inner: &Inner, kind: RecordKind, key: &Key) -> Result<Option<SignerId>> {
    let Some((signer, payload)) = read_signed(inner, kind, key, MAX_RECORD).await? else { return Ok(None) };
    // What a writer adds to its own says nothing: it must not keep owners from their work.
    if kind.is_empty() && !payload.is_empty() && signer == inner.config.signing.id() {
        return Err(record::newer().context("key", key));
    }
    Ok(Some(signer))
}

/// Who signed a record of at most so many bytes, and its payload; none when it is not there, or signed by nobody who may.
///
/// # Errors
/// What the storage said.
pub(crate) async fn read_signed(
    inner: &Inner,
    kind: RecordKind,
    key: &Key,
    most: u64,
) -> Result<Option<(SignerId, Bytes)>> {
    let bytes = match inner.storage.get_bytes(key, most).await {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => return Ok(None),
        Err(error) => return Err(error),
    };
    let raw = RawRecord::parse(&bytes).ok().filter(|raw| inner.signers.verify(kind, key, raw).is_ok());
    Ok(raw.map(|raw| (raw.signer, bytes.slice_ref(raw.payload))))
}
