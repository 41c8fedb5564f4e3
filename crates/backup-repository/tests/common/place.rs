//! A repository with one owner, and a machine with a cache. Each program says with which `options` it works.

use super::options;
use backup_core::{Key, StorageExt};
use backup_repository::*;
use backup_storage::Memory;
use std::sync::Arc;
use tempfile::TempDir;

pub struct Place {
    pub storage: Arc<Memory>,
    pub identity: OwnerIdentity,
    pub cache: TempDir,
}

impl Place {
    pub async fn new() -> (Place, Repository) {
        let (secret, recipient) = new_identity();
        let (storage, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
        let place = Place { storage, identity: OwnerIdentity::Key(secret), cache };
        let repository = Repository::create(place.storage.clone(), &[recipient], place.options()).await.unwrap();
        (place, repository)
    }

    /// The program's, on this machine.
    pub fn options(&self) -> RepositoryOptions {
        options().with_cache_dir(self.cache.path())
    }

    pub async fn open(&self, options: RepositoryOptions) -> Repository {
        Repository::open(self.storage.clone(), &self.identity, options).await.unwrap()
    }

    pub async fn keys(&self, prefix: &str) -> Vec<Key> {
        self.storage.list_all(prefix).await.unwrap().into_iter().map(|(key, _)| key).collect()
    }
}
