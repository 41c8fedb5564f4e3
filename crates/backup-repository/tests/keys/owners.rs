//! Owners come and go.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_added_and_removed_and_the_last_one_stays() {
    let place = Place::new().await;
    let pushed = push_tree(&place.owner().await, "n", &tree(1)).await.summary.id;
    let passphrase = Secret::new("correct horse battery staple");
    let owner = place.owner().await;
    let first = owner.keys().await.unwrap().owners;
    assert!(first.len() == 1 && first[0].current && first[0].kind.as_deref() == Some("age"), "{first:?}");
    assert_eq!(kind(owner.remove_owner(&first[0].id).await), ErrorKind::InvalidInput);
    assert_eq!(kind(owner.remove_owner("no-such").await), ErrorKind::NotFound);
    let bad = owner.add_owner(&OwnerRecipient::PublicKey("age1nobody".into())).await;
    assert_eq!(kind(bad), ErrorKind::InvalidInput);

    let second = owner.add_owner(&OwnerRecipient::Passphrase(passphrase.clone())).await.unwrap();
    let by_passphrase = OwnerIdentity::Passphrase(passphrase);
    let other = open(&place.storage, &by_passphrase).await.unwrap();
    assert_whole(&other, &pushed, &tree(1)).await;
    let listed = other.keys().await.unwrap().owners;
    let current: Vec<_> =
        listed.iter().filter(|owner| owner.current).map(|owner| (&owner.id, owner.kind.as_deref())).collect();
    assert_eq!((listed.len(), current), (2, vec![(&second, Some("passphrase"))]));

    other.remove_owner(&first[0].id).await.unwrap();
    assert_eq!(kind(open(&place.storage, &place.identity).await), ErrorKind::AccessDenied);
    assert_whole(&open(&place.storage, &by_passphrase).await.unwrap(), &pushed, &tree(1)).await;
    assert_eq!(kind(other.remove_owner(&second).await), ErrorKind::InvalidInput);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_file_that_nobody_vouches_for_is_no_owner() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let own = owner.keys().await.unwrap().owners.remove(0).id;
    let planted = Key::new("keys/owners/0123456789abcdef").unwrap();
    let copy = place.storage.get_bytes(&Key::new(format!("keys/owners/{own}")).unwrap(), 1 << 20).await.unwrap();
    place.storage.put_bytes(&planted, copy, &PutOptions::default()).await.unwrap();
    assert_eq!(kind(owner.remove_owner(&own).await), ErrorKind::InvalidInput, "the planted one does not count");
    assert_eq!(kind(owner.rotate().await), ErrorKind::Damaged, "it might be an owner who would be locked out");
    assert!(place.check().await.findings.iter().any(|finding| finding.object == planted.as_str()));
    owner.remove_owner("0123456789abcdef").await.unwrap();
    owner.rotate().await.unwrap();
}
