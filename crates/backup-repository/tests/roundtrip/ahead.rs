//! A pull does not wait for a batch before it takes the next, nor does it take as many as there are.

use super::Place;
use backup_core::*;
use backup_repository::Repository;
use backup_testkit::memory::*;
use backup_testkit::storage::{FaultPlan, Faulty};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Holds every entry back until it is opened; counts what was finished.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    finished: Mutex<Vec<u64>>,
}

impl FileSink for Gate {
    fn write(&self, _: u64, _: u64, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn finish(&self, entry: u64, result: Result<()>) -> bool {
        drop(self.opened.wait_while(self.is_open.lock().unwrap(), |open| !*open).unwrap());
        self.finished.lock().unwrap().push(entry);
        result.is_ok()
    }
}

fn many() -> Tree {
    (0..8 * MAX_BATCH as u64).map(|n| (path(&format!("{n:06}")), file(noise(n, 50), 1))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_batches_are_under_way_at_once_and_each_entry_ends_once() {
    let (_place, repository) = Place::new().await;
    let tree = many();
    let (committed, _, _) = push(&repository, "n", MemoryCapture::new(&tree, MAX_BATCH)).await.unwrap();
    let backup = repository.open(&committed.summary.id).await.unwrap();
    let mut entries = backup.entries(0, &Selection::default()).unwrap();
    let gate = Arc::new(Gate::default());
    let mut batches = 0;
    let mut accepted = 0;
    while let Some(batch) = entries.next().await.unwrap() {
        let wanted: Vec<u64> = batch.numbered().map(|(number, _)| number).collect();
        let supply = entries.supply();
        let mut taking = std::pin::pin!(supply.files(gate.clone(), &wanted));
        if !*gate.is_open.lock().unwrap() {
            match tokio::time::timeout(Duration::from_millis(500), &mut taking).await {
                Ok(taken) => {
                    taken.unwrap();
                    accepted += 1;
                    batches += 1;
                    continue;
                }
                Err(_) => {
                    *gate.is_open.lock().unwrap() = true;
                    gate.opened.notify_all();
                }
            }
        }
        taking.await.unwrap();
        batches += 1;
    }
    assert!((2..=4).contains(&accepted), "{accepted} batches were taken before any was finished");
    assert_eq!(batches, 8);
    entries.supply().settle().await.unwrap();
    let mut finished = gate.finished.lock().unwrap().clone();
    finished.sort_unstable();
    assert_eq!(finished, (0..tree.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_after_it_was_accepted_is_told_at_the_end() {
    let (place, repository) = Place::new().await;
    let tree = Tree::from([(path("file"), file(noise(1, 5000), 1))]);
    let (committed, _, _) = push(&repository, "n", MemoryCapture::new(&tree, MAX_BATCH)).await.unwrap();
    let is_down = Arc::new(AtomicBool::new(false));
    let down = is_down.clone();
    let plan = FaultPlan::when(move |_| down.load(Relaxed));
    let storage = Arc::new(Faulty::new(place.storage.clone(), plan));
    let repository = Repository::open(storage, &place.identity, place.options()).await.unwrap();
    let backup = repository.open(&committed.summary.id).await.unwrap();
    let mut entries = backup.entries(0, &Selection::default()).unwrap();
    let batch = entries.next().await.unwrap().unwrap();
    is_down.store(true, Relaxed);
    let gate = Arc::new(Gate::default());
    entries.supply().files(gate.clone(), &[batch.first]).await.unwrap();
    assert_eq!(entries.supply().settle().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(gate.finished.lock().unwrap().is_empty());
}
