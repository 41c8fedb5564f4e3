//! What no snapshot refers to goes; what one refers to stays.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod bounded;
mod damaged;
#[path = "../common/place.rs"]
mod place;
mod sequences;
mod unlisted;

use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::*;
use place::Place;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn options() -> RepositoryOptions {
    RepositoryOptions::default().with_threads(2).with_pack_bytes(100_000)
}

impl Place {
    async fn count(&self, prefix: &str) -> usize {
        self.keys(prefix).await.len()
    }

    async fn bytes(&self, prefix: &str) -> u64 {
        self.storage.list_all(prefix).await.unwrap().iter().map(|(_, meta)| meta.size_bytes).sum()
    }
}

/// Files of noise that cannot be made smaller, named and filled after their seeds.
fn tree(seeds: impl IntoIterator<Item = u64>) -> Tree {
    let files = seeds.into_iter().map(|seed| (path(&format!("f{seed:05}")), file(noise(seed, 20_000), 1)));
    files.collect()
}

fn now() -> PruneOptions {
    PruneOptions::default().with_grace(Duration::ZERO)
}

async fn prune(repository: &Repository, options: &PruneOptions) -> Result<PruneReport> {
    repository.prune(options, Arc::new(Silent), &Stop::new()).await
}

async fn store(repository: &Repository, tree: &Tree) -> BackupId {
    push(repository, "n", MemoryCapture::new(tree, 4096)).await.unwrap().0.summary.id
}

