//! What is copied before anything is deleted has a bound.

use super::*;
use backup_testkit::storage::{FaultPlan, Faulty, Method};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// A storage that counts how many packs are stored, at most, with none deleted in between.
fn watched(storage: Arc<Memory>) -> (Arc<Faulty>, Arc<AtomicU64>) {
    let (stored, most) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let seen = most.clone();
    let plan = FaultPlan::when(move |call| {
        match call.method {
            Method::Finish if call.key.starts_with("packs/") => {
                seen.fetch_max(stored.fetch_add(1, SeqCst) + 1, SeqCst);
            }
            Method::Delete if call.key.starts_with("packs/") => stored.store(0, SeqCst),
            _ => {}
        }
        false
    });
    (Arc::new(Faulty::new(storage, plan)), most)
}

/// Many packs of which two thirds are garbage.
async fn half_empty() -> (Place, BackupId, Tree) {
    let (place, repository) = Place::new().await;
    let mut kept = Tree::new();
    let mut doomed = Vec::new();
    for number in 0..12u64 {
        let all = tree(number * 100..number * 100 + 60);
        kept.extend(all.iter().step_by(3).map(|(path, file)| (path.clone(), file.clone())));
        doomed.push(store(&repository, &all).await);
    }
    let id = store(&repository, &kept).await;
    for id in doomed {
        repository.forget(&id).await.unwrap();
    }
    (place, id, kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_copies_so_much_and_the_next_goes_on_when_that_is_deleted() {
    let mut most_at_once = Vec::new();
    for bound in [u64::MAX, 800_000] {
        let (place, id, kept) = half_empty().await;
        let before = place.bytes("packs/").await;
        let (storage, most) = watched(place.storage.clone());
        let repository = Repository::open(storage, &place.identity, place.options()).await.unwrap();
        let report = prune(&repository, &now().with_max_copied_bytes(bound)).await.unwrap();
        assert!(report.is_finished() && report.packs_left == 0 && report.packs_copied >= 12, "{report:?}");
        assert!(place.bytes("packs/").await < before / 2, "{before} bytes before; {report:?}");
        assert_whole(&repository, &id, &kept).await;
        assert_clean(&repository).await;
        most_at_once.push((most.load(SeqCst), report.passes));
    }
    let [(all, few_passes), (some, passes)] = most_at_once[..] else { panic!("two runs") };
    // A pack of content is closed at 100 kB; what is left of all is 4.8 MB.
    assert!(some <= 12 && all >= 2 * some, "{all} packs at once without a bound, {some} with one");
    assert!(passes > few_passes + 4, "{few_passes} passes, {passes} passes");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_grace_the_rest_is_left_to_the_next_prune_and_said() {
    let (place, id, kept) = half_empty().await;
    let repository = Repository::open(place.storage.clone(), &place.identity, place.options()).await.unwrap();
    let options = PruneOptions::default().with_max_copied_bytes(800_000);
    let foretold = prune(&repository, &options.clone().with_dry_run(true)).await.unwrap();
    let first = prune(&repository, &options).await.unwrap();
    assert!(first.packs_left > 0 && first.packs_copied > 0 && first.bytes_copied < 1_200_000, "{first:?}");
    assert_eq!((foretold.packs_left, foretold.packs_copied), (first.packs_left, first.packs_copied));
    assert!(first.waiting.iter().any(|line| line.contains("rewritten")), "{first:?}");
    let mut left = first.packs_left;
    while left > 0 {
        place.storage.advance(DAY);
        let next = prune(&repository, &options).await.unwrap();
        assert!(next.packs_left < left, "{next:?}");
        left = next.packs_left;
    }
    place.storage.advance(DAY);
    assert!(prune(&repository, &now()).await.unwrap().is_finished());
    assert_whole(&repository, &id, &kept).await;
    assert_clean(&repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_packs_become_few_however_little_may_be_copied() {
    let (place, repository) = Place::new().await;
    let mut kept = Vec::new();
    for seed in 0..40 {
        let tree: Tree = [(path(&format!("f{seed}")), file(noise(seed, 2000), 1))].into();
        kept.push((store(&repository, &tree).await, tree));
    }
    let before = place.count("packs/").await;
    let report = prune(&repository, &now().with_max_copied_bytes(0)).await.unwrap();
    assert!(report.is_finished() && place.count("packs/").await < before / 2, "{before} packs before; {report:?}");
    for (id, tree) in &kept {
        assert_whole(&repository, id, tree).await;
    }
}
