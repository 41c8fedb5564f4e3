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
        let Some((name, part)) = split(&key) else { continue };
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
fn split(key: &Key) -> Option<(SessionId, &'static str)> {
    let name = key.as_str().strip_prefix("condemned/")?;
    let (session, part) = match name.split_once('.') {
        None => (name, ""),
        Some((session, "waits")) => (session, "waits"),
        Some((session, "gone")) => (session, "gone"),
        Some(_) => return None,
    };
    Some((SessionId::from_hex(session).ok()?, part))
}

#[cfg(test)]
mod tests {
    use super::split;
    use crate::format::ids::{PackName, RunName};
    use crate::format::snapshot::snapshot_of;
    use crate::session::{session_of, session_of_void};
    use crate::{keys, notes};
    use backup_core::Key;

    #[test]
    fn an_object_has_one_name() {
        let names = |key: &Key| {
            let is_stored = PackName::from_key(key).is_some() || RunName::from_key(key).is_some();
            let is_session = session_of(key).is_some() || snapshot_of(key).is_some() || session_of_void(key).is_some();
            let is_signed = keys::kind_of(key).is_some() || notes::kind_of(key).is_some() || split(key).is_some();
            is_stored || is_session || is_signed
        };
        let (id, capitals) = ("ab".repeat(16), "AB".repeat(16));
        for name in [
            "condemned/{}",
            "condemned/{}.waits",
            "condemned/{}.gone",
            "index/{}-7",
            "index/{}.void",
            "notes/{}/7",
            "notes/{}/forgotten",
            "packs/ab/{}-7",
            "sessions/{}/7",
            "sessions/{}/end",
            "snapshots/{}",
            "receipts/7",
            "keys/identity/7",
        ] {
            let own = name.replace("{}", &id);
            assert!(names(&Key::new(&own).unwrap()), "{own}");
            let others = [name.replace("{}", &capitals), own.replace('7', "07"), own.replace('7', "+7")];
            for other in others.iter().filter(|other| **other != own) {
                assert!(!names(&Key::new(other).unwrap()), "{other}");
            }
        }
    }
}
