//! An index that was lost or damaged is made again from the packs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod divided;
#[path = "../common/place.rs"]
mod place;

use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::*;
use backup_testkit::storage::{Call, FaultPlan, Faulty, Method, Moment};
use place::Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

fn options() -> RepositoryOptions {
    RepositoryOptions::default().with_threads(2).with_pack_bytes(100_000).with_run_rows(40)
}

impl Place {
    /// Puts other bytes under a key.
    async fn spoil(&self, key: &Key) {
        let mut bytes = self.storage.get_bytes(key, 1 << 30).await.unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let options = PutOptions::default().with_mode(PutMode::Replace);
        self.storage.put_bytes(key, bytes.into(), &options).await.unwrap();
    }
}

fn tree(seeds: std::ops::Range<u64>) -> Tree {
    seeds.map(|seed| (path(&format!("f{seed:05}")), file(noise(seed, 20_000), 1))).collect()
}

async fn store(repository: &Repository, name: &str, tree: &Tree) -> BackupId {
    push(repository, name, MemoryCapture::new(tree, 4096)).await.unwrap().0.summary.id
}

async fn repair(repository: &Repository) -> Result<RepairReport> {
    repository.repair_index(Duration::ZERO, Arc::new(Silent), &Stop::new()).await
}

async fn prune(repository: &Repository) -> Result<PruneReport> {
    let options = PruneOptions::default().with_grace(Duration::ZERO);
    repository.prune(&options, Arc::new(Silent), &Stop::new()).await
}

