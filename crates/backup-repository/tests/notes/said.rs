//! Tags, holds, comments.

use super::*;
use backup_testkit::storage::{Counting, Method};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

fn tag(tag: &str) -> impl Fn(&mut Note) + Send + Sync {
    move |note| note.tags.push(tag.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_note_counts_for_everybody() {
    let place = Place::new().await;
    let credential = place.owner().await.add_writer(&WriterSpec::default()).await.unwrap();
    let writer = Repository::open_as_writer(place.storage.clone(), &credential, place.options()).await.unwrap();
    let id = push(&writer, "n").await;
    let owner = place.owner().await;
    assert_eq!(owner.note(&id).await.unwrap(), Note::default());
    // As text, 9 is behind 10.
    for i in 0..12 {
        owner.change_note(&id, tag(&i.to_string())).await.unwrap();
    }
    let held = |note: &mut Note| {
        note.tags.retain(|tag| tag.len() == 2);
        note.hold = Some("audit".into());
        note.comment = Some("before the move".into());
    };
    let now = place.owner().await.change_note(&id, held).await.unwrap();
    assert_eq!((now.hold.as_deref(), now.comment.as_deref()), (Some("audit"), Some("before the move")));
    let numbers: Vec<String> = (0..13).map(|number| format!("notes/{id}/{number}")).collect();
    let mut keys = place.keys("notes/").await;
    keys.sort_by_key(|key| (key.len(), key.clone()));
    assert_eq!(keys, numbers);
    assert_eq!(owner.note(&id).await.unwrap(), now);
    for repository in [&owner, &writer] {
        let listed = listed(repository, &id).await;
        assert_eq!((listed.tags, listed.held), (vec!["10".to_owned(), "11".to_owned()], true));
    }
    let opened = owner.open(&id).await.unwrap();
    assert_eq!((opened.summary().tags.len(), opened.summary().held), (2, true));

    // What changes nothing writes nothing; what a writer says is not taken.
    owner.change_note(&id, held).await.unwrap();
    assert_eq!(kind(writer.change_note(&id, tag("x")).await), ErrorKind::AccessDenied);
    let long = |note: &mut Note| note.comment = Some("x".repeat(64 << 10));
    assert_eq!(kind(owner.change_note(&id, long).await), ErrorKind::InvalidInput);
    assert_eq!(place.keys("notes/").await.len(), 13);
    for key in place.keys("notes/").await {
        let bytes = place.storage.get_bytes(&Key::new(key).unwrap(), 1 << 20).await.unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"audit"), "notes are secret");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_snapshot_stays_until_it_is_released() {
    let place = Place::new().await;
    let (first, second, third) = (place.push("n").await, place.push("n").await, place.push("n").await);
    let owner = place.owner().await;
    owner.change_note(&first, |note| note.hold = Some("audit".into())).await.unwrap();
    let refused = place.owner().await.forget(&first).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AccessDenied);
    assert!(refused.to_string().contains("release") && refused.to_string().contains("audit"), "{refused}");

    #[derive(Debug)]
    struct DropAll;
    impl RetentionPolicy for DropAll {
        fn plan(&self, series: &[Summary], _: SystemTime) -> Vec<Decision> {
            series.iter().map(|backup| Decision::drop(backup.id.clone(), "all go")).collect()
        }
    }
    let report = apply_retention(&owner, &DropAll, SystemTime::now()).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.dropped, [(second, Dropped::Gone)]);
    let left: Vec<BackupId> = owner.list().await.unwrap().into_iter().map(|summary| summary.id).collect();
    assert_eq!(left, [first.clone(), third]);

    owner.change_note(&first, |note| note.hold = None).await.unwrap();
    owner.forget(&first).await.unwrap();
    assert_eq!(kind(owner.change_note(&first, tag("late")).await), ErrorKind::NotFound);
    let notes = place.keys(&format!("notes/{first}/")).await;
    assert_eq!(notes, [format!("notes/{first}/forgotten")], "the others go with the snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_at_once_are_both_made() {
    let place = Place::new().await;
    let id = place.push("n").await;
    let both_have_read = Arc::new(Barrier::new(2));
    let tasks = ["a", "b"].map(|name| {
        let (barrier, waits) = (both_have_read.clone(), AtomicBool::new(true));
        let (repository, id) = (place.owner(), id.clone());
        let change = move |note: &mut Note| {
            if waits.swap(false, Ordering::Relaxed) {
                barrier.wait();
            }
            tag(name)(note);
        };
        (repository, id, change)
    });
    let [a, b] = tasks;
    let run = |(repository, id, change): (Repository, BackupId, _)| {
        tokio::spawn(async move { repository.change_note(&id, change).await.map(|note| note.tags.len()) })
    };
    let (a, b) = ((a.0.await, a.1, a.2), (b.0.await, b.1, b.2));
    let (a, b) = (run(a), run(b));
    let mut tags = [a.await.unwrap().unwrap(), b.await.unwrap().unwrap()];
    tags.sort_unstable();
    assert_eq!(tags, [1, 2], "the slower one sees what the faster one did");
    let mut tags = place.owner().await.note(&id).await.unwrap().tags;
    tags.sort_unstable();
    assert_eq!(tags, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_owner_signed_for_this_snapshot_is_passed_over() {
    let place = Place::new().await;
    let (id, other) = (place.push("n").await, place.push("n").await);
    let owner = place.owner().await;
    owner.change_note(&other, |note| note.hold = Some(String::new())).await.unwrap();
    let signed = place.storage.get_bytes(&Key::new(format!("notes/{other}/0")).unwrap(), 1 << 20).await.unwrap();
    place.plant(&format!("notes/{id}/0"), "rubbish").await;
    place.plant(&format!("notes/{id}/1"), signed.to_vec()).await;
    place.plant(&format!("notes/{id}/4294967295"), vec![0; 100 << 10]).await;
    place.plant(&format!("notes/{id}/02"), signed.to_vec()).await;
    let seen = listed(&owner, &id).await;
    assert!(!seen.held && seen.tags.is_empty());
    let now = owner.change_note(&id, tag("mine")).await.unwrap();
    assert_eq!(now.tags, ["mine"]);
    assert!(place.keys("notes/").await.contains(&format!("notes/{id}/2")), "behind the rubbish");
    assert_eq!(listed(&owner, &id).await.tags, ["mine"]);
    owner.forget(&id).await.unwrap();
    assert_eq!(kind(owner.forget(&other).await), ErrorKind::AccessDenied, "held, for no reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_cost_a_listing_and_one_object_for_each_snapshot_that_has_some() {
    let place = Place::new().await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(place.push("n").await);
    }
    let owner = place.owner().await;
    for id in &ids[..2] {
        owner.change_note(id, tag("a")).await.unwrap();
        owner.change_note(id, tag("b")).await.unwrap();
    }
    owner.forget(&ids[5]).await.unwrap();
    let counting = Arc::new(Counting::new(place.storage.clone()));
    let repository = place.over(counting.clone()).await;
    // The machine remembers the forgotten one, and asks once.
    repository.list().await.unwrap();
    counting.reset();
    assert_eq!(repository.list().await.unwrap().len(), 5);
    let calls = |method, prefix| counting.tally_under(method, prefix).calls;
    assert_eq!((calls(Method::List, "notes/"), calls(Method::Get, "notes/")), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_forgotten_does_not_open_whatever_stands_there() {
    let place = Place::new().await;
    let id = place.push("n").await;
    let key = Key::new(format!("snapshots/{id}")).unwrap();
    let kept = place.storage.get_bytes(&key, 1 << 20).await.unwrap();
    place.owner().await.forget(&id).await.unwrap();
    // A storage that keeps what is deleted.
    place.storage.put_bytes(&key, kept, &PutOptions::default()).await.unwrap();
    let owner = place.owner().await;
    assert_eq!(owner.list().await.unwrap().len(), 0);
    assert_eq!(kind(owner.open(&id).await.map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(owner.summary(&id).await), ErrorKind::NotFound);
}
