//! Two owners at the same moment.

use super::*;
use async_trait::async_trait;
use std::ops::Range;

/// A storage in which somebody else does something just before the first put, or the first delete, below a prefix.
#[derive(Debug)]
struct Meanwhile {
    storage: Memory,
    prefix: &'static str,
    /// The storage as it is after that.
    after: std::sync::Mutex<Option<Memory>>,
}

impl Meanwhile {
    async fn reach(&self, key: &Key) {
        let after = self.after.lock().unwrap().take_if(|_| key.as_str().starts_with(self.prefix));
        let Some(after) = after else { return };
        for (key, _) in self.storage.list_all("keys/").await.unwrap() {
            if after.stat(&key).await.is_err() {
                self.storage.delete(std::slice::from_ref(&key)).await.unwrap();
            }
        }
        for (key, _) in after.list_all("keys/").await.unwrap() {
            let bytes = after.get_bytes(&key, 1 << 20).await.unwrap();
            if self.storage.stat(&key).await.is_err() {
                self.storage.put_bytes(&key, bytes, &PutOptions::default()).await.unwrap();
            }
        }
    }
}

#[async_trait]
impl StorageDriver for Meanwhile {
    fn capabilities(&self) -> Capabilities {
        self.storage.capabilities()
    }

    fn location(&self) -> String {
        self.storage.location()
    }

    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        self.reach(key).await;
        self.storage.put(key, options).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        self.storage.get(key, range).await
    }

    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        self.storage.stat(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        self.storage.list(prefix, after).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<()> {
        self.reach(&keys[0]).await;
        self.storage.delete(keys).await
    }
}

/// An owner whose next put or delete below a prefix comes after what another one did.
async fn owner_after(place: &Place, prefix: &'static str, other: Memory) -> Repository {
    let storage = Meanwhile { storage: (*place.storage).clone(), prefix, after: Some(other).into() };
    Repository::open(Arc::new(storage), &place.identity, options()).await.unwrap()
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
