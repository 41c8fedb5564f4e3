//! What is pushed is what is pulled, for any tree and after any changes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod changes;
mod trees;

use backup_core::*;
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::*;
use changes::Change;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use tempfile::TempDir;

struct Place {
    storage: Arc<Memory>,
    identity: OwnerIdentity,
    cache: TempDir,
}

/// What may differ between pushes without making a difference.
#[derive(Clone, Debug)]
struct How {
    batch_len: usize,
    streams: bool,
    threads: usize,
    pack_bytes: u64,
    run_rows: usize,
}

fn how() -> impl Strategy<Value = How> {
    let packs = prop_oneof![Just(1), Just(5_000), Just(1 << 20), Just(32 << 20)];
    let rows = prop_oneof![Just(1usize), Just(7), Just(1 << 18)];
    (1usize..40, any::<bool>(), 1usize..4, packs, rows).prop_map(
        |(batch_len, streams, threads, pack_bytes, run_rows)| How { batch_len, streams, threads, pack_bytes, run_rows },
    )
}

impl How {
    fn options(&self) -> RepositoryOptions {
        let options = RepositoryOptions::default().with_threads(self.threads);
        options.with_pack_bytes(self.pack_bytes).with_run_rows(self.run_rows)
    }

    fn capture(&self, tree: &Tree) -> MemoryCapture {
        let mut capture = MemoryCapture::new(tree, self.batch_len);
        capture.streams = self.streams;
        capture
    }
}

impl Place {
    async fn new() -> Place {
        let (secret, recipient) = new_identity();
        let (storage, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
        Repository::create(storage.clone(), &[recipient], RepositoryOptions::default()).await.unwrap();
        Place { storage, identity: OwnerIdentity::Key(secret), cache }
    }

    async fn open(&self, options: RepositoryOptions) -> Repository {
        Repository::open(self.storage.clone(), &self.identity, options).await.unwrap()
    }

    /// Pushes with this machine's cache; gives the snapshot and the paths of which the content was read.
    async fn push(&self, tree: &Tree, how: &How) -> (BackupId, BTreeSet<TreePath>) {
        let repository = self.open(how.options().with_cache_dir(self.cache.path())).await;
        let (committed, component, fetched) = push(&repository, "n", how.capture(tree)).await.unwrap();
        assert_eq!((component.status, component.totals.entries), (Status::Complete, tree.len() as u64));
        (committed.summary.id, fetched.into_iter().collect())
    }

    /// What somebody gets who has nothing but the storage.
    async fn assert_pulls(&self, id: &BackupId, tree: &Tree) {
        let repository = self.open(RepositoryOptions::default().with_threads(2)).await;
        assert_whole(&repository, id, tree).await;
    }

    async fn assert_clean(&self) {
        let repository = self.open(RepositoryOptions::default().with_threads(2)).await;
        let options = CheckOptions::default().with_read(ReadData::All);
        let report = repository.check(options, Arc::new(Silent)).await.unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

async fn there_and_back(tree: &Tree, how: &How) {
    let place = Place::new().await;
    let (id, _) = place.push(tree, how).await;
    place.assert_pulls(&id, tree).await;
    place.assert_clean().await;
}

/// Pushes after each group of changes, with the same cache, beside a copy of every state.
async fn follow(mut tree: Tree, groups: Vec<(Vec<Change>, How)>) {
    let place = Place::new().await;
    let mut shadow: Vec<(BackupId, Tree)> = Vec::new();
    // More than any tree was made with.
    let mut version = 1_000_000;
    for (changes, how) in groups {
        for change in changes {
            version += 1;
            change.apply(&mut tree, version);
        }
        let (id, fetched) = place.push(&tree, &how).await;
        if let Some((_, before)) = shadow.last() {
            let same = |path: &TreePath| before.get(path).map(|node| node.version) == Some(tree[path].version);
            let again: Vec<_> = fetched.iter().filter(|path| same(path)).collect();
            assert!(again.is_empty(), "read again, though they are as they were: {again:?}");
        }
        shadow.push((id, tree.clone()));
    }
    for (id, tree) in &shadow {
        place.assert_pulls(id, tree).await;
    }
    place.assert_clean().await;
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

fn cases(normal: u32) -> ProptestConfig {
    let slow = std::env::var_os("BACKUP_SLOW").is_some();
    ProptestConfig {
        cases: if slow { normal * 40 } else { normal },
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(40))]
    #[test]
    fn what_is_pulled_is_what_was_pushed(tree in trees::tree(40), how in how()) {
        run(there_and_back(&tree, &how));
    }
}

proptest! {
    #![proptest_config(cases(15))]
    #[test]
    fn any_changes_are_followed(
        tree in trees::tree(20),
        groups in proptest::collection::vec((proptest::collection::vec(changes::change(), 0..6), how()), 1..6),
    ) {
        run(follow(tree, groups));
    }
}

#[test]
fn the_generator_makes_something_of_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut nodes = Vec::new();
    for _ in 0..60 {
        nodes.extend(trees::tree(40).new_tree(&mut runner).unwrap().current());
    }
    let has = |what: &str, is: &dyn Fn(&TreePath, &Node) -> bool| {
        assert!(nodes.iter().any(|(path, node)| is(path, node)), "no {what} in {} entries", nodes.len());
    };
    has("file of several chunks", &|_, node| node.content.len() > 4 << 20);
    has("hole", &|_, node| !node.holes.is_empty());
    has("hard link", &|_, node| node.link_group.is_some());
    has("symlink", &|_, node| matches!(node.kind, EntryKind::Symlink { .. }));
    has("device", &|_, node| matches!(node.kind, EntryKind::BlockDevice { .. }));
    has("time before 1970", &|_, node| node.metadata.mtime.is_some_and(|time| time.seconds < 0));
    has("extended attribute", &|_, node| !node.metadata.xattrs.is_empty());
    has("zero byte in a name", &|path, _| path.components().any(|name| name.contains(&0)));
    has("name that is no text", &|path, _| path.components().any(|name| std::str::from_utf8(&name).is_err()));
    has("deep path", &|path, _| path.depth() > 4);
    let is_empty = |path: &TreePath| !nodes.iter().any(|(other, _)| other != path && other.starts_with(path));
    has("empty directory", &|path, node| node.kind == EntryKind::Directory && is_empty(path));
}
