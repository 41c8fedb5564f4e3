//! Pushes that fail or are given up while their process lives: they end themselves.

use super::place::*;
use backup_core::*;
use backup_repository::*;
use backup_testkit::memory::*;
use backup_testkit::storage::{FaultPlan, Faulty, Method};
use std::sync::Arc;
use std::time::Duration;

/// A push that has sent a whole tree and is not finished.
pub async fn begun(repository: &Repository, tree: &Tree) -> (Box<dyn Draft>, Box<dyn Ingest>) {
    let mut draft = repository.begin(Spec::new("n", "host"), Arc::new(Silent)).await.unwrap();
    let mut ingest = draft.component(ComponentSpec::new("files", SourceDescription::new("memory"))).await.unwrap();
    let mut capture = MemoryCapture::new(tree, 3);
    while let Some(batch) = capture.list().await.unwrap() {
        // What the storage said comes back when the push ends.
        let Ok(wanted) = ingest.want(batch).await else { break };
        if capture.fetch(wanted, ingest.contents()).await.is_err() {
            break;
        }
    }
    (draft, ingest)
}

async fn has_packs(place: &Place, packs: usize) {
    while place.under("packs/").await.1.len() < packs {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub async fn commit((mut draft, ingest): (Box<dyn Draft>, Box<dyn Ingest>)) -> Result<BackupId> {
    draft.accept(ingest, Outcome::default()).await?;
    Ok(draft.commit().await?.summary.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_given_up_publishes_what_it_has_and_ends() {
    let tree = tree(10);
    let place = Place::new().await;
    let (draft, ingest) = begun(&place.open().await, &tree).await;
    has_packs(&place, 3).await;
    drop(ingest);
    draft.abort().await.unwrap();
    let (begun, over) = place.sessions().await;
    assert_eq!((begun.len(), &begun), (1, &over));
    assert_eq!(place.files().len(), 0);
    let (_, objects) = place.under("").await;
    assert!(!objects.iter().any(|key| key.starts_with("snapshots/")));
    assert!(objects.iter().any(|key| key.starts_with("index/")), "{objects:?}");
    // Known to everybody: not only to this machine.
    let (there, _) = place.under("packs/").await;
    let elsewhere = Place { cache: tempfile::tempdir().unwrap(), ..place };
    let (id, sent) = elsewhere.push(&tree).await;
    assert_resumed(undisturbed(&tree).await, there, sent);
    elsewhere.assert_whole(&tree, &[&id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_dropped_is_adopted() {
    let tree = tree(10);
    let place = Place::new().await;
    let dropped = begun(&place.open().await, &tree).await;
    has_packs(&place, 3).await;
    drop(dropped);
    place.settle();
    let (there, _) = place.under("packs/").await;
    assert_eq!(place.files().len(), 1);
    let (id, sent) = place.push(&tree).await;
    assert_resumed(undisturbed(&tree).await, there, sent);
    place.assert_whole(&tree, &[&id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_storage_fails_publishes_the_rest() {
    let tree = tree(20);
    let place = Place::new().await;
    let plan = FaultPlan::when(|call| call.method == Method::Finish && call.key.ends_with("-6"));
    let faulty = Arc::new(Faulty::new(place.storage.clone(), plan));
    let (draft, ingest) = begun(&place.over(faulty.clone()).await, &tree).await;
    drop(ingest);
    draft.abort().await.unwrap();
    assert_eq!(faulty.failed(), 1);
    place.settle();
    // It is not over, for nobody knows whether that pack arrives; what has arrived stands in a run.
    let (there, packs) = place.under("packs/").await;
    assert!(packs.len() >= 6);
    assert_eq!(place.under("index/").await.1.len(), 1);
    assert_eq!(place.sessions().await.1.len(), 0);
    let elsewhere = place.open_without_cache(place.storage.clone()).await;
    let (first, ..) = push(&elsewhere, "n", MemoryCapture::new(&tree, 3)).await.unwrap();
    assert_resumed(undisturbed(&tree).await, there, place.under("packs/").await.0 - there);
    let (id, _) = place.push(&tree).await;
    place.assert_whole(&tree, &[&id, &first.summary.id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_begin_leaves_no_trace_for_long() {
    let tree = tree(3);
    let place = Place::new().await;
    let plan = FaultPlan::when(|call| call.method == Method::Put && call.key.starts_with("sessions/"));
    let repository = place.over(Arc::new(Faulty::new(place.storage.clone(), plan))).await;
    assert!(repository.begin(Spec::new("n", "host"), Arc::new(Silent)).await.is_err());
    let (id, _) = place.push(&tree).await;
    place.assert_whole(&tree, &[&id]).await;
}
