use super::folder::Folder;
use super::forgotten::AT_ONCE;
use super::receipts::{Receipts, record_beside};
use super::seen::{Missing, Seen};
use crate::format::ids::SessionId;
use crate::format::snapshot::{Head, Label, from_ms};
use crate::repository::{Inner, Listed, Repository};
use backup_core::{BackupId, Error, ErrorKind, Event, Observer, Result, Summary};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::fmt;
use std::time::SystemTime;

/// The snapshots of a repository, and those that should be there.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Listing {
    /// Every snapshot that counts, oldest first, as it is noted now.
    pub snapshots: Vec<Summary>,
    /// The newest that this machine has seen of a series, where it is not there any more. A repository that is opened
    /// without a cache remembers none.
    pub missing: Vec<Missing>,
    /// Snapshots that count and that only a newer version understands, oldest first.
    pub newer: Vec<Newer>,
}

/// A snapshot of a newer version.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Newer {
    /// With the whole of it, it can be forgotten.
    pub id: BackupId,
    /// What it is a snapshot of.
    pub name: String,
    /// When it was begun, by the writer's clock.
    pub time: SystemTime,
}

impl fmt::Display for Newer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the snapshot {} of {} is of a newer version: a newer backup is needed to read it",
            self.id, self.name
        )
    }
}

/// What came of reading one that is listed.
enum Read {
    Counts(SessionId, Box<Summary>),
    Newer(SessionId, Newer),
    Nothing,
}

impl Repository {
    /// Lists the snapshots, compares them with what this machine has seen before, and remembers the newest of each series.
    ///
    /// # Errors
    /// What the storage said; `Unsupported` for what a newer version wrote.
    pub async fn listing(&self) -> Result<Listing> {
        let inner = &*self.0;
        let seen = Seen::load(inner);
        let listed = inner.listed().await?;
        let receipts = Receipts::read(inner).await?;
        let each = listed.snapshots.clone().into_iter();
        let read = stream::iter(each).map(|one| read_one(inner, &listed, &receipts, one));
        let read: Vec<Read> = read.buffer_unordered(AT_ONCE).try_collect().await?;
        let missing = seen.missing(inner, &listed).await?;
        let (mut counting, mut snapshots, mut newer) = (Vec::new(), Vec::new(), Vec::new());
        for one in read {
            match one {
                Read::Counts(id, summary) => {
                    counting.push(id);
                    snapshots.push(*summary);
                }
                Read::Newer(id, one) => {
                    counting.push(id);
                    newer.push(one);
                }
                Read::Nothing => {}
            }
        }
        seen.remember(&listed, &missing, counting.iter());
        snapshots.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        newer.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        Ok(Listing { snapshots, missing, newer })
    }
}

impl Repository {
    /// One snapshot, as it is noted now; when it came is a listing's to show.
    ///
    /// # Errors
    /// `NotFound`, also for one that is forgotten; `Damaged`; `Unsupported` for what a newer version wrote; what the
    /// storage said.
    pub async fn summary(&self, id: &BackupId) -> Result<Summary> {
        let session = SessionId::from_hex(&id.0)?;
        summary(&self.0, &session, &self.0.snapshot(&session).await?.head).await
    }
}

/// Lists the snapshots beside other work: records when they came, and tells what is missing.
///
/// # Errors
/// What the storage said of the listing.
pub(crate) async fn look(inner: &Inner, observer: &dyn Observer) -> Result<()> {
    let seen = Seen::load(inner);
    let listed = inner.listed().await?;
    for missing in seen.missing(inner, &listed).await? {
        observer.event(Event::Warning(missing.to_string()));
    }
    record_beside(inner, &listed, observer).await;
    Ok(())
}

/// The summary of a listed snapshot.
async fn read_one(
    inner: &Inner,
    listed: &Listed,
    receipts: &Receipts,
    (id, stored): (SessionId, SystemTime),
) -> Result<Read> {
    // One that is damaged or signed by nobody who may does not hide the others; one that just went, or is of another
    // domain than a writer's, is no error.
    let Some(opened) = inner.if_counting(&id).await? else { return Ok(Read::Nothing) };
    let head = match opened.head.read() {
        Ok(head) => head,
        // It does not hide the others either.
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            let Label { name, time, .. } = opened.head.label;
            return Ok(Read::Newer(id, Newer { id: BackupId(id.to_string()), name, time: from_ms(time) }));
        }
        Err(_) => return Ok(Read::Nothing),
    };
    let mut summary = noted(inner, &listed.notes, &id, &head).await?;
    summary.received = receipts.of(&id);
    summary.untimely = receipts.is_untimely(&id, summary.time, stored);
    Ok(Read::Counts(id, Box::new(summary)))
}

/// The summary of a snapshot as it is noted now; receipts are a listing's to show.
///
/// # Errors
/// `NotFound` for one that is forgotten; what the storage said; `Unsupported` for what a newer version wrote.
pub(crate) async fn summary(inner: &Inner, id: &SessionId, head: &Head) -> Result<Summary> {
    let notes = Folder::read_one(inner, id).await?;
    if notes.is_forgotten(inner, id).await? {
        return Err(Error::new(ErrorKind::NotFound, "the snapshot is forgotten").context("snapshot", id));
    }
    noted(inner, &notes, id, head).await
}

async fn noted(inner: &Inner, notes: &Folder, id: &SessionId, head: &Head) -> Result<Summary> {
    let mut summary = head.summary(*id)?;
    match notes.note(inner, id, inner.index_key_of(head.domain)?).await {
        Ok(Some((_, note))) => (summary.tags, summary.held) = (note.tags, note.hold.is_some()),
        Ok(None) => {}
        // An owner has said something that nobody can read: it may have been a hold.
        Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported) => summary.held = true,
        Err(error) => return Err(error),
    }
    Ok(summary)
}
