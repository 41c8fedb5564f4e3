//! Pushes that are interrupted, and the next ones.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "these are tests")]

mod ordinary;
mod place;

use backup_core::*;
use backup_testkit::memory::*;
use backup_testkit::storage::Modest;
use place::*;
use std::fs;
use std::sync::Arc;

/// How many packs the dead push of most tests has stored.
const STORED: u64 = 8;

/// A place where a push died, which had stored some packs and no run.
async fn with_a_dead_push(tree: &Tree) -> Place {
    let place = Place::new().await;
    // The first effect is the start of the session.
    assert!(place.crash(tree, 1 + STORED).await);
    assert_eq!(place.under("packs/").await.1.len() as u64, STORED);
    assert_eq!(place.under("index/").await.1.len(), 0);
    place
}

/// The one session that has begun.
async fn dead_of(place: &Place) -> String {
    place.sessions().await.0.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_push_dies_the_next_sends_only_what_is_missing() {
    let tree = tree(10);
    let full = undisturbed(&tree).await;
    let mut last = 0;
    loop {
        last += 1;
        let place = Place::new().await;
        if !place.crash(&tree, last).await {
            break;
        }
        let (there, _) = place.under("packs/").await;
        let runs = place.under("index/").await.1.len();
        let (id, sent) = place.push(&tree).await;
        assert_resumed(full, there, sent);
        place.assert_whole(&tree, &[&id]).await;
        // Where both runs were there, the packs are not listed once more: there is a tombstone, if the dead was not over.
        let more = place.under("index/").await.1.len() - runs;
        assert!(runs < 2 || more <= 1, "{more} runs");
    }
    // Start, packs, two runs, snapshot, end.
    assert!(last > 12, "it died {last} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_session_is_ended_and_its_packs_are_used() {
    let tree = tree(20);
    let place = with_a_dead_push(&tree).await;
    let dead = dead_of(&place).await;
    let (_, packs) = place.under("packs/").await;
    let (id, _) = place.push(&tree).await;
    let (_, objects) = place.under("").await;
    for key in [format!("sessions/{dead}/end"), format!("snapshots/{dead}"), format!("index/{dead}-0")] {
        assert!(objects.contains(&key), "{key}");
    }
    // A tombstone is no snapshot.
    let repository = place.open().await;
    assert_eq!(repository.list().await.unwrap().iter().map(|s| &s.id).collect::<Vec<_>>(), [&id]);
    place.assert_whole(&tree, &[&id]).await;
    // They are needed: the snapshot's content is in them.
    for key in &packs {
        place.storage.delete(&[Key::new(key.clone()).unwrap()]).await.unwrap();
    }
    let (pulled, _) = pull(&repository, &id, &Selection::default()).await.unwrap();
    assert!(pulled.values().filter(|(_, bytes)| bytes.is_err()).count() >= STORED as usize / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_it_is_all_sent_again() {
    let tree = tree(20);
    let place = with_a_dead_push(&tree).await;
    let (there, _) = place.under("packs/").await;
    let repository = place.open_without_cache(place.storage.clone()).await;
    let (committed, ..) = push(&repository, "n", MemoryCapture::new(&tree, 3)).await.unwrap();
    assert!(place.under("packs/").await.0 > there + undisturbed(&tree).await - PACK);
    let (begun, over) = place.sessions().await;
    assert_eq!(begun.difference(&over).count(), 1, "nobody may end it but its writer, and an owner");
    assert_whole(&repository, &committed.summary.id, &tree).await;
    // The writer comes back.
    let (id, sent) = place.push(&tree).await;
    assert!(sent < PACK);
    place.assert_whole(&tree, &[&id, &committed.summary.id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_next_push_dies_too_the_third_has_all() {
    let tree = tree(12);
    let full = undisturbed(&tree).await;
    let start = with_a_dead_push(&tree).await;
    let mut last = 0;
    loop {
        last += 1;
        let place = start.fork();
        if !place.crash(&tree, last).await {
            break;
        }
        let (there, _) = place.under("packs/").await;
        let (id, sent) = place.push(&tree).await;
        assert_resumed(full, there, sent);
        place.assert_whole(&tree, &[&id]).await;
    }
    assert!(last > 8, "the second push died {last} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_deaths_loses_no_pack() {
    let tree = tree(12);
    let full = undisturbed(&tree).await;
    let place = with_a_dead_push(&tree).await;
    // Each dies a little later: before its fence, in it, behind it, in its first run, behind it.
    for effects in 1..14 {
        assert!(place.crash(&tree, effects).await);
    }
    let (there, _) = place.under("packs/").await;
    let (id, sent) = place.push(&tree).await;
    assert_resumed(full, there, sent);
    place.assert_whole(&tree, &[&id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_start_at_once_do_not_hinder_each_other() {
    let tree = tree(20);
    for _ in 0..5 {
        let place = with_a_dead_push(&tree).await;
        let (one, other) = (place.open().await, place.open().await);
        let (one, other) = tokio::join!(
            push(&one, "n", MemoryCapture::new(&tree, 3)),
            push(&other, "n", MemoryCapture::new(&tree, 3))
        );
        let (one, other) = (one.unwrap().0.summary.id, other.unwrap().0.summary.id);
        place.assert_whole(&tree, &[&one, &other]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_lives_is_not_adopted() {
    let tree = tree(6);
    let place = Place::new().await;
    let repository = place.open().await;
    let living = ordinary::begun(&repository, &tree).await;
    let (other, _) = place.push(&tree).await;
    let id = ordinary::commit(living).await.unwrap();
    place.assert_whole(&tree, &[&id, &other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_is_another_matter() {
    let tree = tree(12);
    let place = with_a_dead_push(&tree).await;
    let repository = place.open().await;
    push(&repository, "other", MemoryCapture::new(&tree, 3)).await.unwrap();
    assert_eq!(place.files().len(), 1);
    assert!(!place.sessions().await.1.contains(&dead_of(&place).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_create_may_have_two_winners_nobody_is_fenced() {
    let tree = tree(12);
    let place = with_a_dead_push(&tree).await;
    let dead = dead_of(&place).await;
    let lax = Modest::new(place.storage.clone(), Capabilities::full().with_create_only(false));
    let repository = place.over(Arc::new(lax)).await;
    push(&repository, "n", MemoryCapture::new(&tree, 3)).await.unwrap();
    let (_, objects) = place.under("").await;
    assert!(!objects.contains(&format!("snapshots/{dead}")) && !objects.contains(&format!("sessions/{dead}/end")));
    assert_eq!(place.files().len(), 1, "it is not forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_that_are_damaged_are_left_alone() {
    let tree = tree(20);
    let place = with_a_dead_push(&tree).await;
    let (_, packs) = place.under("packs/").await;
    let mut damaged = 0;
    for (number, name) in packs.iter().enumerate() {
        let key = Key::new(name.clone()).unwrap();
        let mut bytes = place.storage.get_bytes(&key, 1 << 30).await.unwrap().to_vec();
        let end = bytes.len();
        match number {
            0 => bytes.truncate(end / 2),
            1 => bytes.truncate(20),
            2 => bytes.clear(),
            // In the sealed footer, in its length, in the header's magic.
            3 => bytes[end - 50] ^= 1,
            4 => bytes[end - 41] ^= 0x7f,
            5 => bytes[0] ^= 1,
            _ => continue,
        }
        damaged += 1;
        place.storage.delete(std::slice::from_ref(&key)).await.unwrap();
        place.storage.put_bytes(&key, bytes.into(), &PutOptions::default()).await.unwrap();
    }
    let full = undisturbed(&tree).await;
    let (id, sent) = place.push(&tree).await;
    assert!(sent + (STORED - damaged) * PACK / 2 < full, "the others are used");
    place.assert_whole(&tree, &[&id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_never_began_leaves_nothing() {
    let tree = tree(12);
    let place = with_a_dead_push(&tree).await;
    let dead = dead_of(&place).await;
    let never = format!("{}{}", dead.get(..20).unwrap(), "00".repeat(6));
    let file = place.files().remove(0);
    fs::copy(&file, file.with_file_name(&never)).unwrap();
    let (id, _) = place.push(&tree).await;
    assert!(place.under("").await.1.iter().all(|key| !key.contains(&never)));
    place.assert_whole(&tree, &[&id]).await;
}

/// The paths that the next push reads.
async fn fetched(place: &Place, tree: &Tree) -> (BackupId, Vec<TreePath>) {
    place.settle();
    let (committed, _, fetched) = push(&place.open().await, "n", MemoryCapture::new(tree, 3)).await.unwrap();
    (committed.summary.id, fetched)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_and_stored_is_not_read_again() {
    let mut tree = tree(20);
    let place = with_a_dead_push(&tree).await;
    tree.insert(path("file 001"), file("changed", 2));
    let (id, read) = fetched(&place, &tree).await;
    assert!(read.contains(&path("file 001")) && read.contains(&path("file 019")));
    assert!(!read.contains(&path("file 000")), "{read:?}");
    place.assert_whole(&tree, &[&id]).await;
    // A whole listing again.
    let (id, read) = fetched(&place, &tree).await;
    assert_eq!(read, []);
    place.assert_whole(&tree, &[&id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_and_is_gone_is_read_again() {
    let tree = tree(20);
    let place = with_a_dead_push(&tree).await;
    for name in place.under("packs/").await.1 {
        place.storage.delete(&[Key::new(name).unwrap()]).await.unwrap();
    }
    let (id, read) = fetched(&place, &tree).await;
    assert_eq!(read.len(), 20);
    place.assert_whole(&tree, &[&id]).await;
}
