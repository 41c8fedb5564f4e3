//! What bringing back one file costs who has nothing here: the target is 20 objects, and 2 MB beside the file, of a
//! repository of a million files.
//!
//! In a run of normal size there are 100,000 files; with BACKUP_SLOW a million.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod million;

use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::{pull, send};
use backup_testkit::storage::{Counting, Method, Tally};
use million::{Million, MillionCapture};
use std::sync::Arc;
use std::time::Duration;

const MAX_OBJECTS: u64 = 20;
const MAX_BYTES: u64 = 2_000_000;
/// Pushes after the first, each of which leaves a run of data and one of metadata.
const ROUNDS: u64 = 20;

fn tree(round: u64) -> Million {
    let files = if std::env::var_os("BACKUP_SLOW").is_some() { 1_000_000 } else { 100_000 };
    Million { files, round, rounds: ROUNDS }
}

async fn push(repository: &Repository, round: u64) -> BackupId {
    let mut capture = MillionCapture { tree: tree(round), at: 0 };
    let mut draft = repository.begin(Spec::new("n", "host"), Arc::new(Silent)).await.unwrap();
    let ingest = send(&mut *draft, &mut capture).await.unwrap();
    let component = draft.accept(ingest, Box::new(capture).finish().await.unwrap()).await.unwrap();
    assert_eq!(component.totals.entries, tree(round).entries());
    draft.commit().await.unwrap().summary.id
}

/// What was read of the storage, beside the file.
struct Cost {
    read: Tally,
    text: String,
}

/// Opens the repository where nothing of it is known, and takes one file of the snapshot that a reference means.
async fn cost_of_one(storage: &Arc<Counting>, identity: &OwnerIdentity, meant: &str, round: u64, file: u64) -> Cost {
    let cache = tempfile::tempdir().unwrap();
    let options = RepositoryOptions::default().with_cache_dir(cache.path());
    storage.reset();
    let repository = Repository::open(storage.clone(), identity, options).await.unwrap();
    let id = repository.names().await.unwrap().resolve(meant).await.unwrap();
    let (pulled, lost) = pull(&repository, &id, &Million::select(file)).await.unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    let content = tree(round).content(file);
    let (_, bytes) = pulled.into_values().find(|(entry, _)| entry.has_content()).unwrap();
    assert!(bytes.unwrap() == content, "file {file} came back as another");
    assert_eq!(storage.tally(Method::Stat).calls, 0);
    let mut read = storage.tally(Method::Get);
    read.bytes -= content.len() as u64;
    let mut text = format!(
        "file {file}: {} objects with {} requests and {} bytes, {} lists;",
        read.keys,
        read.calls,
        read.bytes,
        storage.tally(Method::List).calls
    );
    for prefix in ["config/", "keys/", "snapshots/", "notes/", "index/", "packs/"] {
        let Tally { keys, calls, bytes, .. } = storage.tally_under(Method::Get, prefix);
        text.push_str(&format!(" {prefix} {keys}/{calls}/{bytes}"));
    }
    Cost { read, text }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_of_a_million_costs_few_objects_and_little_more_than_its_bytes() {
    let storage = Arc::new(Counting::new(Arc::new(Memory::new())));
    let (secret, recipient) = new_identity();
    let identity = OwnerIdentity::Key(secret);
    let cache = tempfile::tempdir().unwrap();
    let options = RepositoryOptions::default().with_cache_dir(cache.path());
    let repository = Repository::create(storage.clone(), &[recipient], options).await.unwrap();
    let mut id = push(&repository, 0).await;
    for round in 1..=ROUNDS {
        id = push(&repository, round).await;
    }
    let files = tree(0).files;
    // One as old as the repository, one of the newest round, and one of a round between.
    let chosen = [files * 2 / 3, tree(0).changed_in(ROUNDS), files / 20 + tree(0).changed_in(7)];
    for pruned in [false, true] {
        if pruned {
            let options = PruneOptions::default().with_grace(Duration::ZERO);
            repository.prune(&options, Arc::new(Silent), &Stop::new()).await.unwrap();
        }
        let runs = storage.list_all("index/").await.unwrap().len();
        for (file, meant) in chosen.into_iter().zip([&id.0, "latest", "latest:n"]) {
            let cost = cost_of_one(&storage, &identity, meant, ROUNDS, file).await;
            println!("{files} files, {runs} runs, {}", cost.text);
            assert!(cost.read.bytes <= MAX_BYTES, "{}", cost.text);
            // Each run that no prune has merged is one object more.
            let more = if pruned { 0 } else { runs as u64 };
            assert!(cost.read.keys <= MAX_OBJECTS + more, "{}", cost.text);
        }
    }
}
