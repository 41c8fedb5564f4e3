//! A push that is given up stops reading.

use super::*;
use backup_testkit::Told;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Files without an end, until somebody has waited long enough.
#[derive(Clone, Default)]
struct Endless {
    ends: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
}

impl FileOpener for Endless {
    fn open(&self, _: u64) -> Result<Box<dyn FileReader>> {
        Ok(Box::new(self.clone()))
    }
}

impl FileReader for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        buffer.fill(7);
        Ok(if self.ends.load(Ordering::SeqCst) { 0 } else { buffer.len() })
    }

    fn finish(self: Box<Self>, listed: &Entry, _: u64) -> Result<Entry> {
        Ok(listed.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_being_read_or_wait_for_it_are_left() {
    let (_place, repository) = Place::new().await;
    let told = Arc::new(Told::default());
    let mut draft = repository.begin(Spec::new("n", "host"), told.clone()).await.unwrap();
    let mut ingest = draft.component(ComponentSpec::new("files", SourceDescription::new("memory"))).await.unwrap();
    let entries: Vec<Entry> = (0..9).map(|i| Entry::new(path(&i.to_string()), EntryKind::File)).collect();
    let wanted = ingest.want(Arc::new(Batch { first: 0, entries })).await.unwrap();
    assert_eq!(wanted.0.len(), 9);
    let endless = Endless::default();
    ingest.contents().files(Arc::new(endless.clone()), &wanted.0).await.unwrap();
    while endless.reads.load(Ordering::SeqCst) < 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(ingest);
    let given_up = tokio::time::timeout(Duration::from_secs(60), draft.abort()).await;
    endless.ends.store(true, Ordering::SeqCst);
    given_up.expect("it goes on reading").unwrap();
    let failed = told.events().into_iter().filter(|event| matches!(event, Event::Failed { .. })).count();
    assert_eq!(failed, 0, "nothing is wrong with them: {told:?}");
    assert!(repository.list().await.unwrap().is_empty());
}
