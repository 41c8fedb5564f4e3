//! What owners say of snapshots afterwards, and what tells that the storage shows less than there was.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod gone;
mod received;
mod said;

use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::{self, MemoryCapture, Tree, file, path};
use std::sync::Arc;
use std::time::SystemTime;
use tempfile::TempDir;

/// A repository with one owner, and a machine with a cache.
struct Place {
    storage: Arc<Memory>,
    identity: OwnerIdentity,
    cache: TempDir,
}

impl Place {
    async fn new() -> Place {
        let (secret, recipient) = new_identity();
        let storage = Memory::new();
        storage.set_time(SystemTime::now());
        let identity = OwnerIdentity::Key(secret);
        let place = Place { storage: Arc::new(storage), identity, cache: tempfile::tempdir().unwrap() };
        Repository::create(place.storage.clone(), &[recipient], place.options()).await.unwrap();
        place
    }

    fn options(&self) -> RepositoryOptions {
        RepositoryOptions::default().with_threads(2).with_cache_dir(self.cache.path())
    }

    async fn owner(&self) -> Repository {
        self.over(self.storage.clone()).await
    }

    async fn over(&self, storage: Arc<dyn StorageDriver>) -> Repository {
        Repository::open(storage, &self.identity, self.options()).await.unwrap()
    }

    async fn push(&self, name: &str) -> BackupId {
        push(&self.owner().await, name).await
    }

    async fn keys(&self, prefix: &str) -> Vec<String> {
        self.storage.list_all(prefix).await.unwrap().into_iter().map(|(key, _)| key.to_string()).collect()
    }

    /// Puts an object as a stranger would.
    async fn plant(&self, key: &str, content: impl Into<Vec<u8>>) {
        let content: Vec<u8> = content.into();
        self.storage.put_bytes(&Key::new(key).unwrap(), content.into(), &PutOptions::default()).await.unwrap();
    }
}

async fn push(to: &Repository, name: &str) -> BackupId {
    let tree = Tree::from([(path("f"), file("x", 1))]);
    memory::push(to, name, MemoryCapture::new(&tree, 10)).await.unwrap().0.summary.id
}

/// The one snapshot of a name.
async fn listed(of: &Repository, id: &BackupId) -> Summary {
    of.list().await.unwrap().into_iter().find(|summary| summary.id == *id).unwrap()
}

/// What kind of error something is refused with.
fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}
