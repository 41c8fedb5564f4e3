//! Domains do not meet.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn domains_share_nothing_and_owners_read_all() {
    let place = Place::new().await;
    let first = place.certify(WriterSpec::default()).await;
    let lab = place.certify(WriterSpec::default().with_domain("lab")).await;
    let again = place.certify(WriterSpec::default().with_domain("lab").with_names(["lab-*"])).await;
    assert_eq!((lab.domain(), again.domain(), first.domain()), ("lab", "lab", "default"));
    let (tree, other) = (tree(1), tree(2));
    let mut snapshots = vec![push_tree(&place.writer(&first).await, "a", &tree).await];
    snapshots.push(push_tree(&place.writer(&lab).await, "b", &tree).await);
    assert_eq!(snapshots[0].stats.bytes_added, snapshots[1].stats.bytes_added, "nothing of another domain is used");
    snapshots.push(push_tree(&place.writer(&again).await, "lab-c", &tree).await);
    assert_eq!(snapshots[2].stats.bytes_added, 0, "members of a domain share");
    snapshots.push(push_tree(&place.owner().await, "o", &tree).await);
    assert_eq!(snapshots[3].stats.bytes_added, 0, "owners write to the first domain");

    assert_eq!(names(&place.writer(&first).await).await, ["a", "o"]);
    assert_eq!(names(&place.writer(&lab).await).await, ["b", "lab-c"]);
    for writer in [&first, &lab] {
        let report = place.writer(writer).await.check(CheckOptions::default(), Arc::new(Silent)).await.unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
    let (secret, recipient) = new_identity();
    place.owner().await.add_owner(&recipient).await.unwrap();
    for identity in [&place.identity, &OwnerIdentity::Key(secret)] {
        let owner = open(&place.storage, identity).await.unwrap();
        assert_eq!(names(&owner).await, ["a", "b", "lab-c", "o"]);
        for pushed in &snapshots {
            assert_whole(&owner, &pushed.summary.id, &tree).await;
        }
        assert_eq!(owner.keys().await.unwrap().domains, ["default", "lab"]);
    }
    let report = place.check().await;
    assert!(report.is_clean() && report.checked["snapshots"] == 4 && report.checked["packs"] == 4, "{report:?}");

    // After a rotation, too, and for a third domain.
    place.owner().await.rotate().await.unwrap();
    let third = place.certify(WriterSpec::default().with_domain("third")).await;
    for writer in [&lab, &third] {
        let id = push_tree(&place.writer(writer).await, "lab-d", &other).await.summary.id;
        assert_whole(&place.owner().await, &id, &other).await;
    }
    assert_eq!(names(&place.writer(&lab).await).await, ["b", "lab-c", "lab-d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_file_is_not_written_while_keys_that_were_added_are_lost() {
    let place = Place::new().await;
    for domain in ["one", "two"] {
        place.certify(WriterSpec::default().with_domain(domain)).await;
    }
    for _ in 0..2 {
        place.owner().await.rotate().await.unwrap();
    }
    let two = place.certify(WriterSpec::default().with_domain("two")).await;
    for key in ["keys/domains/1", "keys/identity/1"] {
        let key = Key::new(key).unwrap();
        let kept = place.storage.get_bytes(&key, 1 << 20).await.unwrap();
        place.storage.delete(std::slice::from_ref(&key)).await.unwrap();
        place.storage.put_bytes(&key, noise(1, 300).into(), &PutOptions::default()).await.unwrap();
        // What is left is read under its own number.
        let id = push_tree(&place.writer(&two).await, "n", &tree(1)).await.summary.id;
        assert_whole(&place.owner().await, &id, &tree(1)).await;
        let (_, recipient) = new_identity();
        assert_eq!(kind(place.owner().await.add_owner(&recipient).await), ErrorKind::Damaged, "{key}");
        place.storage.delete(std::slice::from_ref(&key)).await.unwrap();
        place.storage.put_bytes(&key, kept, &PutOptions::default()).await.unwrap();
        let (secret, recipient) = new_identity();
        place.owner().await.add_owner(&recipient).await.unwrap();
        assert_whole(&open(&place.storage, &OwnerIdentity::Key(secret)).await.unwrap(), &id, &tree(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cache_serves_all_domains() {
    let place = Place::new().await;
    let lab = place.certify(WriterSpec::default().with_domain("lab")).await;
    let cache = tempfile::tempdir().unwrap();
    let mut ids = vec![push_tree(&place.owner().await, "n", &tree(1)).await.summary.id];
    ids.push(push_tree(&place.writer(&lab).await, "n", &tree(1)).await.summary.id);
    for _ in 0..2 {
        let options = options().with_cache_dir(cache.path());
        let owner = Repository::open(place.storage.clone(), &place.identity, options).await.unwrap();
        for id in &ids {
            assert_whole(&owner, id, &tree(1)).await;
        }
        assert_eq!(push_tree(&owner, "m", &tree(1)).await.stats.bytes_added, 0);
    }
    let folder = cache.path().join(place.owner().await.id().to_string()).join("index");
    assert!(std::fs::read_dir(folder).unwrap().count() >= 4, "the runs of both domains are kept");
}