async fn assert_clean(repository: &Repository) {
    let report = repository.check(CheckOptions::default().with_read(ReadData::All), Arc::new(Silent)).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_freed_and_the_rest_stays() {
    let (place, repository) = Place::new().await;
    let (old, new) = (tree(0..40), tree(30..60));
    let first = store(&repository, &old).await;
    let second = store(&repository, &new).await;
    repository.forget(&first).await.unwrap();
    let before = place.bytes("packs/").await;
    let report = prune(&repository, &now()).await.unwrap();
    assert!(report.is_finished() && report.packs_deleted > 0, "{report:?}");
    assert_eq!((report.snapshots, report.bytes), (1, place.bytes("packs/").await));
    assert!(before - report.bytes >= 29 * 20_000, "{before} bytes before; {report:?}");
    assert!(report.bytes < 31 * 20_000 + 20_000, "{report:?}");
    assert_eq!(place.count("condemned/").await, 0);
    assert_whole(&repository, &second, &new).await;
    assert_clean(&repository).await;
    // Nothing is left to do, and nothing is done again.
    let objects = place.storage.list_all("packs/").await.unwrap();
    let again = prune(&repository, &now()).await.unwrap();
    assert_eq!((again.packs_deleted, again.packs_condemned, again.packs_copied, again.runs_merged), (0, 0, 0, 0));
    assert_eq!(objects, place.storage.list_all("packs/").await.unwrap());
    // What is known locally is still right.
    let third = store(&repository, &tree(0..60)).await;
    assert_whole(&repository, &third, &tree(0..60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_stays_for_the_grace() {
    let (place, repository) = Place::new().await;
    let first = store(&repository, &tree(0..20)).await;
    let kept = store(&repository, &tree(20..30)).await;
    repository.forget(&first).await.unwrap();
    let before = place.count("packs/").await;
    let report = prune(&repository, &PruneOptions::default()).await.unwrap();
    assert!(report.packs_condemned > 0 && report.packs_deleted == 0 && !report.is_finished(), "{report:?}");
    place.storage.advance(DAY / 2);
    let report = prune(&repository, &PruneOptions::default()).await.unwrap();
    assert_eq!((report.packs_condemned, report.packs_deleted), (0, 0));
    assert_eq!(place.count("packs/").await, before);
    place.storage.advance(DAY);
    let report = prune(&repository, &PruneOptions::default()).await.unwrap();
    assert!(report.packs_deleted > 0, "{report:?}");
    assert!(place.count("packs/").await < before);
    assert_whole(&repository, &kept, &tree(20..30)).await;
    assert_clean(&repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_was_under_way_keeps_what_it_relies_on() {
    let (place, repository) = Place::new().await;
    let old = tree(0..20);
    let kept = store(&repository, &tree(100..103)).await;
    let first = store(&repository, &old).await;
    // This push has seen the chunks of the first snapshot.
    let mut draft = repository.begin(Spec::new("other", "h"), Arc::new(Silent)).await.unwrap();
    repository.forget(&first).await.unwrap();
    let report = prune(&repository, &now()).await.unwrap();
    assert!(report.packs_condemned > 0 && report.packs_deleted == 0, "{report:?}");
    assert!(report.waiting[0].contains("sessions are over"), "{report:?}");
    let before = place.bytes("packs/").await;

    let ingest = send(&mut *draft, &mut MemoryCapture::new(&old, 4096)).await.unwrap();
    draft.accept(ingest, Outcome::default()).await.unwrap();
    let second = draft.commit().await.unwrap().summary.id;
    assert!(place.bytes("packs/").await - before < 10_000, "nothing of it was sent again");

    let report = prune(&repository, &now()).await.unwrap();
    assert!(report.packs_copied > 0 && report.packs_deleted > 0 && report.is_finished(), "{report:?}");
    assert_whole(&repository, &second, &old).await;
    assert_whole(&repository, &kept, &tree(100..103)).await;
    assert_clean(&repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_comes_later_stores_what_is_condemned_again() {
    let (_place, repository) = Place::new().await;
    store(&repository, &tree(100..103)).await;
    let first = store(&repository, &tree(0..20)).await;
    repository.forget(&first).await.unwrap();
    prune(&repository, &PruneOptions::default()).await.unwrap();
    let second = store(&repository, &tree(0..20)).await;
    let report = prune(&repository, &now()).await.unwrap();
    assert!(report.packs_deleted > 0 && report.packs_copied == 0, "{report:?}");
    assert_whole(&repository, &second, &tree(0..20)).await;
    assert_clean(&repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_pushes_become_few_packs_and_runs() {
    let (place, repository) = Place::new().await;
    let mut kept = Vec::new();
    for seed in 0..24 {
        let tree = tree([1000 + seed]);
        let id = store(&repository, &tree).await;
        if seed % 2 == 0 { repository.forget(&id).await.unwrap() } else { kept.push((id, tree)) }
    }
    prune(&repository, &now()).await.unwrap();
    prune(&repository, &now()).await.unwrap();
    assert!(place.count("index/").await <= 4, "{:?}", place.storage.list_all("index/").await);
    assert!(place.count("packs/").await <= 30, "{:?}", place.storage.list_all("packs/").await);
    for (id, tree) in &kept {
        assert_whole(&repository, id, tree).await;
    }
    assert_clean(&repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_session_is_ended_when_its_lease_has_lapsed() {
    let (place, repository) = Place::new().await;
    let kept = store(&repository, &tree(0..3)).await;
    {
        let mut draft = repository.begin(Spec::new("dead", "h"), Arc::new(Silent)).await.unwrap();
        let _ingest = send(&mut *draft, &mut MemoryCapture::new(&tree(50..300), 4096)).await.unwrap();
        // Until some packs are stored.
        while place.bytes("packs/").await < 1_000_000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    // Until uploads under way have ended by themselves.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = place.bytes("packs/").await;
    prune(&repository, &now()).await.unwrap();
    assert_eq!(place.bytes("packs/").await, before, "it may be alive");
    place.storage.advance(DAY + DAY);
    let report = prune(&repository, &now()).await.unwrap();
    assert_eq!(report.sessions_ended.len(), 1, "{report:?}");
    assert!(place.bytes("packs/").await < 5 * 20_000);
    assert_whole(&repository, &kept, &tree(0..3)).await;
    assert_clean(&repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_missing_stops_it_before_anything_is_condemned() {
    let (place, repository) = Place::new().await;
    let first = store(&repository, &tree(0..20)).await;
    store(&repository, &tree(20..40)).await;
    repository.forget(&first).await.unwrap();
    let packs = place.storage.list_all("packs/").await.unwrap();
    let (largest, _) = packs.iter().max_by_key(|(key, meta)| (meta.size_bytes, key.clone())).unwrap();
    // One of the snapshot that stays.
    place.storage.delete(std::slice::from_ref(largest)).await.unwrap();
    let result = prune(&repository, &now()).await;
    let needs_it = result.is_err();
    if needs_it {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Damaged);
        assert_eq!(place.count("condemned/").await, 0);
        assert_eq!(place.count("packs/").await, packs.len() - 1);
    }
    // All of them: then surely.
    place.storage.delete(&place.keys("packs/").await).await.unwrap();
    let error = prune(&repository, &now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error:?}");
    assert_eq!(place.count("condemned/").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_without_any_snapshot_is_not_garbage() {
    let (place, repository) = Place::new().await;
    let id = store(&repository, &tree(0..5)).await;
    let key = Key::new(format!("snapshots/{id}")).unwrap();
    let lost = place.storage.get_bytes(&key, 1 << 20).await.unwrap();
    place.storage.delete(std::slice::from_ref(&key)).await.unwrap();
    assert_eq!(prune(&repository, &now()).await.unwrap_err().kind(), ErrorKind::Damaged);
    place.storage.create(&key, lost).await.unwrap();
    assert_whole(&repository, &id, &tree(0..5)).await;
    // One that was forgotten is another matter.
    repository.forget(&id).await.unwrap();
    assert!(prune(&repository, &now()).await.unwrap().is_finished());
    assert_eq!(place.count("packs/").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_touches_nothing_and_foretells_the_truth() {
    let (place, repository) = Place::new().await;
    let first = store(&repository, &tree(0..20)).await;
    store(&repository, &tree(20..30)).await;
    repository.forget(&first).await.unwrap();
    let objects = place.storage.list_all("").await.unwrap();
    let told = prune(&repository, &now().with_dry_run(true)).await.unwrap();
    assert_eq!(objects, place.storage.list_all("").await.unwrap());
    let done = prune(&repository, &now()).await.unwrap();
    assert!(told.packs_condemned > 0);
    assert_eq!((told.packs_condemned, told.bytes_condemned), (done.packs_condemned, done.bytes_condemned));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_prune_leaves_no_open_session() {
    let (place, repository) = Place::new().await;
    store(&repository, &tree(0..5)).await;
    let stop = Stop::new();
    stop.stop();
    let error = repository.prune(&now(), Arc::new(Silent), &stop).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let sessions = place.storage.list_all("sessions/").await.unwrap();
    let (starts, ends): (Vec<_>, Vec<_>) = sessions.iter().partition(|(key, _)| key.as_str().ends_with("/0"));
    assert_eq!(starts.len(), ends.len());
}
