//! What goes into a repository comes out of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "these are tests")]

mod ahead;
mod damage;
mod fatal;
mod given_up;
mod overtaken;
#[path = "../common/place.rs"]
mod place;
mod unreadable;

use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::*;
use place::Place;
use std::sync::Arc;

fn options() -> RepositoryOptions {
    RepositoryOptions::default().with_threads(3)
}

fn sample() -> Tree {
    let mut tree = Tree::new();
    tree.insert(path("a"), directory());
    for i in 0..500u32 {
        tree.insert(path(&format!("a/{i:03}.txt")), file(format!("file {i} ").repeat(i as usize), 1));
    }
    tree.insert(path("a/empty"), file("", 1));
    tree.insert(path("big"), file(noise(1, 9_000_000), 1));
    // The same content again, and content of more than 64 chunks.
    tree.insert(path("big2"), file(noise(1, 9_000_000), 1));
    tree.insert(path("huge"), file(noise(2, 90_000_000), 1));
    tree.insert(path("link"), Node { kind: EntryKind::Symlink { target: b"a/\xff".to_vec() }, ..directory() });
    let mut sparse = file(noise(3, 3_000_000), 1);
    sparse.holes = vec![Hole { offset: 0, length: 5000 }, Hole { offset: 1_000_000, length: 70_000 }];
    tree.insert(path("sparse"), sparse);
    let mut strange = file("x", 1);
    strange.metadata.mode = Some(0o4755);
    strange.metadata.mtime = Some(Timestamp { seconds: -5, nanoseconds: 999_999_999 });
    strange.metadata.xattrs.insert(b"user.empty".to_vec(), Vec::new());
    tree.insert(path("strange"), strange);
    tree
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_comes_back_and_the_second_push_reads_nothing() {
    let (place, repository) = Place::new().await;
    let tree = sample();
    let (first, component, fetched) = push(&repository, "n", MemoryCapture::new(&tree, 100)).await.unwrap();
    assert_eq!(component.status, Status::Complete);
    assert_eq!(component.totals.files, 506);
    assert_eq!(fetched.len(), 506);
    assert_eq!(first.stats.files_new, 506);
    assert_whole(&repository, &first.summary.id, &tree).await;

    // Another process: everything comes from the storage and the cache.
    let repository = place.open(place.options()).await;
    let (second, _, fetched) = push(&repository, "n", MemoryCapture::new(&tree, 300)).await.unwrap();
    assert_eq!(fetched, []);
    assert_eq!(second.stats.files_unchanged, 506);
    assert_eq!((second.stats.bytes_read, second.stats.bytes_added), (0, 0));
    assert!(second.stats.bytes_stored == 0, "{:?}", second.stats);
    assert_whole(&repository, &second.summary.id, &tree).await;
    let listed = repository.list().await.unwrap();
    assert_eq!(listed.iter().map(|s| &s.id).collect::<Vec<_>>(), [&first.summary.id, &second.summary.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_cache_everything_is_read_and_nothing_sent() {
    let (place, repository) = Place::new().await;
    let mut tree = sample();
    push(&repository, "n", MemoryCapture::new(&tree, 4096)).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let repository = place.open(RepositoryOptions::default().with_cache_dir(elsewhere.path())).await;
    tree.insert(path("new"), file("something new", 1));
    let (second, _, fetched) = push(&repository, "n", MemoryCapture::new(&tree, 4096)).await.unwrap();
    assert_eq!(fetched.len(), 507);
    assert_eq!(second.stats.bytes_added, 13);
    assert_whole(&repository, &second.summary.id, &tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_read() {
    let (_place, repository) = Place::new().await;
    let mut tree = sample();
    push(&repository, "n", MemoryCapture::new(&tree, 4096)).await.unwrap();
    tree.insert(path("a/100.txt"), file("changed", 2));
    tree.remove(&path("a/101.txt"));
    tree.insert(path("a/new"), file("new", 1));
    let (second, _, fetched) = push(&repository, "n", MemoryCapture::new(&tree, 4096)).await.unwrap();
    assert_eq!(fetched, [path("a/100.txt"), path("a/new")]);
    assert_eq!((second.stats.files_new, second.stats.files_changed, second.stats.files_unchanged), (1, 1, 504));
    assert_whole(&repository, &second.summary.id, &tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_selections_work_as_well() {
    let (_place, repository) = Place::new().await;
    let tree = sample();
    let mut capture = MemoryCapture::new(&tree, 4096);
    capture.streams = true;
    let (first, _, _) = push(&repository, "n", capture).await.unwrap();
    let selection = Selection { paths: vec![path("a/00"), path("a/007.txt"), path("huge")] };
    let (pulled, _) = pull(&repository, &first.summary.id, &selection).await.unwrap();
    let expected: Tree = tree.iter().filter(|(p, _)| selection.takes(p)).map(|(p, n)| (p.clone(), n.clone())).collect();
    assert_eq!(expected.len(), 3);
    assert_same(&expected, &pulled);

    let backup = repository.open(&first.summary.id).await.unwrap();
    let mut entries = backup.entries(0, &Selection { paths: vec![path("sparse")] }).unwrap();
    let batch = entries.next().await.unwrap().unwrap();
    let bytes = read_entry(entries.supply(), batch.first, 10 << 20).await.unwrap();
    assert!(bytes == tree[&path("sparse")].bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_file_is_listed_and_the_rest_is_there() {
    let (_place, repository) = Place::new().await;
    let mut tree = sample();
    let mut capture = MemoryCapture::new(&tree, 50);
    capture.broken.insert(path("a/200.txt"));
    capture.lying.insert(path("huge"));
    let (first, component, _) = push(&repository, "n", capture).await.unwrap();
    assert_eq!(component.status, Status::Partial);
    let failures: Vec<_> = component.outcome.failures.iter().map(|failure| failure.path.clone()).collect();
    assert_eq!(failures, [path("a/200.txt"), path("huge")]);
    assert_eq!(first.summary.status, Status::Partial);
    tree.retain(|path, _| !failures.contains(path));
    assert_whole(&repository, &first.summary.id, &tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_opens_nothing_and_a_second_repository_is_refused() {
    let (place, _repository) = Place::new().await;
    let stranger = OwnerIdentity::Key(new_identity().0);
    let error = Repository::open(place.storage.clone(), &stranger, place.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    let error = Repository::create(place.storage.clone(), &[new_identity().1], place.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let error = Repository::open(Arc::new(Memory::new()), &place.identity, place.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_dropped_leaves_no_snapshot() {
    let (_place, repository) = Place::new().await;
    let tree = sample();
    let mut draft = repository.begin(Spec::new("n", "h"), Arc::new(Silent)).await.unwrap();
    let ingest = send(&mut *draft, &mut MemoryCapture::new(&tree, 4096)).await.unwrap();
    drop((ingest, draft));
    assert!(repository.list().await.unwrap().is_empty());
    let (first, _, _) = push(&repository, "n", MemoryCapture::new(&tree, 4096)).await.unwrap();
    assert_whole(&repository, &first.summary.id, &tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_packs_and_runs_are_as_good_as_one() {
    let (place, _) = Place::new().await;
    let repository = place.open(place.options().with_pack_bytes(20_000).with_run_rows(50)).await;
    let tree = sample();
    let (first, _, _) = push(&repository, "n", MemoryCapture::new(&tree, 60)).await.unwrap();
    let objects = place.storage.list_all("").await.unwrap();
    let count = |prefix: &str| objects.iter().filter(|(key, _)| key.as_str().starts_with(prefix)).count();
    // How often a run is written between depends on timing; one of each kind is certain.
    assert!(count("packs/") > 40 && count("index/") >= 2, "{} packs, {} runs", count("packs/"), count("index/"));
    assert_whole(&repository, &first.summary.id, &tree).await;
    let report = repository.check(CheckOptions::default().with_read(ReadData::All), Arc::new(Silent)).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_snapshot_does_not_come_back() {
    let (place, repository) = Place::new().await;
    let tree = sample();
    let (first, _, _) = push(&repository, "n", MemoryCapture::new(&tree, 4096)).await.unwrap();
    let key = Key::new(format!("snapshots/{}", first.summary.id)).unwrap();
    let object = place.storage.get_bytes(&key, 1 << 20).await.unwrap();
    repository.forget(&first.summary.id).await.unwrap();
    assert!(repository.list().await.unwrap().is_empty());
    // A writer whose answer was lost creates it once more.
    place.storage.create(&key, object).await.unwrap();
    assert!(repository.list().await.unwrap().is_empty());
    let error = repository.forget(&BackupId("00".repeat(16))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
