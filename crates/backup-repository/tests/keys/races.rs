//! Two owners at the same moment.

use super::*;
use backup_testkit::storage::{Call, FaultPlan, Faulty, Method};

/// Makes the keys of one storage those of another; of what both have, the first one's stay.
async fn follow(storage: &Memory, other: &Memory) {
    for (key, _) in storage.list_all("keys/").await.unwrap() {
        if other.stat(&key).await.is_err() {
            storage.delete(std::slice::from_ref(&key)).await.unwrap();
        }
    }
    for (key, _) in other.list_all("keys/").await.unwrap() {
        let bytes = other.get_bytes(&key, 1 << 20).await.unwrap();
        if storage.stat(&key).await.is_err() {
            storage.put_bytes(&key, bytes, &PutOptions::default()).await.unwrap();
        }
    }
}

/// An owner whose next put or delete below a prefix comes after what another one did.
async fn owner_after(place: &Place, prefix: &'static str, other: Memory) -> Repository {
    let storage = place.storage.clone();
    let is_it =
        move |call: &Call<'_>| matches!(call.method, Method::Put | Method::Delete) && call.key.starts_with(prefix);
    let plan = FaultPlan::meanwhile(is_it, async move { follow(&storage, &other).await });
    let storage = Arc::new(Faulty::new(place.storage.clone(), plan));
    Repository::open(storage, &place.identity, options()).await.unwrap()
}

/// The same repository, where somebody can do something else.
fn elsewhere(place: &Place) -> Place {
    Place { storage: Arc::new(place.storage.fork()), identity: place.identity.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_added_while_another_rotates() {
    let place = Place::new().await;
    let other = elsewhere(&place);
    other.owner().await.rotate().await.unwrap();
    let owner = owner_after(&place, "keys/owners/", (*other.storage).clone()).await;
    assert_eq!(kind(owner.add_owner(&new_identity().1).await), ErrorKind::Unavailable);
    let keys = place.owner().await.keys().await.unwrap();
    assert_eq!((keys.owners.len(), keys.rotations), (1, 1), "nothing is left of it");
    assert!(place.check().await.is_clean());
    place.owner().await.add_owner(&new_identity().1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_rotated_while_another_owner_is_added() {
    let place = Place::new().await;
    let other = elsewhere(&place);
    let added = other.owner().await.add_owner(&new_identity().1).await.unwrap();
    let rotated = owner_after(&place, "keys/identity/", (*other.storage).clone()).await.rotate().await.unwrap();
    assert_eq!((rotated.owners.len(), rotated.left_out), (1, vec![added]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_identities_at_once() {
    let place = Place::new().await;
    let other = elsewhere(&place);
    other.owner().await.rotate().await.unwrap();
    let owner = owner_after(&place, "keys/identity/", (*other.storage).clone()).await;
    assert_eq!(kind(owner.rotate().await), ErrorKind::AlreadyExists);
    assert_eq!(place.owner().await.keys().await.unwrap().rotations, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_owners_remove_each_other() {
    let place = Place::new().await;
    let (secret, recipient) = new_identity();
    let first = place.owner().await.keys().await.unwrap().owners.remove(0).id;
    let second = place.owner().await.add_owner(&recipient).await.unwrap();
    // The other one has removed this one, and this one removes the other.
    let other = elsewhere(&place);
    other.owner().await.remove_owner(&first).await.unwrap();
    let owner = owner_after(&place, "keys/", (*other.storage).clone()).await;
    assert_eq!(kind(owner.remove_owner(&second).await), ErrorKind::Unavailable);
    let left = open(&place.storage, &OwnerIdentity::Key(secret)).await.unwrap();
    assert_eq!(left.keys().await.unwrap().owners.len(), 1);
    assert!(left.check(CheckOptions::default(), Arc::new(Silent)).await.unwrap().is_clean());
}
