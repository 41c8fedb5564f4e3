use super::super::captured::Captured;
use super::super::subject::Subject;
use super::listing::well_formed;
use crate::suite::ensure;
use backup_core::{Entry, Event, Observer, Result, Session, Silent};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) async fn every_wanted_entry_is_answered_once(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    // Taking checks that every entry gets just one answer.
    let captured = Captured::take(&*subject.source, at, Arc::new(Silent)).await?;
    ensure!(!captured.contents.is_empty(), "nothing could be read: {:?}", captured.unreadable);
    for entry in &captured.entries {
        well_formed(entry)?;
    }
    Ok(())
}

pub(super) async fn only_wanted_entries_are_answered(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let number = AtomicU64::new(0);
    let every_other = |_: &Entry| number.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
    let captured = Captured::take_some(&*subject.source, at, Arc::new(Silent), every_other).await?;
    let asked = number.into_inner().div_ceil(2);
    let answered = (captured.contents.len() + captured.unreadable.len()) as u64;
    ensure!(answered == asked, "{asked} contents were wanted and {answered} came");
    Ok(())
}

pub(super) async fn nothing_need_be_wanted(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let captured = Captured::take_some(&*subject.source, at, Arc::new(Silent), |_| false).await?;
    ensure!(captured.contents.is_empty() && captured.unreadable.is_empty(), "content came that nobody wanted");
    Ok(())
}

pub(super) async fn sizes_are_those_of_the_content(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let captured = Captured::take(&*subject.source, at, Arc::new(Silent)).await?;
    for entry in &captured.entries {
        let Some(content) = captured.contents.get(&entry.path) else { continue };
        let holes: u64 = entry.holes.iter().map(|hole| hole.length).sum();
        let read = content.len() as u64;
        ensure!(
            entry.size_bytes == Some(read + holes),
            "{} has {read} bytes and {holes} in holes, but says {:?}",
            entry.path,
            entry.size_bytes
        );
        ensure!(!entry.changed_while_read, "{} says that it changed while it was read", entry.path);
    }
    Ok(())
}

pub(super) async fn early_finish_is_no_backup(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let capture = subject.source.capture(at, Arc::new(Silent)).await?;
    ensure!(capture.finish().await.is_err(), "a capture that listed nothing was finished with success");
    Ok(())
}

/// An observer by which one sees whether a capture still has it.
#[derive(Debug)]
struct Held;

impl Observer for Held {
    fn event(&self, _: Event) {}
}

/// Longer than any capture takes to notice.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn drop_midway_ends_everything(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    for batches in 0..2 {
        let observer: Arc<dyn Observer> = Arc::new(Held);
        let mut capture = subject.source.capture(at.clone(), observer.clone()).await?;
        for _ in 0..batches {
            capture.list().await?;
        }
        drop(capture);
        let gone = async {
            while Arc::strong_count(&observer) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, gone).await.is_ok();
        ensure!(in_time, "something of a capture dropped after {batches} batches still runs");
    }
    Ok(())
}
