//! Who can read, who can write, and what happens to what others put there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod domains;
mod foreign;
mod owners;
mod page;
mod pruned;
mod races;
mod revoked;
mod rotation;
mod seen;
mod storage;
mod writers;

use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::*;
use std::sync::Arc;

/// A repository with one owner; nothing is cached.
struct Place {
    storage: Arc<Memory>,
    identity: OwnerIdentity,
}

fn options() -> RepositoryOptions {
    RepositoryOptions::default().with_threads(2)
}

impl Place {
    async fn new() -> Place {
        let (secret, recipient) = new_identity();
        let place = Place { storage: Arc::new(Memory::new()), identity: OwnerIdentity::Key(secret) };
        Repository::create(place.storage.clone(), &[recipient], options()).await.unwrap();
        place
    }

    async fn owner(&self) -> Repository {
        open(&self.storage, &self.identity).await.unwrap()
    }

    async fn certify(&self, spec: WriterSpec) -> WriterCredential {
        let credential = self.owner().await.add_writer(&spec).await.unwrap();
        // As it comes out of a file.
        WriterCredential::parse(&credential.to_text().unwrap()).unwrap()
    }

    async fn writer(&self, credential: &WriterCredential) -> Repository {
        Repository::open_as_writer(self.storage.clone(), credential, options()).await.unwrap()
    }

    async fn check(&self) -> Report {
        let options = CheckOptions::default().with_read(ReadData::All);
        self.owner().await.check(options, Arc::new(Silent)).await.unwrap()
    }

    async fn keys(&self, prefix: &str) -> Vec<Key> {
        self.storage.list_all(prefix).await.unwrap().into_iter().map(|(key, _)| key).collect()
    }
}

async fn open(storage: &Arc<Memory>, identity: &OwnerIdentity) -> Result<Repository> {
    Repository::open(storage.clone(), identity, options()).await
}

async fn push_tree(to: &Repository, name: &str, tree: &Tree) -> Committed {
    push(to, name, MemoryCapture::new(tree, 100)).await.unwrap().0
}

/// The names of the snapshots that count, sorted: two may have the same time.
async fn names(of: &Repository) -> Vec<String> {
    let mut names: Vec<_> = of.list().await.unwrap().into_iter().map(|summary| summary.name).collect();
    names.sort();
    names
}

fn tree(seed: u64) -> Tree {
    let mut tree = Tree::new();
    tree.insert(path("dir"), directory());
    for i in 0..30 {
        tree.insert(path(&format!("dir/{i:02}")), file(noise(seed * 1000 + i, 3000), 1));
    }
    tree
}

/// What kind of error something is refused with.
fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}
