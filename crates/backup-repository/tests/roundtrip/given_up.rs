//! What is given up midway is not read any further, and takes nothing from what comes after it.

use super::*;
use backup_testkit::Told;
use backup_testkit::storage::{Call, FaultPlan, Faulty, Method};
use std::io::Cursor;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

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

    fn opened(&mut self, listed: &Entry) -> Entry {
        listed.clone()
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

/// The end of a stream that breaks.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::Error::other("it broke")))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stream_that_broke_has_sent_is_stored_for_those_who_send_it_again() {
    let (_place, repository) = Place::new().await;
    let spec = || ComponentSpec::new("dump", SourceDescription::new("memory"));
    let entry = || Arc::new(Batch { first: 0, entries: vec![Entry::new(path("dump"), EntryKind::File)] });
    // Where it breaks, a segment must be half full: that depends on the cuts. Every other one is dropped midway, as by
    // somebody who asks for several things at once.
    for (seed, breaks) in (1..=6).flat_map(|seed| [(seed, true), (seed + 6, false)]) {
        let content = noise(seed, 9_300_000);
        let mut draft = repository.begin(Spec::new("n", "host"), Arc::new(Silent)).await.unwrap();
        let mut ingest = draft.component(spec()).await.unwrap();
        ingest.want(entry()).await.unwrap();
        let start = Cursor::new(content.clone());
        if breaks {
            ingest.contents().stream(0, Box::new(start.chain(Broken))).await.unwrap_err();
        } else {
            let (waits, _never) = tokio::io::duplex(1);
            let stream = ingest.contents().stream(0, Box::new(start.chain(waits)));
            tokio::time::timeout(Duration::from_millis(300), stream).await.unwrap_err();
        }
        let mut outcome = Outcome::default();
        outcome.fatal = Some("it broke".into());
        draft.accept(ingest, outcome).await.unwrap();

        let mut ingest = draft.component(spec()).await.unwrap();
        ingest.want(entry()).await.unwrap();
        assert_eq!(ingest.contents().stream(0, Box::new(Cursor::new(content.clone()))).await.unwrap(), 9_300_000);
        draft.accept(ingest, Outcome::default()).await.unwrap();
        let committed = draft.commit().await.unwrap();
        let (pulled, lost) = pull(&repository, &committed.summary.id, &Selection::default()).await.unwrap();
        assert!(lost.is_empty(), "{breaks}: {lost:?}");
        assert_eq!(pulled.len(), 1);
        let report =
            repository.check(CheckOptions::default().with_read(ReadData::All), Arc::new(Silent)).await.unwrap();
        assert!(report.is_clean(), "{breaks}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_stored_fails_with_what_the_storage_said() {
    let (place, _) = Place::new().await;
    let plan = FaultPlan::when(|call| call.method == Method::Finish && call.key.starts_with("packs/"));
    let full = Arc::new(Faulty::new(place.storage.clone(), plan.with_kind(ErrorKind::NoSpace)));
    let options = place.options().with_pack_bytes(2 << 20);
    let repository = Repository::open(full, &place.identity, options).await.unwrap();
    let mut draft = repository.begin(Spec::new("n", "host"), Arc::new(Silent)).await.unwrap();
    let mut ingest = draft.component(ComponentSpec::new("dump", SourceDescription::new("memory"))).await.unwrap();
    let entries = vec![Entry::new(path("dump"), EntryKind::File)];
    ingest.want(Arc::new(Batch { first: 0, entries })).await.unwrap();
    let content = Cursor::new(noise(1, 60_000_000));
    let failed = ingest.contents().stream(0, Box::new(content)).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::NoSpace, "{failed:?}");
    let mut outcome = Outcome::default();
    outcome.fatal = Some("the source was told".into());
    let failed = draft.accept(ingest, outcome).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::NoSpace, "{failed:?}");
    draft.abort().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_a_component_that_was_given_up_are_stored_or_fail_the_push() {
    for fails_before in [false, true] {
        let (place, _) = Place::new().await;
        // A pack's first write is its header.
        let writes = AtomicU64::new(0);
        let is_write = |call: &Call<'_>| call.method == Method::Write && call.key.starts_with("packs/");
        let plan = FaultPlan::when(move |call| is_write(call) && writes.fetch_add(1, Ordering::SeqCst) > 0);
        let full = Arc::new(Faulty::new(place.storage.clone(), plan.with_kind(ErrorKind::NoSpace)));
        let repository = Repository::open(full.clone(), &place.identity, place.options()).await.unwrap();
        let mut draft = repository.begin(Spec::new("n", "host"), Arc::new(Silent)).await.unwrap();
        let mut ingest = draft.component(ComponentSpec::new("files", SourceDescription::new("memory"))).await.unwrap();
        // Of directories there is metadata only: less than a segment of it, or so much that the open pack has failed.
        let mut first = 0;
        while if fails_before { full.failed() == 0 } else { first < 8192 } {
            let directory = |i: u64| Entry::new(path(&format!("{i:06}")), EntryKind::Directory);
            let entries: Vec<_> = (first..first + 1024).map(directory).collect();
            ingest.want(Arc::new(Batch { first, entries })).await.unwrap();
            first += 1024;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(full.failed() > 0, fails_before);
        drop(ingest);
        let failed = draft.commit().await.map(drop).unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::NoSpace, "{failed:?}");
        assert!(repository.list().await.unwrap().is_empty());
    }
}
