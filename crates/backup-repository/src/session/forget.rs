use super::objects::{SessionInfo, create, key_of};
use crate::format::ids::SessionId;
use crate::format::snapshot::snapshot_key;
use crate::protocol::{Forget, ForgetTask, Object};
use crate::repository::Inner;
use backup_core::{ErrorKind, Result, StorageExt};
use std::collections::HashSet;

/// Forgets a snapshot: from the note on it does not count, whatever becomes of the object.
///
/// # Errors
/// What the storage said of the note. That it refuses to delete the object (object lock) is no error.
pub(crate) async fn forget(inner: &Inner, snapshot: SessionId) -> Result<()> {
    let mut forget = Forget::new(snapshot);
    loop {
        match forget.next() {
            ForgetTask::Create(object) => {
                let outcome = create(inner, &object, &SessionInfo::default()).await?;
                forget.created(outcome)?;
            }
            ForgetTask::Delete(_) => match inner.storage.delete(&[snapshot_key(&snapshot)?]).await {
                Err(error) if error.kind() != ErrorKind::AccessDenied => return Err(error),
                _ => forget.deleted()?,
            },
            ForgetTask::Done => return Ok(()),
        }
    }
}

/// The snapshots that notes say are forgotten.
///
/// # Errors
/// What the storage said.
pub(crate) async fn forgotten(inner: &Inner) -> Result<HashSet<SessionId>> {
    let listed = inner.storage.list_all("notes/").await?;
    let mut found = HashSet::new();
    for (key, _) in listed {
        let session = key.as_str().split('/').nth(1).and_then(|text| SessionId::from_hex(text).ok());
        // Nobody without an owner's key can make a snapshot vanish by a note.
        if let Some(session) = session
            && key_of(&Object::Forgotten(session))? == key
            && super::objects::is_valid(inner, crate::format::record::RecordKind::Forgotten, &key).await?
        {
            found.insert(session);
        }
    }
    Ok(found)
}
