//! Every object of a small repository, damaged in every way: check names it, pull gives no wrong byte.

use super::Place;
use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::*;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    Missing,
    Empty,
    Cut,
    Flip,
    Foreign,
}

async fn damage(storage: &Memory, key: &Key, how: Damage, foreign: &Memory) {
    let mut bytes = storage.get_bytes(key, 1 << 30).await.unwrap().to_vec();
    storage.delete(std::slice::from_ref(key)).await.unwrap();
    let middle = bytes.len() / 2;
    match how {
        Damage::Missing => return,
        Damage::Empty => bytes.clear(),
        Damage::Cut => bytes.truncate(middle),
        Damage::Flip => bytes[middle] ^= 0x40,
        // The same kind of object, of another repository.
        Damage::Foreign => {
            let kind = key.as_str().split('/').next().unwrap();
            let (other, _) = foreign.list_all(&format!("{kind}/")).await.unwrap().remove(0);
            bytes = foreign.get_bytes(&other, 1 << 30).await.unwrap().to_vec();
        }
    }
    storage.put_bytes(key, bytes.into(), &PutOptions::default()).await.unwrap();
}

fn tree() -> Tree {
    let mut tree = Tree::new();
    for i in 0..40u64 {
        tree.insert(path(&format!("dir/{i:02}")), file(noise(i, 3000), 1));
    }
    tree.insert(path("big"), file(noise(99, 3_000_000), 1));
    tree
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_damage_to_every_object_is_found_and_never_restored() {
    let (place, repository) = Place::new().await;
    let (_other_place, other) = Place::new().await;
    push(&other, "n", MemoryCapture::new(&tree(), 100)).await.unwrap();
    other.record_receipts().await.unwrap();
    let tree = tree();
    let (first, _, _) = push(&repository, "n", MemoryCapture::new(&tree, 100)).await.unwrap();
    let clean = repository.check(CheckOptions::default().with_read(ReadData::All), Arc::new(Silent)).await.unwrap();
    assert!(clean.is_clean(), "{clean:?}");
    assert_eq!(clean.checked["packs read"], 2, "{clean:?}");

    let mut unseen = Vec::new();
    for key in place.keys("").await {
        for how in [Damage::Missing, Damage::Empty, Damage::Cut, Damage::Flip, Damage::Foreign] {
            let damaged = Arc::new(place.storage.fork());
            damage(&damaged, &key, how, &_other_place.storage).await;
            let nothing_cached = tempfile::tempdir().unwrap();
            let options = RepositoryOptions::default().with_cache_dir(nothing_cached.path()).with_threads(2);
            let opened = Repository::open(damaged, &place.identity, options).await;
            if key.as_str().starts_with("keys/owners/") {
                // The only owner file: without it nobody gets in, and that is said.
                assert!(opened.is_err(), "{key} {how:?}");
                continue;
            }
            let repository = opened.unwrap();
            let report =
                repository.check(CheckOptions::default().with_read(ReadData::All), Arc::new(Silent)).await.unwrap();
            if report.is_clean() {
                unseen.push(format!("{} {how:?}", key.as_str().split('/').next().unwrap()));
            } else if !["config/", "keys/", "receipts/"].iter().any(|folder| key.as_str().starts_with(folder)) {
                assert!(
                    report.findings.iter().any(|f| f.affects.contains(&first.summary.id)),
                    "{key} {how:?} {report:?}"
                );
            }
            // What comes back is right, whatever is missing.
            if let Ok((pulled, _)) = pull(&repository, &first.summary.id, &Selection::default()).await {
                for (path, (_, bytes)) in &pulled {
                    assert!(
                        bytes.as_ref().is_err() || *bytes.as_ref().unwrap() == tree[path].bytes(),
                        "{key} {how:?} {path}"
                    );
                }
            } else {
                assert!(!report.is_clean() || how == Damage::Missing, "{key} {how:?}");
            }
        }
    }
    unseen.sort();
    unseen.dedup();
    // What nobody can see from the objects that are left; docs/format.md says so.
    assert_eq!(
        unseen,
        [
            "receipts Missing",
            "sessions Cut",
            "sessions Empty",
            "sessions Flip",
            "sessions Foreign",
            "sessions Missing",
            "snapshots Missing",
        ]
    );
}
