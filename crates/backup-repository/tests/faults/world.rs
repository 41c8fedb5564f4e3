//! A repository with something of everything in it, and what must hold of it whatever happens.

use super::operation::{Done, Operation};
use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub struct World {
    pub storage: Arc<Memory>,
    secret: Secret,
    cache: TempDir,
    /// What must come back, whatever happens.
    pub kept: BTreeMap<BackupId, Tree>,
    /// What [`Operation::Forget`] forgets.
    pub doomed: (BackupId, Tree),
}

/// Files of noise named after their seeds, beside a few that differ in kind. A pack holds a handful of them.
pub fn tree(seeds: impl IntoIterator<Item = u64>) -> Tree {
    let mut tree = Tree::from([(path("dir"), directory()), (path("dir/empty"), file("", 1))]);
    for seed in seeds {
        tree.insert(path(&format!("dir/{seed:03}")), file(noise(seed, 3000), 1));
    }
    tree
}

pub fn at_once() -> PruneOptions {
    PruneOptions::default().with_grace(Duration::ZERO)
}

/// In memory where there is such a place: hundreds of sessions would each wait for a disk.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl World {
    pub async fn new() -> World {
        let (secret, recipient) = new_identity();
        let (storage, cache) = (Arc::new(Memory::new()), folder());
        let mut world = World {
            storage: storage.clone(),
            secret,
            cache,
            kept: BTreeMap::new(),
            doomed: (BackupId(String::new()), Tree::new()),
        };
        let repository = Repository::create(storage, &[recipient], world.options()).await.unwrap();
        let prune = async |options: PruneOptions| repository.prune(&options, Arc::new(Silent), &Stop::new()).await;
        let store = async |name: &str, tree: Tree| {
            (push(&repository, name, MemoryCapture::new(&tree, 5)).await.unwrap().0.summary.id, tree)
        };
        // What is condemned already; what was taken up again since; what only shares packs with what is forgotten.
        let (first, _) = store("n", tree(0..12)).await;
        world.kept.extend([store("n", tree(10..18)).await]);
        repository.forget(&first).await.unwrap();
        prune(PruneOptions::default()).await.unwrap();
        let (second, _) = store("n", tree(15..30)).await;
        world.kept.extend([store("m", tree(26..36)).await]);
        repository.forget(&second).await.unwrap();
        // What needs a third of each pack.
        let (third, _) = store("o", tree(60..69)).await;
        world.kept.extend([store("o", tree((60..69).step_by(3))).await]);
        repository.forget(&third).await.unwrap();
        world.doomed = store("m", tree(8..20)).await;
        // One that died.
        let half = half_a_push(&repository).await;
        drop(half);
        world.settle().await;
        world.storage.advance(2 * DAY);
        world
    }

    fn options(&self) -> RepositoryOptions {
        let options = RepositoryOptions::default().with_cache_dir(self.cache.path()).with_threads(2);
        options.with_pack_bytes(12_000).with_run_rows(5)
    }

    pub fn identity(&self) -> OwnerIdentity {
        OwnerIdentity::Key(self.secret.clone())
    }

    /// The same once more, to go on from it in another way.
    pub fn fork(&self) -> World {
        let cache = folder();
        copy(self.cache.path(), cache.path());
        let (storage, secret) = (Arc::new(self.storage.fork()), self.secret.clone());
        World { storage, secret, cache, kept: self.kept.clone(), doomed: self.doomed.clone() }
    }

    /// The repository as this machine sees it through a storage.
    pub async fn open(&self, storage: Arc<dyn StorageDriver>) -> Result<Repository> {
        Repository::open(storage, &self.identity(), self.options()).await
    }

    /// The repository as it is to somebody who knows nothing.
    pub async fn open_elsewhere(&self) -> Repository {
        self.open_elsewhere_through(self.storage.clone()).await.unwrap()
    }

    pub async fn open_elsewhere_through(&self, storage: Arc<dyn StorageDriver>) -> Result<Repository> {
        Repository::open(storage, &self.identity(), RepositoryOptions::default().with_threads(2)).await
    }

    /// Waits until the threads of what was dropped have let go.
    pub async fn settle(&self) {
        let began = Instant::now();
        for path in files(self.cache.path()).iter().filter(|path| path.parent().unwrap().ends_with("sessions")) {
            while File::open(path).is_ok_and(|file| file.try_lock().is_err()) {
                assert!(began.elapsed() < Duration::from_secs(30), "{} is still locked", path.display());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    /// What was stored is there and no more counts than can; what an operation says that it has done is so.
    pub async fn assert_whole(&self, operation: Operation, done: Option<&Done>) {
        let elsewhere = self.open_elsewhere().await;
        let listed = elsewhere.list().await.unwrap();
        for (id, tree) in &self.kept {
            assert!(listed.iter().any(|summary| summary.id == *id), "{id} is gone");
            assert_whole(&elsewhere, id, tree).await;
        }
        for summary in listed.iter().filter(|summary| !self.kept.contains_key(&summary.id)) {
            let tree = if summary.id == self.doomed.0 { &self.doomed.1 } else { &operation.tree() };
            assert_whole(&elsewhere, &summary.id, tree).await;
        }
        let options = CheckOptions::default().with_read(ReadData::All);
        let report = elsewhere.check(options, Arc::new(Silent)).await.unwrap();
        let findings = report.findings.iter().filter(|finding| !operation.is_by_design(finding)).collect::<Vec<_>>();
        assert!(findings.is_empty(), "{findings:?}");
        match done {
            Some(Done::Pushed(id)) => assert!(listed.iter().any(|summary| summary.id == *id), "{id} is not there"),
            Some(Done::Forgot) => assert!(listed.iter().all(|summary| summary.id != self.doomed.0)),
            Some(Done::Owner(secret)) => {
                let identity = OwnerIdentity::Key(secret.clone());
                let options = RepositoryOptions::default().with_threads(1);
                let opened = Repository::open(self.storage.clone(), &identity, options).await.unwrap();
                assert_eq!(opened.list().await.unwrap().len(), listed.len());
            }
            Some(Done::Writer(credential)) => {
                let options = RepositoryOptions::default().with_threads(1);
                let storage = Arc::new(self.storage.fork());
                let writer = Repository::open_as_writer(storage, credential, options).await.unwrap();
                push(&writer, "w", MemoryCapture::new(&tree(0..2), 9)).await.unwrap();
            }
            Some(Done::Pruned(finished)) => {
                // What is deleted has a `.gone`; its record stays a while.
                let names = self.storage.list_all("condemned/").await.unwrap();
                let is_there = |name: String| names.iter().any(|(key, _)| key.as_str() == name);
                let mut records = names.iter().filter(|(key, _)| !key.as_str().contains('.'));
                assert!(!finished || records.all(|(key, _)| is_there(format!("{key}.gone"))), "{names:?}");
            }
            Some(Done::Looked) | None => {}
        }
    }

    /// Once all sessions are over, prune leaves nothing behind.
    pub async fn drain(&self) {
        let repository = self.open(self.storage.clone()).await.unwrap();
        for days in [2, 400, 2] {
            self.storage.advance(days * DAY);
            let report = repository.prune(&at_once(), Arc::new(Silent), &Stop::new()).await.unwrap();
            assert!(report.is_finished(), "{report:?}");
        }
        let listed = async |prefix| self.storage.list_all(prefix).await.unwrap();
        assert!(listed("condemned/").await.is_empty());
        let sessions = listed("sessions/").await;
        let ended = sessions.iter().filter(|(key, _)| key.as_str().ends_with("/end")).count();
        assert_eq!(ended, sessions.iter().filter(|(key, _)| key.as_str().ends_with("/0")).count());
        // All trees together have 48 files and some metadata.
        let bytes: u64 = listed("packs/").await.iter().map(|(_, meta)| meta.size_bytes).sum();
        assert!(bytes < 48 * 3000 * 3 / 2 + 60_000, "{bytes} bytes of packs are left");
        let runs = listed("index/").await.len();
        assert!(runs <= 2 * 9, "{runs} runs are left");
    }
}

/// A push that has stored some packs and is not committed.
async fn half_a_push(repository: &Repository) -> Box<dyn Draft> {
    let mut draft = repository.begin(Spec::new("n", "h"), Arc::new(Silent)).await.unwrap();
    let _ingest = send(&mut *draft, &mut MemoryCapture::new(&tree(30..50), 50)).await.unwrap();
    draft
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(file, copy).unwrap();
    }
}
