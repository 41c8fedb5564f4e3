use super::folder::Folder;
use super::forgotten::AT_ONCE;
use crate::format::ids::SessionId;
use crate::format::snapshot::Head;
use crate::repository::{Inner, Listed};
use backup_core::{Error, ErrorKind, Result, Summary};
use futures_util::stream::{self, StreamExt, TryStreamExt};

/// Every snapshot that counts, oldest first, as it is noted now.
///
/// # Errors
/// What the storage said; `Unsupported` for what a newer version wrote.
pub(crate) async fn list(inner: &Inner) -> Result<Vec<Summary>> {
    let Listed { snapshots, notes } = inner.listed().await?;
    let read = stream::iter(snapshots).map(|(id, _)| {
        let notes = &notes;
        async move {
            match inner.snapshot(&id).await {
                Ok(snapshot) => noted(inner, notes, &id, &snapshot.head).await.map(Some),
                // One that is damaged or signed by nobody who may does not hide the others; one that just went, or is
                // of another domain than a writer's, is no error.
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        }
    });
    let read: Vec<Option<Summary>> = read.buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
    let mut summaries: Vec<Summary> = read.into_iter().flatten().collect();
    summaries.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    Ok(summaries)
}

/// The summary of a snapshot as it is noted now.
///
/// # Errors
/// What the storage said; `Unsupported` for what a newer version wrote.
pub(crate) async fn summary(inner: &Inner, id: &SessionId, head: &Head) -> Result<Summary> {
    noted(inner, &Folder::read_one(inner, id).await?, id, head).await
}

async fn noted(inner: &Inner, notes: &Folder, id: &SessionId, head: &Head) -> Result<Summary> {
    let mut summary = head.summary(*id)?;
    match notes.note(inner, id, inner.index_key_of(head.domain)?).await {
        Ok(Some((_, note))) => (summary.tags, summary.held) = (note.tags, note.hold.is_some()),
        Ok(None) => {}
        // An owner has said something that nobody can read: it may have been a hold.
        Err(error) if error.kind() == ErrorKind::Damaged => summary.held = true,
        Err(error) => return Err(error),
    }
    Ok::<_, Error>(summary)
}
