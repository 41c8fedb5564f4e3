//! Deleting what the machine names, in its order.

use crate::format::ids::{PackName, RunName};
use crate::format::snapshot::snapshot_key;
use crate::protocol::Removal;
use crate::repository::Inner;
use crate::session::session_of;
use backup_core::{ErrorKind, Key, Result, StorageExt};

/// Keys that are deleted with one call.
const AT_ONCE: usize = 500;

/// Deletes as long as the session may go on, and gives what the storage refused to delete (object lock, policy).
///
/// # Errors
/// Anything else that the storage says.
pub(super) async fn delete(
    inner: &Inner,
    removals: &[Removal],
    may_go_on: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Vec<Removal>> {
    let mut refused = Vec::new();
    // Order matters between kinds, and inside a record; among packs and among runs it does not.
    for group in removals.chunk_by(|a, b| is_bulk(a) && std::mem::discriminant(a) == std::mem::discriminant(b)) {
        for some in group.chunks(AT_ONCE) {
            may_go_on()?;
            let mut keys = Vec::new();
            for removal in some {
                keys.extend(keys_of(inner, removal).await?);
            }
            match delete_keys(inner, &keys).await {
                Err(error) if error.kind() == ErrorKind::AccessDenied => {
                    one_by_one(inner, some, &mut refused).await?;
                }
                other => other?,
            }
        }
    }
    Ok(refused)
}

async fn delete_keys(inner: &Inner, keys: &[Key]) -> Result<()> {
    match keys.split_last() {
        // A session without its end would count as open again: it goes alone, after the rest.
        Some((end, rest)) if end.as_str().ends_with("/end") => {
            inner.storage.delete(rest).await?;
            inner.storage.delete(std::slice::from_ref(end)).await
        }
        _ => inner.storage.delete(keys).await,
    }
}

fn is_bulk(removal: &Removal) -> bool {
    matches!(removal, Removal::Pack(_) | Removal::Index(_) | Removal::Snapshot(_))
}

async fn one_by_one(inner: &Inner, removals: &[Removal], refused: &mut Vec<Removal>) -> Result<()> {
    for removal in removals {
        for key in keys_of(inner, removal).await? {
            match inner.storage.delete(&[key]).await {
                Err(error) if error.kind() == ErrorKind::AccessDenied => {
                    refused.push(*removal);
                    break;
                }
                other => other?,
            }
        }
    }
    Ok(())
}

async fn keys_of(inner: &Inner, removal: &Removal) -> Result<Vec<Key>> {
    Ok(vec![match removal {
        Removal::Pack(pack) => PackName::from(*pack).key()?,
        Removal::Index(run) => RunName::from(*run).key()?,
        Removal::Void(session) => Key::new(format!("index/{session}.void"))?,
        Removal::Snapshot(session) => snapshot_key(session)?,
        Removal::Gone(record) => Key::new(format!("condemned/{record}.gone"))?,
        Removal::Waits(record) => Key::new(format!("condemned/{record}.waits"))?,
        Removal::Record(record) => Key::new(format!("condemned/{record}"))?,
        Removal::Session(session) => {
            let prefix = format!("sessions/{session}/");
            let listed = inner.storage.list_all(&prefix).await?.into_iter().map(|(key, _)| key);
            // What is foreign stays.
            let mut keys: Vec<Key> = listed.filter(|key| session_of(key).is_some()).collect();
            keys.sort_by_key(|key| key.as_str().ends_with("/end"));
            return Ok(keys);
        }
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Repository;
    use crate::{RepositoryOptions, SessionId, new_identity};
    use backup_core::PutOptions;
    use backup_storage::Memory;
    use std::sync::Arc;

    #[tokio::test]
    async fn what_is_foreign_in_a_session_stays() {
        let (_, recipient) = new_identity();
        let storage = Memory::new();
        let options = RepositoryOptions::default();
        let repository = Repository::create(Arc::new(storage.clone()), &[recipient], options).await.unwrap();
        let session = SessionId([7; 16]);
        for part in ["0", "1", "end", "01", "of-later"] {
            let key = Key::new(format!("sessions/{session}/{part}")).unwrap();
            storage.put_bytes(&key, part.into(), &PutOptions::default()).await.unwrap();
        }
        let refused = delete(&repository.0, &[Removal::Session(session)], &|| Ok(())).await.unwrap();
        assert!(refused.is_empty());
        let left = storage.list_all("sessions/").await.unwrap();
        let mut left: Vec<&str> = left.iter().filter_map(|(key, _)| key.as_str().split('/').nth(2)).collect();
        left.sort_unstable();
        assert_eq!(left, ["01", "of-later"]);
    }
}