async fn is_clean(repository: &Repository) -> bool {
    let options = CheckOptions::default().with_read(ReadData::All);
    repository.check(options, Arc::new(Silent)).await.unwrap().is_clean()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_gone_is_made_again() {
    let (place, repository) = Place::new().await;
    let first = store(&repository, "a", &tree(0..60)).await;
    let second = store(&repository, "b", &tree(40..90)).await;
    assert_eq!(repair(&repository).await.unwrap(), RepairReport::default(), "nothing to do");
    place.storage.delete(&place.keys("index/").await).await.unwrap();
    assert!(!is_clean(&repository).await);
    let report = repair(&repository).await.unwrap();
    assert_eq!(report.packs_listed as usize, place.keys("packs/").await.len());
    assert!(report.chunks_listed >= 90, "{report:?}");
    assert!(is_clean(&repository).await);
    assert_whole(&repository, &first, &tree(0..60)).await;
    assert_whole(&repository, &second, &tree(40..90)).await;
    assert_eq!(repair(&repository).await.unwrap().packs_listed, 0, "once is enough");
    // What was listed again is known to the next push, and to prune.
    let (again, ..) = push(&repository, "c", MemoryCapture::new(&tree(0..60), 4096)).await.unwrap();
    assert_eq!(again.stats.bytes_added, 0);
    repository.forget(&first).await.unwrap();
    prune(&repository).await.unwrap();
    assert!(is_clean(&repository).await);
    assert_whole(&repository, &second, &tree(40..90)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_run_is_replaced_and_then_goes() {
    let (place, repository) = Place::new().await;
    let id = store(&repository, "a", &tree(0..60)).await;
    let damaged = place.keys("index/").await.remove(0);
    place.spoil(&damaged).await;
    // On a machine that knows nothing of it.
    let report = repair(&repository).await.unwrap();
    assert_eq!(report.runs_unreadable.len(), 1, "{report:?}");
    assert!(report.packs_listed > 0);
    assert!(!is_clean(&repository).await, "the damaged one is still there");
    let report = prune(&repository).await.unwrap();
    assert!(report.is_finished(), "{report:?}");
    assert!(!place.keys("index/").await.contains(&damaged));
    assert!(is_clean(&repository).await);
    assert_whole(&repository, &id, &tree(0..60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prune_condemns_nothing_beside_a_run_that_cannot_be_read() {
    let (place, repository) = Place::new().await;
    let first = store(&repository, "a", &tree(0..60)).await;
    let second = store(&repository, "b", &tree(60..80)).await;
    repository.forget(&first).await.unwrap();
    for key in place.keys("index/").await {
        place.spoil(&key).await;
    }
    std::fs::remove_dir_all(place.cache.path()).unwrap();
    let error = prune(&repository).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("repair index"), "{error}");
    assert!(place.keys("condemned/").await.is_empty());
    repair(&repository).await.unwrap();
    let report = prune(&repository).await.unwrap();
    assert!(report.is_finished() && report.packs_deleted > 0, "{report:?}");
    assert!(is_clean(&repository).await);
    assert_whole(&repository, &second, &tree(60..80)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_condemned_does_not_come_back() {
    let (place, repository) = Place::new().await;
    store(&repository, "a", &tree(0..3)).await;
    let first = store(&repository, "b", &tree(10..40)).await;
    repository.forget(&first).await.unwrap();
    let condemned = repository.prune(&PruneOptions::default(), Arc::new(Silent), &Stop::new()).await.unwrap();
    assert!(condemned.packs_condemned > 0);
    place.storage.delete(&place.keys("index/").await).await.unwrap();
    let report = repair(&repository).await.unwrap();
    assert_eq!(report.packs_listed + condemned.packs_condemned, place.keys("packs/").await.len() as u64);
    assert!(prune(&repository).await.unwrap().is_finished());
    assert!(is_clean(&repository).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_who_was_there_before_and_leaves_no_session() {
    let (place, repository) = Place::new().await;
    store(&repository, "a", &tree(0..10)).await;
    let draft = repository.begin(Spec::new("open", "h"), Arc::new(Silent)).await.unwrap();
    let error = repair(&repository).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let sessions = place.keys("sessions/").await;
    let open = sessions.iter().filter(|key| key.as_str().ends_with("/0")).count()
        - sessions.iter().filter(|key| key.as_str().ends_with("/end")).count();
    assert_eq!(open, 1, "that of the push");
    draft.abort().await.unwrap();
    repair(&repository).await.unwrap();
}

/// Whatever fails, nobody has to wait for a session that does nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_fails_ends_its_session() {
    // The first run, once: what takes its name afterwards is another object.
    let is_run = || {
        let is_first = AtomicBool::new(true);
        FaultPlan::when(move |call| {
            let is_run = call.method == Method::Finish && call.key.starts_with("index/") && call.key.ends_with("-0");
            is_run && is_first.swap(false, SeqCst)
        })
    };
    // A pack is read twice: to see what is in it, and to list it.
    let reads = AtomicU64::new(0);
    let is_late_read = move |call: &Call<'_>| {
        call.method == Method::Get && call.key.starts_with("packs/") && reads.fetch_add(1, SeqCst) > 30
    };
    let plans: [(&str, FaultPlan); 5] = [
        ("a run is not stored", is_run()),
        ("there is no space for a run", is_run().with_kind(ErrorKind::NoSpace)),
        ("the answer about a run is lost", is_run().with_moment(Moment::After)),
        ("packs cannot be listed", FaultPlan::when(|call| call.method == Method::List && call.key == "packs/")),
        ("a pack cannot be read", FaultPlan::when(is_late_read)),
    ];
    for (what, plan) in plans {
        let (place, repository) = Place::new().await;
        let id = store(&repository, "a", &tree(0..300)).await;
        place.storage.delete(&place.keys("index/").await).await.unwrap();
        let faulty = Arc::new(Faulty::new(place.storage.clone(), plan));
        let options = RepositoryOptions::default().with_threads(2).with_run_rows(40);
        let failing = Repository::open(faulty.clone(), &place.identity, options.clone()).await.unwrap();
        let error = repair(&failing).await.unwrap_err();
        assert!(faulty.failed() > 0, "{what}: {error}");
        let sessions = place.keys("sessions/").await;
        let count = |end: &str| sessions.iter().filter(|key| key.as_str().ends_with(end)).count();
        assert_eq!(count("/0"), count("/end"), "{what}: {sessions:?}");
        // Another goes on at once, and so does a prune.
        let elsewhere = place.open(options).await;
        repair(&elsewhere).await.unwrap();
        assert!(prune(&elsewhere).await.unwrap().is_finished(), "{what}");
        assert!(is_clean(&elsewhere).await, "{what}");
        assert_whole(&elsewhere, &id, &tree(0..300)).await;
    }
}
