//! What somebody puts there who may write to the storage, but not sign.

use super::*;

/// Copies what is new under these prefixes.
async fn copy(from: &Memory, to: &Memory, prefixes: &[&str]) {
    for prefix in prefixes {
        for (key, _) in from.list_all(prefix).await.unwrap() {
            if to.stat(&key).await.is_err() {
                let bytes = from.get_bytes(&key, 1 << 30).await.unwrap();
                to.put_bytes(&key, bytes, &PutOptions::default()).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_signed_is_not_read_and_check_names_it() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let pushed = push_tree(&owner, "ours", &tree(1)).await;

    // Somebody with all of a member's keys, whom no owner has certified here.
    let elsewhere = Place { storage: Arc::new(place.storage.fork()), identity: place.identity.clone() };
    let stranger = elsewhere.writer(&elsewhere.certify(WriterSpec::default()).await).await;
    push_tree(&stranger, "ours", &tree(2)).await;
    copy(&elsewhere.storage, &place.storage, &["sessions/", "packs/", "index/", "snapshots/"]).await;
    assert_eq!(names(&elsewhere.owner().await).await, ["ours", "ours"], "certified, it would be read");

    let owner = place.owner().await;
    assert_eq!(names(&owner).await, ["ours"]);
    let listed = place.keys("snapshots/").await;
    let foreign = listed.iter().find(|key| !key.as_str().ends_with(&pushed.summary.id.0)).unwrap();
    let id = BackupId(foreign.as_str().strip_prefix("snapshots/").unwrap().into());
    assert_eq!(kind(owner.open(&id).await), ErrorKind::Damaged);
    let report = place.check().await;
    let named: Vec<_> = report.findings.iter().map(|finding| finding.object.as_str()).collect();
    assert!(named.contains(&foreign.as_str()), "{report:?}");
    assert_eq!(named.iter().filter(|object| object.starts_with("index/")).count(), 2, "{report:?}");

    // Its runs are not believed: what they say is there is stored again. Nothing else is held up.
    let again = push_tree(&place.owner().await, "ours", &tree(2)).await;
    assert!(again.stats.bytes_added >= 90_000, "{:?}", again.stats);
    assert_whole(&place.owner().await, &again.summary.id, &tree(2)).await;
    assert_whole(&place.owner().await, &pushed.summary.id, &tree(1)).await;
    // An owner who has seen it takes it away.
    owner.forget(&id).await.unwrap();
    assert!(!place.keys("snapshots/").await.contains(foreign));
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_under_every_name_holds_nobody_up() {
    let place = Place::new().await;
    let credential = place.certify(WriterSpec::default()).await;
    let pushed = push_tree(&place.owner().await, "n", &tree(1)).await;
    let session = "ab".repeat(16);
    let rubbish = [
        format!("snapshots/{session}"),
        format!("index/{session}-0"),
        format!("index/{}.void", pushed.summary.id),
        format!("notes/{}/forgotten", pushed.summary.id),
        "keys/identity/1".into(),
        "keys/domains/1".into(),
        format!("keys/writers/{session}"),
        format!("keys/writers/{}.revoked", credential.id().unwrap()),
        "keys/cards/00".into(),
        "keys/owners/00".into(),
    ];
    for key in &rubbish {
        let bytes = noise(7, 4000).into();
        place.storage.put_bytes(&Key::new(key.clone()).unwrap(), bytes, &PutOptions::default()).await.unwrap();
    }
    let owner = place.owner().await;
    assert_eq!(names(&owner).await, ["n"]);
    assert_whole(&owner, &pushed.summary.id, &tree(1)).await;
    let writer = place.writer(&credential).await;
    assert_eq!(push_tree(&writer, "n", &tree(1)).await.stats.bytes_added, 0, "its runs are not void");
    let named: Vec<_> = place.check().await.findings.into_iter().map(|finding| finding.object).collect();
    for key in rubbish.iter().filter(|key| !key.starts_with("notes/") && !key.ends_with(".void")) {
        assert!(named.contains(key), "{key} {named:?}");
    }
    // What an owner needs the names for gives way.
    assert_eq!(owner.revoke_writer(&credential.id().unwrap()).await.unwrap(), 1);
    owner.remove_owner("00").await.unwrap();
    assert_eq!(owner.rotate().await.unwrap().identity, 1);
    let lab = place.certify(WriterSpec::default().with_domain("lab")).await;
    let id = push_tree(&place.writer(&lab).await, "n", &tree(3)).await.summary.id;
    assert_whole(&place.owner().await, &id, &tree(3)).await;
}
