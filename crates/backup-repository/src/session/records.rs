use super::objects::{Sessions, read_clear};
use crate::format::ids::SessionId;
use crate::format::record::RecordKind;
use crate::protocol::Record;
use crate::repository::Inner;
use backup_core::{ErrorKind, Key, Result, StorageExt};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// The records under `condemned/`. `now` is the storage's time, by an object just written; without it no record counts
/// as older than the grace.
///
/// # Errors
/// `Damaged` for a record that cannot be read: nothing may be decided without it.
pub(crate) async fn condemned(inner: &Inner, grace: Duration, now: Option<SystemTime>) -> Result<Vec<Record>> {
    // A prune may remove one between the listing and its reading: then what the listing showed is no more. Each time
    // another one has to go, so the end is near.
    const TIMES: u32 = 100;
    for _ in 1..TIMES {
        match list(inner, grace, now).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
    }
    list(inner, grace, now).await
}

async fn list(inner: &Inner, grace: Duration, now: Option<SystemTime>) -> Result<Vec<Record>> {
    let mut records: BTreeMap<SessionId, Record> = BTreeMap::new();
    for (key, meta) in inner.storage.list_all("condemned/").await? {
        let Some((name, part)) = record_of(&key) else { continue };
        let blank = || Record { name, names: None, waits: None, gone: None, is_graced: false };
        let record = records.entry(name).or_insert_with(blank);
        match part {
            "" => {
                record.names = Some(read_clear(inner, RecordKind::Condemned, &key).await?);
                record.is_graced =
                    now.is_some_and(|now| now.duration_since(meta.modified).is_ok_and(|age| age >= grace));
            }
            "waits" => record.waits = Some(read_sessions(inner, RecordKind::Waits, &key).await?),
            _ => record.gone = Some(read_sessions(inner, RecordKind::Gone, &key).await?),
        }
    }
    Ok(records.into_values().collect())
}

async fn read_sessions(inner: &Inner, kind: RecordKind, key: &Key) -> Result<Vec<SessionId>> {
    Ok(read_clear::<Sessions>(inner, kind, key).await?.sessions)
}

/// Record and part (`""`, `waits`, `gone`) that a key names.
pub(crate) fn record_of(key: &Key) -> Option<(SessionId, &'static str)> {
    let name = key.as_str().strip_prefix("condemned/")?;
    let (session, part) = match name.split_once('.') {
        None => (name, ""),
        Some((session, "waits")) => (session, "waits"),
        Some((session, "gone")) => (session, "gone"),
        Some(_) => return None,
    };
    Some((SessionId::from_hex(session).ok()?, part))
}
