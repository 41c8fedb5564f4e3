//! Receipts: when snapshots came.

use super::*;
use backup_testkit::storage::{Counting, FaultPlan, Faulty, Method};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn read_check(of: &Repository) -> Report {
    of.check(CheckOptions::default(), Arc::new(Silent)).await.unwrap()
}

fn times(listed: &[Summary]) -> Vec<Option<SystemTime>> {
    listed.iter().map(|summary| summary.received).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_owner_who_sees_a_snapshot_signs_when_it_came() {
    let place = Place::new().await;
    let credential = place.owner().await.add_writer(&WriterSpec::default()).await.unwrap();
    let writer = Repository::open_as_writer(place.storage.clone(), &credential, place.options()).await.unwrap();
    let owner = place.owner().await;
    let came = place.storage.now();
    let in_time = push(&writer, "n").await;
    // The writer's clock is two days late, or early.
    place.storage.advance(2 * DAY);
    let late = push(&writer, "n").await;
    place.storage.set_time(came - 2 * DAY);
    let early = push(&writer, "n").await;
    place.storage.set_time(came + 3 * DAY);
    for repository in [&owner, &writer] {
        let listed = repository.list().await.unwrap();
        let ids: Vec<_> = listed.iter().map(|summary| (&summary.id, summary.untimely)).collect();
        assert_eq!(ids, [(&in_time, false), (&late, true), (&early, true)], "shown, and said to be untimely");
        assert_eq!(times(&listed), [None, None, None]);
    }
    assert_eq!(kind(writer.record_receipts().await), ErrorKind::AccessDenied);
    read_check(&writer).await;
    assert!(place.keys("receipts/").await.is_empty(), "listing and writers record nothing");

    assert!(read_check(&owner).await.is_clean());
    assert_eq!(place.keys("receipts/").await, ["receipts/0"]);
    // In milliseconds.
    let near = |time: Option<SystemTime>, expected: SystemTime| {
        let apart = expected.duration_since(time.unwrap()).unwrap();
        assert!(apart < Duration::from_millis(1), "{apart:?}");
    };
    for repository in [&owner, &writer] {
        let listed = repository.list().await.unwrap();
        assert!(listed.iter().all(|summary| !summary.untimely));
        near(listed[0].received, came);
        near(listed[1].received, came + 2 * DAY);
        near(listed[2].received, came - 2 * DAY);
    }

    // The first receipt counts, whatever becomes of the object's time.
    let before = times(&owner.list().await.unwrap());
    for key in place.keys("snapshots/").await {
        let key = Key::new(key).unwrap();
        let bytes = place.storage.get_bytes(&key, 1 << 20).await.unwrap();
        place.storage.delete(std::slice::from_ref(&key)).await.unwrap();
        place.storage.put_bytes(&key, bytes, &PutOptions::default()).await.unwrap();
    }
    assert_eq!(owner.record_receipts().await.unwrap(), 0);
    assert_eq!(times(&owner.list().await.unwrap()), before);
    assert_eq!(place.keys("receipts/").await, ["receipts/0"], "nothing new, nothing written");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_names_all_and_old_ones_go() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(place.push("n").await);
        assert_eq!(owner.record_receipts().await.unwrap(), 1, "{number}");
    }
    assert_eq!(place.keys("receipts/").await, ["receipts/2", "receipts/3"]);
    owner.forget(&ids[0]).await.unwrap();
    ids.push(place.push("n").await);
    owner.prune(&PruneOptions::default(), Arc::new(Silent), &Stop::new()).await.unwrap();
    assert_eq!(place.keys("receipts/").await, ["receipts/3", "receipts/4"], "prune records, too");
    let bytes = place.storage.get_bytes(&Key::new("receipts/4").unwrap(), 1 << 20).await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(text.contains(&id.0), number != 0, "what is forgotten is dropped, and nothing else");
    }
    let counting = Arc::new(Counting::new(place.storage.clone()));
    let repository = place.over(counting.clone()).await;
    counting.reset();
    assert!(repository.list().await.unwrap().iter().all(|summary| summary.received.is_some()));
    let calls = |method| counting.tally_under(method, "receipts/").calls;
    assert_eq!((calls(Method::List), calls(Method::Get)), (1, 1));

    // A dry run writes nothing.
    place.push("n").await;
    let dry = PruneOptions::default().with_dry_run(true);
    owner.prune(&dry, Arc::new(Silent), &Stop::new()).await.unwrap();
    assert_eq!(place.keys("receipts/").await, ["receipts/3", "receipts/4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_that_no_owner_signed_are_passed_over_and_named() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let first = place.push("n").await;
    owner.record_receipts().await.unwrap();
    let signed = place.storage.get_bytes(&Key::new("receipts/0").unwrap(), 1 << 20).await.unwrap();
    place.plant("receipts/1", signed.to_vec()).await;
    place.plant("receipts/2", "rubbish").await;
    let second = place.push("n").await;
    let before = listed(&owner, &first).await.received;
    assert!(before.is_some(), "the newest that counts is read");
    let named: Vec<String> = read_check(&owner).await.findings.into_iter().map(|finding| finding.object).collect();
    assert_eq!(named, ["receipts/1", "receipts/2"]);
    assert_eq!(place.keys("receipts/").await, ["receipts/0", "receipts/3"], "behind the rubbish");
    assert_eq!(listed(&owner, &first).await.received, before);
    assert!(listed(&owner, &second).await.received.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_at_once_the_faster_ones_receipts_count() {
    let place = Place::new().await;
    let owner = place.owner().await;
    place.push("n").await;
    owner.record_receipts().await.unwrap();
    let second = place.push("n").await;
    assert_eq!(owner.record_receipts().await.unwrap(), 1);
    let first_said = listed(&owner, &second).await.received;
    let key = Key::new(format!("snapshots/{second}")).unwrap();
    let bytes = place.storage.get_bytes(&key, 1 << 20).await.unwrap();
    place.storage.delete(std::slice::from_ref(&key)).await.unwrap();
    place.storage.advance(2 * DAY);
    place.storage.put_bytes(&key, bytes, &PutOptions::default()).await.unwrap();
    let third = place.push("n").await;

    // The faster one's come when the other has listed what there is.
    let faster = Key::new("receipts/1").unwrap();
    let bytes = place.storage.get_bytes(&faster, 1 << 20).await.unwrap();
    place.storage.delete(std::slice::from_ref(&faster)).await.unwrap();
    let storage = place.storage.clone();
    let come = async move {
        storage.put_bytes(&faster, bytes, &PutOptions::default()).await.unwrap();
    };
    let plan = FaultPlan::meanwhile(|call| call.method == Method::Put && call.key == "receipts/1", come);
    let late = place.over(Arc::new(Faulty::new(place.storage.clone(), plan))).await;
    assert_eq!(late.record_receipts().await.unwrap(), 1, "the third; the second has its receipt");
    assert_eq!(listed(&owner, &second).await.received, first_said);
    assert!(listed(&owner, &third).await.received.is_some());
}
