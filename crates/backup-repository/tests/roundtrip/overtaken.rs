//! A prune that deletes packs and runs while a snapshot is open takes nothing from who reads it.

use super::Place;
use backup_core::*;
use backup_repository::*;
use backup_testkit::memory::*;
use std::sync::Arc;
use std::time::Duration;

fn tree(seeds: std::ops::Range<u64>) -> Tree {
    seeds.map(|seed| (path(&format!("f{seed:05}")), file(noise(seed, 20_000), 1))).collect()
}

async fn overtake(repository: &Repository, forgotten: &BackupId) {
    repository.forget(forgotten).await.unwrap();
    let options = PruneOptions::default().with_grace(Duration::ZERO);
    let report = repository.prune(&options, Arc::new(Silent), &Stop::new()).await.unwrap();
    assert!(report.packs_copied > 0 && report.packs_deleted > 0 && report.runs_merged > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_finds_what_a_prune_has_moved_meanwhile() {
    for by_stream in [false, true] {
        let (place, _) = Place::new().await;
        let repository = place.open(place.options().with_pack_bytes(2_000_000)).await;
        let first = push(&repository, "n", MemoryCapture::new(&tree(0..40), 4096)).await.unwrap().0.summary.id;
        let kept = tree(30..60);
        let second = push(&repository, "n", MemoryCapture::new(&kept, 4096)).await.unwrap().0.summary.id;
        // Nothing of the index is here yet but what opening takes.
        let elsewhere = tempfile::tempdir().unwrap();
        let reader = place.open(RepositoryOptions::default().with_cache_dir(elsewhere.path())).await;
        let backup = reader.open(&second).await.unwrap();
        overtake(&repository, &first).await;
        if !by_stream {
            let (pulled, lost) = take(&*backup, &Selection::default()).await.unwrap();
            assert!(lost.is_empty(), "{lost:?}");
            assert_same(&kept, &pulled);
            continue;
        }
        let mut entries = backup.entries(0, &Selection::default()).unwrap();
        let batch = entries.next().await.unwrap().unwrap();
        for (number, entry) in batch.numbered() {
            let bytes = read_entry(entries.supply(), number, 1 << 20).await.unwrap();
            assert!(bytes == kept[&entry.path].content, "{}", entry.path);
        }
    }
}
