use super::objects::{SessionInfo, create, discard};
use crate::format::ids::SessionId;
use crate::format::snapshot::snapshot_key;
use crate::protocol::{Forget, ForgetTask};
use crate::repository::Inner;
use backup_core::Result;

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
            ForgetTask::Delete(_) => {
                discard(inner, &[snapshot_key(&snapshot)?]).await?;
                forget.deleted()?;
            }
            ForgetTask::Done => return Ok(()),
        }
    }
}
