use super::super::subject::Subject;
use crate::suite::ensure;
use backup_core::{Batch, Entry, MAX_BATCH, Result, Session, Silent};
use std::sync::Arc;

/// All batches of a listing; nothing is fetched, so it does not end as a backup.
async fn batches(subject: &Subject, at: Arc<dyn Session>) -> Result<Vec<Arc<Batch>>> {
    let mut capture = subject.source.capture(at, Arc::new(Silent)).await?;
    let mut batches = Vec::new();
    while let Some(batch) = capture.list().await? {
        batches.push(batch);
    }
    Ok(batches)
}

async fn entries(subject: &Subject, at: Arc<dyn Session>) -> Result<Vec<Entry>> {
    Ok(batches(subject, at).await?.iter().flat_map(|batch| batch.entries.clone()).collect())
}

pub(super) async fn something_is_listed(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let entries = entries(subject, at).await?;
    let with_content = entries.iter().filter(|entry| entry.has_content()).count();
    ensure!(with_content > 0, "none of {} entries has content: the other cases would say nothing", entries.len());
    Ok(())
}

pub(super) async fn order_is_canonical(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    for pair in entries(subject, at).await?.windows(2) {
        if let [before, after] = pair {
            ensure!(before.path < after.path, "{} comes before {}", before.path, after.path);
        }
    }
    Ok(())
}

pub(super) async fn batches_are_bounded_and_numbered(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let mut next = 0;
    for batch in batches(subject, at).await? {
        let length = batch.entries.len();
        ensure!((1..=MAX_BATCH).contains(&length), "a batch has {length} entries");
        ensure!(batch.first == next, "a batch begins with number {} instead of {next}", batch.first);
        next += length as u64;
    }
    Ok(())
}

pub(super) async fn entries_are_well_formed(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    for entry in entries(subject, at).await? {
        well_formed(&entry)?;
    }
    Ok(())
}

/// The rules that stand in the documentation of [`Entry`].
pub(super) fn well_formed(entry: &Entry) -> Result<()> {
    let path = &entry.path;
    if !entry.has_content() {
        ensure!(entry.size_bytes.is_none_or(|size| size == 0), "{path} has no content, but a size");
        ensure!(entry.holes.is_empty(), "{path} has no content, but holes");
    }
    let mut end = None;
    for hole in &entry.holes {
        ensure!(hole.length > 0, "{path} has an empty hole");
        ensure!(end.is_none_or(|end| hole.offset > end), "{path} has holes that touch or are not in order");
        let hole_end = hole.offset.checked_add(hole.length);
        ensure!(hole_end.is_some() && hole_end <= entry.size_bytes, "{path} has a hole behind its end");
        end = hole_end;
    }
    let nanoseconds = entry.metadata.mtime.map_or(0, |mtime| mtime.nanoseconds);
    ensure!(nanoseconds < 1_000_000_000, "{path} has a time of {nanoseconds} nanoseconds");
    ensure!(entry.metadata.mode.is_none_or(|mode| mode <= 0o7777), "{path} has more than permissions in its mode");
    Ok(())
}

pub(super) async fn listing_can_be_repeated(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let first = entries(subject, at.clone()).await?;
    let second = entries(subject, at).await?;
    ensure!(first.len() == second.len(), "{} entries were listed, then {}", first.len(), second.len());
    for (first, second) in first.iter().zip(&second) {
        ensure!(first == second, "{} was listed in another way the second time", first.path);
    }
    Ok(())
}

pub(super) async fn roots_hold_the_entries(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let roots = subject.source.describe().roots;
    if roots.is_empty() {
        return Ok(());
    }
    for entry in entries(subject, at).await? {
        let belongs = |root| entry.path.starts_with(root) || root.starts_with(&entry.path);
        ensure!(roots.iter().any(belongs), "{} is neither below a root nor above one", entry.path);
    }
    Ok(())
}

pub(super) async fn end_is_told_again(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let mut capture = subject.source.capture(at, Arc::new(Silent)).await?;
    while capture.list().await?.is_some() {}
    ensure!(capture.list().await?.is_none(), "a batch came after the end");
    Ok(())
}
