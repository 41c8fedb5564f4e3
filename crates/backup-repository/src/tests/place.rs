//! A repository in memory, for the tests of several modules.

use crate::crypto::SignerId;
use crate::format::ids::SessionId;
use crate::format::record::RecordKind;
use crate::format::snapshot::{snapshot_key, write_payload};
use crate::protocol::Outcome;
use crate::repository::Repository;
use crate::session::create_record;
use crate::{OwnerIdentity, RepositoryOptions, WriterCredential, WriterSpec, new_identity};
use backup_core::*;
use backup_storage::Memory;
use serde_json::{Value, json};
use std::sync::Arc;

/// A repository with one owner; nothing is cached.
pub(crate) struct Place {
    pub(crate) storage: Arc<Memory>,
    identity: OwnerIdentity,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let (secret, recipient) = new_identity();
        let place = Place { storage: Arc::new(Memory::new()), identity: OwnerIdentity::Key(secret) };
        Repository::create(place.storage.clone(), &[recipient], RepositoryOptions::default()).await.unwrap();
        place
    }

    pub(crate) async fn open(&self) -> Result<Repository> {
        self.over(self.storage.clone()).await
    }

    /// The owner's, through a storage in front of this one.
    pub(crate) async fn over(&self, storage: Arc<dyn StorageDriver>) -> Result<Repository> {
        Repository::open(storage, &self.identity, RepositoryOptions::default()).await
    }

    pub(crate) async fn owner(&self) -> Repository {
        self.open().await.unwrap()
    }

    pub(crate) async fn open_writer(&self, credential: &WriterCredential) -> Result<Repository> {
        Repository::open_as_writer(self.storage.clone(), credential, RepositoryOptions::default()).await
    }

    /// A new writer's.
    pub(crate) async fn writer(&self, spec: &WriterSpec) -> Repository {
        let credential = self.owner().await.add_writer(spec).await.unwrap();
        self.open_writer(&credential).await.unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> bytes::Bytes {
        self.storage.get_bytes(&Key::new(key).unwrap(), 1 << 24).await.unwrap()
    }

    /// Puts an object in the place of what stands there.
    pub(crate) async fn put(&self, key: &str, bytes: impl Into<bytes::Bytes>) {
        let key = Key::new(key).unwrap();
        self.storage.delete(std::slice::from_ref(&key)).await.unwrap();
        self.storage.put_bytes(&key, bytes.into(), &PutOptions::default()).await.unwrap();
    }
}

/// A snapshot with this id and head, changed, and no component, signed by whoever opened `by`.
pub(crate) async fn snapshot_as(by: &Repository, id: &SessionId, change: impl FnOnce(&mut Value)) {
    let mut head = json!({"name": "n", "host": "h", "time": 1, "duration_ms": 1, "status": "complete", "tags": [],
        "components": [], "entries": 0, "files": 0, "size_bytes": 0, "stored_bytes": 0, "domain": 0, "sequence": 1,
        "previous": null});
    change(&mut head);
    let key = snapshot_key(id).unwrap();
    let payload = write_payload(&key, &by.0.keys.index, by.0.recipient(), &head, &[]).unwrap();
    let created = create_record(&by.0, RecordKind::Snapshot, &key, &payload).await.unwrap();
    assert_eq!(created, Outcome::Created, "another snapshot is in its place");
}

/// Who signs what is written through it.
pub(crate) fn signer(of: &Repository) -> SignerId {
    of.0.signing.verifying().unwrap().id()
}
