//! What a writer's credential can do, and what it cannot.

use super::*;
use std::time::{Duration, SystemTime};

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_backs_up_and_deduplicates_and_reads_nothing() {
    let place = Place::new().await;
    let first = place.certify(WriterSpec::default().with_names(["web-*"])).await;
    let second = place.certify(WriterSpec::default()).await;
    let (tree, owner) = (tree(1), place.owner().await);

    let writer = place.writer(&first).await;
    let pushed = push_tree(&writer, "web-1", &tree).await;
    assert!(pushed.stats.bytes_added >= 90_000);
    // It deduplicates against its own, another's and an owner's backups.
    for (repository, name) in
        [(&place.writer(&first).await, "web-1"), (&place.writer(&second).await, "db"), (&owner, "o")]
    {
        assert_eq!(push_tree(repository, name, &tree).await.stats.bytes_added, 0, "{name}");
    }

    assert_eq!(names(&writer).await, ["db", "o", "web-1", "web-1"]);
    let id = &pushed.summary.id;
    assert_eq!(kind(writer.open(id).await), ErrorKind::AccessDenied);
    assert_eq!(kind(writer.forget(id).await), ErrorKind::AccessDenied);
    assert_eq!(kind(writer.keys().await), ErrorKind::AccessDenied);
    assert_eq!(kind(writer.rotate().await), ErrorKind::AccessDenied);
    assert_eq!(kind(writer.add_owner(&new_identity().1).await), ErrorKind::AccessDenied);
    assert_eq!(kind(writer.add_writer(&WriterSpec::default()).await), ErrorKind::AccessDenied);
    assert_eq!(kind(writer.revoke_writer(&second.id().unwrap()).await), ErrorKind::AccessDenied);
    let read = CheckOptions::default().with_read(ReadData::All);
    let error = writer.check(read, Arc::new(Silent)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::AccessDenied && error.to_string().contains("owner"), "{error}");
    let report = writer.check(CheckOptions::default(), Arc::new(Silent)).await.unwrap();
    assert!(report.is_clean() && report.checked["snapshots"] == 4, "{report:?}");

    for summary in place.owner().await.list().await.unwrap() {
        assert_whole(&place.owner().await, &summary.id, &tree).await;
    }
    let report = place.check().await;
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_and_a_writers_cache_hold_nothing_that_opens_anything() {
    let place = Place::new().await;
    let credential = place.certify(WriterSpec::default()).await;
    let cache = tempfile::tempdir().unwrap();
    let options = options().with_cache_dir(cache.path());
    let writer = Repository::open_as_writer(place.storage.clone(), &credential, options).await.unwrap();
    push_tree(&writer, "n", &tree(1)).await;
    let text = credential.to_text().unwrap();
    for file in [OwnerIdentity::Key(text.clone()), OwnerIdentity::Passphrase(text.clone())] {
        assert!(open(&place.storage, &file).await.is_err());
    }
    let mut folders = vec![cache.path().to_owned()];
    let mut found = vec![text.expose().to_vec()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(std::fs::read(path).unwrap()) }
        }
    }
    assert!(found.len() > 2, "there is a cache");
    let plain = noise(1000, 3000);
    for content in found {
        assert!(!content.windows(16).any(|window| window == &plain[..16]), "content in the cache");
        assert!(!content.windows(15).any(|window| window == b"AGE-SECRET-KEY-"), "an identity in the cache");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_is_told_at_once_what_its_certificate_does_not_cover() {
    let place = Place::new().await;
    let credential = place.certify(WriterSpec::default().with_names(["web-*", "db"])).await;
    let writer = place.writer(&credential).await;
    for name in ["mail", "web", "Web-1", "db2"] {
        let denied = push(&writer, name, MemoryCapture::new(&tree(1), 100)).await.unwrap_err();
        assert!(denied.kind() == ErrorKind::AccessDenied && denied.to_string().contains("web-*"), "{denied}");
    }
    assert_eq!(place.keys("sessions/").await, []);
    push_tree(&writer, "db", &tree(1)).await;

    let past = SystemTime::now() - Duration::from_secs(60);
    let over = place.writer(&place.certify(WriterSpec::default().with_until(past)).await).await;
    assert_eq!(kind(push(&over, "n", MemoryCapture::new(&tree(1), 100)).await.map(|_| ())), ErrorKind::AccessDenied);
    for bad in [WriterSpec::default().with_names([""; 1]), WriterSpec::default().with_names([""; 0])] {
        assert_eq!(kind(place.owner().await.add_writer(&bad).await), ErrorKind::InvalidInput);
    }
    assert_eq!(
        kind(place.owner().await.add_writer(&WriterSpec::default().with_domain("")).await),
        ErrorKind::InvalidInput
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_opens_the_repository_it_was_made_for_and_no_other() {
    let (place, other) = (Place::new().await, Place::new().await);
    let credential = place.certify(WriterSpec::default()).await;
    let refused = Repository::open_as_writer(other.storage.clone(), &credential, options()).await;
    assert_eq!(kind(refused), ErrorKind::Damaged);
    // The storage puts another repository in its place, under the same id: the owners' key is not the one it knows.
    for key in place.keys("config/").await {
        place.storage.delete(std::slice::from_ref(&key)).await.unwrap();
        let foreign = other.storage.get_bytes(&key, 1 << 20).await.unwrap();
        place.storage.put_bytes(&key, foreign, &PutOptions::default()).await.unwrap();
    }
    let refused = Repository::open_as_writer(place.storage.clone(), &credential, options()).await;
    assert_eq!(kind(refused), ErrorKind::Damaged);
    assert_eq!(kind(open(&place.storage, &place.identity).await), ErrorKind::Damaged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_would_read_is_not_written() {
    let place = Place::new().await;
    let names = |count| WriterSpec::default().with_names((0..count).map(|number| format!("{number:01000}")));
    let credential = place.certify(names(900)).await;
    place.writer(&credential).await;
    assert_eq!(kind(place.owner().await.add_writer(&names(1100)).await), ErrorKind::InvalidInput);
}
