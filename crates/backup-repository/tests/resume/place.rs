//! A repository whose pushes are interrupted.

use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::*;
use backup_testkit::storage::{Counting, Crashing, Method};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A pack is closed at this length; what comes beside the segments is far less.
pub const PACK: u64 = 1_000_000;
const OVERHEAD: u64 = 40_000;

pub struct Place {
    pub storage: Arc<Memory>,
    pub identity: OwnerIdentity,
    pub cache: TempDir,
}

/// Content of which each file is a pack or more.
pub fn tree(files: u64) -> Tree {
    (0..files).map(|i| (path(&format!("file {i:03}")), file(noise(i, 1_200_000), 1))).collect()
}

pub fn options() -> RepositoryOptions {
    RepositoryOptions::default().with_threads(2).with_pack_bytes(PACK)
}

impl Place {
    pub async fn new() -> Place {
        let (secret, recipient) = new_identity();
        let (storage, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
        Repository::create(storage.clone(), &[recipient], options()).await.unwrap();
        Place { storage, identity: OwnerIdentity::Key(secret), cache }
    }

    /// The same state once more, to go on from it in another way.
    pub fn fork(&self) -> Place {
        let cache = tempfile::tempdir().unwrap();
        for file in self.files() {
            let copy = cache.path().join(file.strip_prefix(self.cache.path()).unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(file, copy).unwrap();
        }
        let OwnerIdentity::Key(secret) = &self.identity else { panic!("not a key") };
        Place { storage: Arc::new(self.storage.fork()), identity: OwnerIdentity::Key(secret.clone()), cache }
    }

    /// The repository through a storage in front of this one, with this place's cache.
    pub async fn over(&self, storage: Arc<dyn StorageDriver>) -> Repository {
        let options = options().with_cache_dir(self.cache.path());
        Repository::open(storage, &self.identity, options).await.unwrap()
    }

    pub async fn open(&self) -> Repository {
        self.over(self.storage.clone()).await
    }

    pub async fn open_without_cache(&self, storage: Arc<dyn StorageDriver>) -> Repository {
        Repository::open(storage, &self.identity, options()).await.unwrap()
    }

    /// Pushes until the process has had so many effects on the storage and dies; false when it needed fewer.
    pub async fn crash(&self, tree: &Tree, effects: u64) -> bool {
        let crashing = Arc::new(Crashing::after(self.storage.clone(), effects));
        let repository = self.over(crashing.clone()).await;
        let result = push(&repository, "n", MemoryCapture::new(tree, 3)).await;
        assert!(crashing.is_dead() || result.is_ok(), "{:?}", result.err());
        self.settle();
        crashing.is_dead()
    }

    /// Pushes what is there, and gives the bytes put under `packs/`.
    pub async fn push(&self, tree: &Tree) -> (BackupId, u64) {
        let counting = Arc::new(Counting::new(self.storage.clone()));
        let repository = self.over(counting.clone()).await;
        let (committed, ..) = push(&repository, "n", MemoryCapture::new(tree, 3)).await.unwrap();
        (committed.summary.id, counting.tally_under(Method::Write, "packs/").bytes)
    }

    /// Bytes and names of objects.
    pub async fn under(&self, prefix: &str) -> (u64, BTreeSet<String>) {
        let listed = self.storage.list_all(prefix).await.unwrap();
        let names = listed.iter().map(|(key, _)| key.to_string()).collect();
        (listed.iter().map(|(_, meta)| meta.size_bytes).sum(), names)
    }

    /// The sessions that have begun, and those that are over.
    pub async fn sessions(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (_, names) = self.under("sessions/").await;
        let with = |last: &str| {
            let part = |name: &String| Some(name.strip_prefix("sessions/")?.strip_suffix(last)?.to_owned());
            names.iter().filter_map(part).collect()
        };
        (with("/0"), with("/end"))
    }

    /// The local files of sessions.
    pub fn files(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.cache.path()).unwrap().map(|entry| entry.unwrap().path().join("sessions"));
        let files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        files.map(|entry| entry.unwrap().path()).collect()
    }

    /// Waits until the threads of a push that was dropped have let go of it.
    pub fn settle(&self) {
        let began = Instant::now();
        for path in self.files() {
            while File::open(&path).unwrap().try_lock().is_err() {
                assert!(began.elapsed() < Duration::from_secs(30), "{} is still locked", path.display());
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Everything is as if nothing had ever happened: what was pushed comes back, check finds nothing, every session is
    /// over and none has a file.
    pub async fn assert_whole(&self, tree: &Tree, snapshots: &[&BackupId]) {
        let elsewhere = self.open_without_cache(self.storage.clone()).await;
        for id in snapshots {
            assert_whole(&elsewhere, id, tree).await;
        }
        let options = CheckOptions::default().with_read(ReadData::All);
        let report = elsewhere.check(options, Arc::new(Silent)).await.unwrap();
        assert!(report.is_clean(), "{report:?}");
        let (begun, over) = self.sessions().await;
        assert_eq!(begun, over);
        assert_eq!(self.files(), [] as [PathBuf; 0]);
    }
}

/// The bytes of packs that an undisturbed push of a tree stores.
pub async fn undisturbed(tree: &Tree) -> u64 {
    let place = Place::new().await;
    place.push(tree).await;
    place.under("packs/").await.0
}

/// Asserts that what was there was not sent again.
pub fn assert_resumed(full: u64, there: u64, sent: u64) {
    assert!(there + sent <= full + OVERHEAD, "of {full} bytes {there} were there, and {sent} were sent");
}
