//! A storage that shows less than there was.

use super::*;
use backup_testkit::Told;
use std::slice::from_ref;

/// How many warnings say that this one is missing.
fn about(told: &Told, id: &BackupId) -> usize {
    told.warnings().iter().filter(|text| text.contains(&id.0) && text.contains("older state")).count()
}

async fn findings(of: &Repository) -> Vec<(String, Vec<BackupId>)> {
    let report = of.check(CheckOptions::default(), Arc::new(Silent)).await.unwrap();
    report.findings.into_iter().map(|finding| (finding.object, finding.affects)).collect()
}

fn found(id: &BackupId) -> (String, Vec<BackupId>) {
    (format!("snapshots/{id}"), vec![id.clone()])
}

async fn drop_snapshot(storage: &Memory, id: &BackupId) {
    storage.delete(&[Key::new(format!("snapshots/{id}")).unwrap()]).await.unwrap();
}

async fn missing(of: &Repository) -> Vec<BackupId> {
    of.listing().await.unwrap().missing.into_iter().map(|missing| missing.id).collect()
}

impl Place {
    /// The same repository on another machine, which remembers nothing.
    async fn elsewhere(&self, storage: &Arc<Memory>) -> Repository {
        let options = RepositoryOptions::default().with_threads(2);
        Repository::open(storage.clone(), &self.identity, options).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_a_series_is_named_by_check() {
    let place = Place::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(place.push("n").await);
    }
    let other = place.push("other").await;
    let anew = place.elsewhere(&place.storage).await;
    // What an owner forgets is no gap, nor is what began a series.
    place.owner().await.forget(&ids[0]).await.unwrap();
    place.owner().await.forget(&ids[3]).await.unwrap();
    drop_snapshot(&place.storage, &other).await;
    assert_eq!(findings(&anew).await, []);
    drop_snapshot(&place.storage, &ids[1]).await;
    assert_eq!(findings(&anew).await, [found(&ids[1])], "named, and nothing else");
    // A note that a stranger wrote explains nothing.
    place.plant(&format!("notes/{}/forgotten", ids[1]), "rubbish").await;
    assert!(findings(&anew).await.contains(&found(&ids[1])));
    place.storage.delete(&[Key::new(format!("notes/{}/forgotten", ids[1])).unwrap()]).await.unwrap();
    anew.forget_missing(&ids[1]).await.unwrap();
    assert_eq!(findings(&anew).await, [], "an owner knows of it");
    assert_eq!(kind(anew.forget_missing(&ids[2]).await), ErrorKind::InvalidInput, "it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_snapshot_follows_the_newest_that_counts() {
    let place = Place::new().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(place.push("n").await);
    }
    place.owner().await.forget(&ids[0]).await.unwrap();
    place.owner().await.forget(&ids[1]).await.unwrap();
    // It was signed by nobody, so it may vanish without a trace.
    let newest = Key::new(format!("snapshots/{}", ids[3])).unwrap();
    let kept = place.storage.get_bytes(&newest, 1 << 20).await.unwrap();
    place.storage.delete(from_ref(&newest)).await.unwrap();
    place.plant(newest.as_str(), vec![7; 600]).await;
    let behind_rubbish = place.push("n").await;
    place.storage.delete(from_ref(&newest)).await.unwrap();
    let anew = place.elsewhere(&place.storage).await;
    assert_eq!(findings(&anew).await, [], "nobody follows rubbish");
    drop_snapshot(&place.storage, &behind_rubbish).await;
    place.storage.put_bytes(&newest, kept, &PutOptions::default()).await.unwrap();
    let last = place.push("n").await;
    drop_snapshot(&place.storage, &ids[2]).await;
    // The third is named by the fourth, and the fourth by the last; nobody names the one behind the rubbish.
    assert_eq!(findings(&anew).await, [found(&ids[2])]);
    drop_snapshot(&place.storage, &ids[3]).await;
    assert_eq!(findings(&anew).await, [found(&ids[3])]);
    drop_snapshot(&place.storage, &last).await;
    assert_eq!(findings(&anew).await, [], "the newest can vanish, and nobody sees it who has not seen them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_remembers_notices_a_rollback() {
    let place = Place::new().await;
    let first = place.push("n").await;
    let earlier = Arc::new(place.storage.fork());
    let second = place.push("n").await;
    let rolled_back = place.over(earlier.clone()).await;
    // Nobody listed the second: the machine that made it has seen it.
    assert_eq!(missing(&rolled_back).await, from_ref(&second));
    assert_eq!(missing(&rolled_back).await, from_ref(&second), "it does not get used to it");
    let of_series = &rolled_back.listing().await.unwrap().missing[0];
    assert_eq!((of_series.seen, of_series.there), (2, 1));
    assert_eq!(findings(&rolled_back).await, [found(&second)]);
    assert_eq!(missing(&place.elsewhere(&earlier).await).await, [], "who has not seen it cannot know");
    assert_eq!(missing(&place.owner().await).await, [], "it is there");

    // A push and a prune say so, and a new snapshot does not hide it.
    let told = Arc::new(Told::default());
    let draft = rolled_back.begin(Spec::new("n", "host"), told.clone()).await.unwrap();
    draft.abort().await.unwrap();
    assert_eq!(about(&told, &second), 1);
    rolled_back.prune(&PruneOptions::default(), told.clone(), &Stop::new()).await.unwrap();
    assert_eq!(about(&told, &second), 2);
    push(&rolled_back, "n").await;
    assert_eq!(missing(&rolled_back).await, from_ref(&second));
    rolled_back.forget_missing(&second).await.unwrap();
    assert_eq!(missing(&rolled_back).await, []);
    drop_snapshot(&earlier, &first).await;
    assert_eq!(missing(&rolled_back).await, [], "an older one is for check to find");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_or_of_others_is_not_missed() {
    let place = Place::new().await;
    let (only, first, second) = (place.push("only").await, place.push("n").await, place.push("n").await);
    let elsewhere = place.elsewhere(&place.storage).await;
    elsewhere.forget(&second).await.unwrap();
    elsewhere.forget(&only).await.unwrap();
    assert_eq!(missing(&place.owner().await).await, []);
    // From then on the one before is the newest that it has seen.
    drop_snapshot(&place.storage, &first).await;
    assert_eq!(missing(&place.owner().await).await, from_ref(&first));

    // A writer of one domain does not make the machine forget what the owner has seen in another.
    let spec = WriterSpec::default().with_domain("lab");
    let credential = place.owner().await.add_writer(&spec).await.unwrap();
    let ours = place.push("ours").await;
    let writer = Repository::open_as_writer(place.storage.clone(), &credential, place.options()).await.unwrap();
    let theirs = push(&writer, "theirs").await;
    assert_eq!(writer.list().await.unwrap().len(), 1);
    drop_snapshot(&place.storage, &ours).await;
    drop_snapshot(&place.storage, &theirs).await;
    let mut expected = [first, ours, theirs];
    let mut gone = missing(&place.owner().await).await;
    gone.sort();
    expected.sort();
    assert_eq!(gone, expected);
    // Rubbish that comes and goes was never seen.
    let rubbish = BackupId(gone[0].0.chars().rev().collect());
    place.plant(&format!("snapshots/{rubbish}"), vec![7; 600]).await;
    place.owner().await.list().await.unwrap();
    drop_snapshot(&place.storage, &rubbish).await;
    assert!(!missing(&place.owner().await).await.contains(&rubbish));
}
