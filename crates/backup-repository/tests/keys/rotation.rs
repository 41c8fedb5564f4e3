//! A new identity: old data stays readable, new data is closed to who has only what was before.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_data_for_those_who_stay_and_nothing_new_for_those_who_went() {
    let place = Place::new().await;
    let credential = place.certify(WriterSpec::default()).await;
    let owner = place.owner().await;
    let gone = OwnerIdentity::Passphrase(Secret::new("of one who leaves"));
    let stays = OwnerIdentity::Passphrase(Secret::new("of one who stays"));
    let OwnerIdentity::Passphrase(secret) = &gone else { panic!() };
    let leaver = owner.add_owner(&OwnerRecipient::Passphrase(secret.clone())).await.unwrap();
    let OwnerIdentity::Passphrase(secret) = &stays else { panic!() };
    let stayer = owner.add_owner(&OwnerRecipient::Passphrase(secret.clone())).await.unwrap();
    let old = push_tree(&owner, "old", &tree(1)).await.summary.id;

    // Everything that the one who leaves ever had is in this opening; its owner file goes, and the identity after it.
    let thief = open(&place.storage, &gone).await.unwrap();
    owner.remove_owner(&leaver).await.unwrap();
    let rotated = owner.rotate().await.unwrap();
    assert_eq!((rotated.identity, rotated.left_out.len()), (1, 0));
    assert!(rotated.owners.len() == 2 && rotated.owners.contains(&stayer), "{rotated:?}");
    assert_eq!(kind(owner.rotate().await), ErrorKind::Unavailable, "this opening does not know what it did");

    let new = push_tree(&place.owner().await, "new", &tree(2)).await.summary.id;
    // A credential from before takes the new recipient from the storage.
    let writer = push_tree(&place.writer(&credential).await, "writer", &tree(3)).await.summary.id;
    let mut identities = vec![place.identity.clone(), stays];
    // One who comes later has all of it.
    let (secret, recipient) = new_identity();
    place.owner().await.add_owner(&recipient).await.unwrap();
    identities.push(OwnerIdentity::Key(secret));
    for identity in &identities {
        let owner = open(&place.storage, identity).await.unwrap();
        for (id, seed) in [(&old, 1), (&new, 2), (&writer, 3)] {
            assert_whole(&owner, id, &tree(seed)).await;
        }
    }
    assert_eq!(kind(open(&place.storage, &gone).await), ErrorKind::AccessDenied);
    assert_whole(&thief, &old, &tree(1)).await;
    for id in [&new, &writer] {
        assert_eq!(kind(thief.open(id).await), ErrorKind::AccessDenied);
    }
    // Not with its file put back either: the storage may be on its side.
    let report = place.check().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(place.owner().await.keys().await.unwrap().rotations, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_owners_file_put_back_does_not_open_what_came_later() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let secret = Secret::new("of one who leaves");
    let leaver = owner.add_owner(&OwnerRecipient::Passphrase(secret.clone())).await.unwrap();
    let before = place.storage.fork();
    owner.remove_owner(&leaver).await.unwrap();
    owner.rotate().await.unwrap();
    let new = push_tree(&place.owner().await, "new", &tree(2)).await.summary.id;
    for folder in ["owners", "cards"] {
        let key = Key::new(format!("keys/{folder}/{leaver}")).unwrap();
        let bytes = before.get_bytes(&key, 1 << 20).await.unwrap();
        place.storage.put_bytes(&key, bytes, &PutOptions::default()).await.unwrap();
    }
    let back = open(&place.storage, &OwnerIdentity::Passphrase(secret)).await.unwrap();
    assert_eq!(kind(back.open(&new).await), ErrorKind::AccessDenied);
    // What it writes is for those who have the new identity.
    let its = push_tree(&back, "n", &tree(3)).await.summary.id;
    assert_eq!(kind(back.open(&its).await), ErrorKind::AccessDenied);
    assert_whole(&place.owner().await, &its, &tree(3)).await;
    assert_eq!(kind(back.add_owner(&new_identity().1).await), ErrorKind::AccessDenied);
    assert_eq!(kind(back.rotate().await), ErrorKind::AccessDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_half_is_taken_from_signed_objects_only() {
    let (place, attacker) = (Place::new().await, Place::new().await);
    let credential = place.certify(WriterSpec::default()).await;
    // Well signed, but by the owner of another repository: whoever took it would write for the attacker.
    attacker.owner().await.rotate().await.unwrap();
    let key = Key::new("keys/identity/1").unwrap();
    let planted = attacker.storage.get_bytes(&key, 1 << 20).await.unwrap();
    place.storage.put_bytes(&key, planted, &PutOptions::default()).await.unwrap();
    let by_writer = push_tree(&place.writer(&credential).await, "w", &tree(1)).await.summary.id;
    let by_owner = push_tree(&place.owner().await, "o", &tree(2)).await.summary.id;
    assert_whole(&place.owner().await, &by_writer, &tree(1)).await;
    assert_whole(&place.owner().await, &by_owner, &tree(2)).await;
    assert!(place.check().await.findings.iter().any(|finding| finding.object == "keys/identity/1"));
    place.owner().await.rotate().await.unwrap();
    assert!(place.check().await.is_clean());
}
