//! Every parser of stored bytes, fed with real objects and with mutations of them: none panics, none takes its time, and
//! none allocates more than the format's bounds, whatever lengths it reads.
//!
//! Each has about a third of a second in a normal run and a minute with `BACKUP_SLOW=1`. What fails is kept in a file that
//! the message names.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "these are tests")]

mod allocations;
mod mutation;

use backup_core::*;
use backup_repository::fuzzing::{TARGETS, Target, harvest};
use backup_repository::*;
use backup_storage::Memory;
use backup_testkit::memory::*;
use mutation::Mutator;
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// One allocation may be as large as the largest thing that the format allows, beside what was given.
const MOST_ALLOCATED: usize = 64 << 20;
/// One input may take this long, on a machine with other things to do.
const MOST_TIME: Duration = Duration::from_secs(20);

/// The objects of a repository in which something of everything has happened, and the files of its cache.
fn seeds() -> &'static Seeds {
    static SEEDS: OnceLock<Seeds> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(make())
    })
}

fn tree(seed: u8) -> Tree {
    let version = 1 + u64::from(seed);
    let mut tree = Tree::from([(path("dir"), directory())]);
    for i in 0..20u8 {
        let mut node = file(vec![i / 2 + seed; 500 + usize::from(i) * 40], version);
        node.metadata.mtime = Some(Timestamp { seconds: -5 + i64::from(i), nanoseconds: 7 });
        node.metadata.xattrs.insert(b"user.x".to_vec(), vec![i; 5]);
        node.link_group = (i > 17).then_some(3);
        tree.insert(path(&format!("dir/{i}")), node);
    }
    let holes = vec![Hole { offset: 10, length: 4096 }];
    tree.insert(path("sparse"), Node { holes, ..file(format!("0123456789 {seed}"), version) });
    tree.insert(path("link"), Node { kind: EntryKind::Symlink { target: b"dir/1".to_vec() }, ..directory() });
    tree
}

async fn make() -> Seeds {
    let (secret, recipient) = new_identity();
    let (storage, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
    let options = RepositoryOptions::default().with_cache_dir(cache.path()).with_threads(2).with_pack_bytes(6_000);
    Repository::create(storage.clone(), &[recipient], options.clone()).await.unwrap();
    let identity = OwnerIdentity::Key(secret);
    let open = || Repository::open(storage.clone(), &identity, options.clone());
    let owner = open().await.unwrap();
    let credential = owner.add_writer(&WriterSpec::default().with_domain("lab")).await.unwrap();
    owner.revoke_writer(&credential.id().unwrap()).await.unwrap();
    open().await.unwrap().rotate().await.unwrap();
    let owner = open().await.unwrap();
    let first = push(&owner, "n", MemoryCapture::new(&tree(0), 9)).await.unwrap().0.summary.id;
    push(&owner, "n", MemoryCapture::new(&tree(9), 9)).await.unwrap();
    owner.forget(&first).await.unwrap();
    // A session that stays open, and a record that waits for it.
    let open_session = owner.begin(Spec::new("m", "h"), Arc::new(Silent)).await.unwrap();
    let report = owner.prune(&PruneOptions::default(), Arc::new(Silent), &Stop::new()).await.unwrap();
    assert!(report.packs_condemned > 0, "{report:?}");
    let mut seeds = Seeds::new();
    for (name, bytes) in harvest(&owner, cache.path()).await.unwrap() {
        seeds.entry(name).or_default().push(bytes);
    }
    drop(open_session);
    seeds
}

/// Runs one input, and says what is wrong with it.
fn try_one(target: &Target, input: &[u8]) -> Option<String> {
    allocations::forget();
    let began = Instant::now();
    let result = catch_unwind(|| (target.run)(input));
    let (took, largest) = (began.elapsed(), allocations::largest());
    match result {
        Err(_) => Some("it panicked".into()),
        Ok(()) if largest > MOST_ALLOCATED + input.len() => Some(format!("it asked for {largest} bytes at once")),
        Ok(()) if took > MOST_TIME => Some(format!("it took {took:?}")),
        Ok(()) => None,
    }
}

fn fuzz(target: &Target, seeds: &[Vec<u8>], time: Duration) -> u64 {
    let fail = |what: String, input: &[u8]| {
        let path = std::env::temp_dir().join(format!("fuzz-{}-{}", target.name, blake3::hash(input).to_hex()));
        std::fs::write(&path, input).unwrap();
        panic!("{}: {what}; the input of {} bytes is {}", target.name, input.len(), path.display());
    };
    for seed in seeds {
        if let Some(what) = try_one(target, seed) {
            fail(what, seed);
        }
    }
    let mut mutator = Mutator::new(target.name, seeds);
    let (began, mut tried) = (Instant::now(), 0);
    while began.elapsed() < time {
        let input = mutator.next();
        if let Some(what) = try_one(target, &input) {
            fail(what, &input);
        }
        tried += 1;
    }
    tried
}

fn run(of: impl Fn(&str) -> bool) {
    let slow = std::env::var_os("BACKUP_SLOW").is_some();
    let time = if slow { Duration::from_secs(60) } else { Duration::from_millis(330) };
    for target in TARGETS.iter().filter(|target| of(target.name)) {
        let none = Vec::new();
        let tried = fuzz(target, seeds().get(target.name).unwrap_or(&none), time);
        println!("{}: {tried} inputs", target.name);
        assert!(tried > 10, "{}: only {tried} inputs", target.name);
    }
}

fn is_local(name: &str) -> bool {
    name.starts_with("cache") || name.starts_with("listing") || name == "witness"
}

fn is_of_content(name: &str) -> bool {
    ["pack", "segment", "run", "block"].iter().any(|start| name.starts_with(start))
}

#[test]
fn any_control_object_is_read_or_refused() {
    run(|name| !is_local(name) && !is_of_content(name));
}

#[test]
fn any_pack_run_and_block_is_read_or_refused() {
    run(is_of_content);
}

#[test]
fn any_local_file_is_read_or_refused() {
    run(is_local);
}

#[test]
fn every_parser_has_something_real_to_begin_with() {
    let without: Vec<_> = TARGETS.iter().map(|target| target.name).filter(|name| !seeds().contains_key(name)).collect();
    assert!(without.is_empty(), "nothing for {without:?}");
    let unknown: Vec<_> = seeds().keys().filter(|name| TARGETS.iter().all(|target| target.name != **name)).collect();
    assert!(unknown.is_empty(), "nobody reads {unknown:?}");
    // For fuzz/: each with the number of its target before it.
    let Some(folder) = std::env::var_os("BACKUP_FUZZ_CORPUS").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for (number, target) in (0u8..).zip(TARGETS) {
        for (seed, bytes) in seeds()[target.name].iter().enumerate() {
            std::fs::write(folder.join(format!("{}-{seed}", target.name)), [&[number][..], bytes].concat()).unwrap();
        }
    }
}

#[test]
fn a_parser_that_does_wrong_is_found() {
    let named = |name, run| Target { name, run };
    let good = named("good", |data| assert!(data.len() < 1 << 30));
    assert_eq!(try_one(&good, b"x"), None);
    let greedy = named("greedy", |data| drop(Vec::<u8>::with_capacity((64 << 20) + 2 * data.len())));
    assert!(try_one(&greedy, b"x").unwrap().contains("bytes at once"));
    let panics = named("panics", |data| assert!(data.is_empty()));
    assert_eq!(try_one(&panics, b"x").unwrap(), "it panicked");
}
