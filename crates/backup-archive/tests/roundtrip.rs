//! Archives through the traits: what was pushed is listed, read, checked, held and forgotten.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use backup_archive::{ArchiveFolder, ArchiveSettings, Compression, Encryption, Keys};
use backup_core::{
    BackupId, Catalogue, CheckOptions, CommandSpec, Destination, ErrorKind, Hole, Key, Outcome, Pull, Push, PutMode,
    PutOptions, ReadData, Secret, Selection, Silent, Source, Spec, Status, StorageDriver, StorageExt, Target,
};
use backup_drivers::{CommandOutput, Files, FilesTarget, Local};
use backup_storage::Memory;
use backup_testkit::memory::{self, MemoryCapture};
use backup_testkit::storage::{FaultPlan, Faulty, Moment};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const STARTED: u64 = 1_795_217_400;

const PASSPHRASE: &str = "a passphrase";

async fn folder(settings: ArchiveSettings) -> (Arc<dyn StorageDriver>, Arc<ArchiveFolder>) {
    let storage: Arc<dyn StorageDriver> = Arc::new(Memory::new());
    let passphrase = (*settings.encryption() == Encryption::Passphrase).then(|| Secret::new(PASSPHRASE));
    ArchiveFolder::create(storage.clone(), settings, passphrase.as_ref()).await.unwrap();
    let folder = ArchiveFolder::open(storage.clone(), Keys::new()).await.unwrap();
    (storage, Arc::new(folder))
}

fn plain() -> ArchiveSettings {
    ArchiveSettings::new(Encryption::None)
}

async fn push(folder: &Arc<ArchiveFolder>, name: &str, at: &Path) -> BackupId {
    let spec = Spec::new(name, "web-1").with_started(SystemTime::UNIX_EPOCH + Duration::from_secs(STARTED));
    let report = Push::new()
        .capture(Source::new(Arc::new(Files::new([at]).unwrap()), Local::new()))
        .to(Target::new("archives", folder.clone()))
        .spec(spec)
        .run()
        .await
        .unwrap();
    assert!(report.is_flawless(), "{report:?}");
    folder.list().await.unwrap().into_iter().find(|summary| summary.name == name).unwrap().id
}

/// A tree around the borders of pieces.
fn tree() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, bytes) in [("empty", 0), ("one", 1), ("a/piece", 4 << 20), ("a/more", (9 << 20) + 3), ("z", 700)] {
        let mut content = vec![0; bytes];
        blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut content);
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    place
}

async fn pull(folder: &Arc<ArchiveFolder>, id: &BackupId, into: &Path) -> Result<bool, backup_core::Error> {
    let files = Files::into_target(FilesTarget::new(into));
    let pull = Pull::new().from(folder.clone(), id.clone()).with(Arc::new(files), Local::new());
    match pull.run().await {
        Ok(report) => Ok(report.is_flawless()),
        Err(failed) => Err(failed.error),
    }
}

fn assert_same(a: &Path, b: &Path) {
    let diff = std::process::Command::new("diff").arg("-r").args([a, b]).output().unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
}

async fn findings(folder: &ArchiveFolder) -> Vec<String> {
    let options = CheckOptions::default().with_read(ReadData::All);
    let report = folder.check(options, Arc::new(Silent)).await.unwrap();
    report.findings.into_iter().map(|finding| format!("{}: {}", finding.object, finding.problem)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_comes_back_in_every_form() {
    let source = tree();
    for compression in [Compression::None, Compression::Gzip(1), Compression::Zstd(1)] {
        for encryption in [Encryption::None, Encryption::Passphrase] {
            let settings = ArchiveSettings::new(encryption.clone()).with_compression(compression);
            let (storage, folder) = folder(settings).await;
            let secret = Secret::new(PASSPHRASE);
            let folder = match encryption {
                Encryption::Passphrase => {
                    let refused = folder.begin(Spec::new("a", "b"), Arc::new(Silent)).await;
                    assert_eq!(refused.err().unwrap().kind(), ErrorKind::AccessDenied);
                    let opened = ArchiveFolder::open(storage.clone(), Keys::new()).await.unwrap();
                    let mistyped = opened.clone().with_passphrase(Secret::new("a pasphrase")).unwrap();
                    let refused = mistyped.begin(Spec::new("a", "b"), Arc::new(Silent)).await;
                    assert_eq!(refused.err().unwrap().kind(), ErrorKind::AccessDenied, "nobody could open it");
                    Arc::new(opened.with_passphrase(secret.clone()).unwrap())
                }
                _ => folder,
            };
            let id = push(&folder, "shop", source.path()).await;
            let out = tempfile::tempdir().unwrap();
            assert!(pull(&folder, &id, out.path()).await.unwrap());
            assert_same(source.path(), &out.path().join(source.path().strip_prefix("/").unwrap()));
            assert_eq!(findings(&folder).await, [""; 0]);
            if encryption == Encryption::Passphrase {
                let locked = Arc::new(ArchiveFolder::open(storage, Keys::new()).await.unwrap());
                assert_eq!(locked.list().await.unwrap().len(), 1, "listing needs no key");
                let out = tempfile::tempdir().unwrap();
                assert_eq!(pull(&locked, &id, out.path()).await.unwrap_err().kind(), ErrorKind::AccessDenied);
            }
        }
    }
}

fn shell(script: &str) -> CommandSpec {
    CommandSpec::new("sh").arg("-c").arg(script)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_the_object_itself() {
    let (storage, folder) = folder(plain().with_compression(Compression::None)).await;
    let source = CommandOutput::capture("db.sql", shell("printf 'insert 1;'")).unwrap();
    let report = Push::new()
        .capture(Source::new(Arc::new(source), Local::new()))
        .to(Target::new("archives", folder.clone()))
        .spec(Spec::new("shop", "web-1").with_started(SystemTime::UNIX_EPOCH + Duration::from_secs(STARTED)))
        .run()
        .await
        .unwrap();
    assert!(report.is_flawless());
    let object = storage.get_bytes(&Key::new("shop_20261120.sql").unwrap(), 100).await.unwrap();
    assert_eq!(&object[..], b"insert 1;");
    let failing = CommandOutput::capture("db.sql", shell("echo half; exit 1")).unwrap();
    let failed = Push::new()
        .capture(Source::new(Arc::new(failing), Local::new()))
        .to(Target::new("archives", folder.clone()))
        .spec(Spec::new("other", "web-1"))
        .run()
        .await;
    assert!(failed.is_err());
    assert_eq!(storage.list_all("other").await.unwrap().len(), 0);
    assert_eq!(folder.list().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_archives_stay_and_foreign_files_are_never_touched() {
    let (storage, folder) = folder(plain()).await;
    let source = tree();
    let id = push(&folder, "shop", source.path()).await;
    let foreign = ["notes.txt", "shop_20261120.txt", "old.tar.gz", "x.manifest.json", "sub/y.manifest.json"];
    for name in foreign {
        storage.put_bytes(&Key::new(name).unwrap(), "mine".into(), &PutOptions::default()).await.unwrap();
    }
    assert_eq!(folder.list().await.unwrap().len(), 1);
    assert_eq!(findings(&folder).await, [""; 0]);
    folder.hold(&id).await.unwrap();
    assert!(folder.list().await.unwrap()[0].held);
    assert_eq!(folder.forget(&id).await.unwrap_err().kind(), ErrorKind::AccessDenied);
    folder.release(&id).await.unwrap();
    folder.forget(&id).await.unwrap();
    assert_eq!(folder.forget(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    let mut left: Vec<String> =
        storage.list_all("").await.unwrap().into_iter().map(|(key, _)| key.to_string()).collect();
    left.retain(|name| name != "archives.json");
    let mut foreign = foreign.map(str::to_owned);
    foreign.sort();
    assert_eq!(left, foreign);
}

async fn replace(storage: &dyn StorageDriver, key: &str, content: Vec<u8>) {
    let options = PutOptions::default().with_mode(PutMode::Replace);
    storage.put_bytes(&Key::new(key).unwrap(), content.into(), &options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_by_check_and_never_restored() {
    let source = tree();
    let names = ["shop_20261120.tar.zst", "shop_20261120.index.zst", "shop_20261120.manifest.json"];
    for name in names {
        for what in ["flipped", "cut", "empty"] {
            let (storage, folder) = folder(plain()).await;
            let id = push(&folder, "shop", source.path()).await;
            let mut content = storage.get_bytes(&Key::new(name).unwrap(), 1 << 30).await.unwrap().to_vec();
            let middle = content.len() / 2;
            match what {
                "flipped" => content[middle] ^= 1,
                "cut" => content.truncate(content.len() - 1),
                _ => content.clear(),
            }
            replace(&*storage, name, content).await;
            let found = findings(&folder).await;
            assert!(found.iter().any(|finding| finding.starts_with(name)), "{what} {name}: {found:?}");
            let out = tempfile::tempdir().unwrap();
            assert!(!matches!(pull(&folder, &id, out.path()).await, Ok(true)), "{what} {name}");
            // What was restored is right.
            let at = out.path().join(source.path().strip_prefix("/").unwrap());
            for file in ["empty", "one", "a/piece", "a/more", "z"] {
                if let Ok(content) = std::fs::read(at.join(file)) {
                    assert_eq!(content, std::fs::read(source.path().join(file)).unwrap(), "{what} {name} {file}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_and_incomplete_archives_are_found_and_refused() {
    let (storage, folder) = folder(plain()).await;
    let (a, b) = (tree(), tree());
    std::fs::write(b.path().join("z"), vec![1; 700]).unwrap();
    let first = push(&folder, "first", a.path()).await;
    let second = push(&folder, "second", b.path()).await;
    let read = async |key: &str| storage.get_bytes(&Key::new(key).unwrap(), 1 << 30).await.unwrap().to_vec();
    let (one, two) = (read("first_20261120.tar.zst").await, read("second_20261120.tar.zst").await);
    replace(&*storage, "first_20261120.tar.zst", two.clone()).await;
    let found = findings(&folder).await;
    assert!(found.iter().any(|finding| finding.starts_with("first_20261120.tar.zst")), "{found:?}");
    let out = tempfile::tempdir().unwrap();
    assert!(!matches!(pull(&folder, &first, out.path()).await, Ok(true)));
    replace(&*storage, "first_20261120.tar.zst", one).await;
    assert_eq!(findings(&folder).await, [""; 0]);

    let manifest = read("first_20261120.manifest.json").await;
    replace(&*storage, "second_20261120.manifest.json", manifest).await;
    let found = findings(&folder).await;
    assert!(found.iter().any(|finding| finding.contains("another archive's")), "{found:?}");
    assert_eq!(folder.open(&second).await.unwrap_err().kind(), ErrorKind::Damaged);

    storage.delete(&[Key::new("second_20261120.manifest.json").unwrap()]).await.unwrap();
    let found = findings(&folder).await;
    assert!(found.iter().any(|finding| finding.contains("incomplete")), "{found:?}");
    assert_eq!(folder.open(&second).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(folder.list().await.unwrap().len(), 1);
    // Neither what anybody else has put beside it, nor an archive whose name goes on behind a point.
    let others = ["second_20261120.log", "second_20261120.web.index.zst", "second_20261120.web.tar.zst"];
    for name in others {
        storage.put_bytes(&Key::new(name).unwrap(), "x".into(), &PutOptions::default()).await.unwrap();
    }
    folder.forget(&second).await.unwrap();
    let left: Vec<String> = storage.list_all("second").await.unwrap().iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(left, others);
    storage.delete(&others.map(|name| Key::new(name).unwrap())).await.unwrap();
    assert_eq!(findings(&folder).await, [""; 0]);
}

/// Files, several names of one file, holes, streams among them.
fn memory_tree() -> memory::Tree {
    let mut tree = memory::Tree::new();
    let mut add = |at: &str, node: memory::Node| drop(tree.insert(memory::path(at), node));
    add("a", memory::directory());
    add("a/first", memory::Node { link_group: Some(7), ..memory::file("shared", 1) });
    add("a/second", memory::Node { link_group: Some(7), ..memory::file("shared", 1) });
    add("b", memory::file(memory::noise(1, 5 << 20), 1));
    let holes = vec![Hole { offset: 0, length: 4096 }, Hole { offset: 4099, length: 1 << 20 }];
    add("c", memory::Node { holes, ..memory::file("abcdef", 1) });
    add("d", memory::file("", 1));
    add("e", memory::file(memory::noise(2, 100), 1));
    add("z", memory::Node { link_group: Some(7), ..memory::file("shared", 1) });
    tree
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_come_back_from_files_and_from_streams_in_batches_of_any_length() {
    let tree = memory_tree();
    for streams in [false, true] {
        for batch in [1, 3, 100] {
            let (_, folder) = folder(plain()).await;
            let mut capture = MemoryCapture::new(&tree, batch);
            capture.streams = streams;
            let (committed, component, fetched) = memory::push(&*folder, "shop", capture).await.unwrap();
            assert_eq!((component.status, fetched.len()), (Status::Complete, 5), "one name of a file is enough");
            assert_eq!(component.totals.files, 7);
            let (pulled, lost) = memory::pull(&*folder, &committed.summary.id, &Selection::default()).await.unwrap();
            assert!(lost.is_empty());
            assert_eq!(pulled.keys().collect::<Vec<_>>(), tree.keys().collect::<Vec<_>>());
            for (path, (entry, bytes)) in &pulled {
                let node = &tree[path];
                assert_eq!((&entry.kind, &entry.holes, entry.link_group), (&node.kind, &node.holes, node.link_group));
                assert_eq!(bytes.as_ref().unwrap(), &node.bytes(), "{path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_the_rest_is_there() {
    let tree = memory_tree();
    let (_, folder) = folder(plain()).await;
    let mut capture = MemoryCapture::new(&tree, 100);
    capture.broken.insert(memory::path("a/first"));
    capture.lying.insert(memory::path("e"));
    let (committed, component, _) = memory::push(&*folder, "shop", capture).await.unwrap();
    assert_eq!(component.status, Status::Partial);
    let failed: Vec<String> = component.outcome.failures.iter().map(|failure| failure.path.to_string()).collect();
    assert_eq!(failed, ["/a/first", "/a/second", "/e", "/z"], "what shares the content of a file that failed, too");
    let (pulled, lost) = memory::pull(&*folder, &committed.summary.id, &Selection::default()).await.unwrap();
    assert!(lost.is_empty());
    assert_eq!(pulled.keys().map(ToString::to_string).collect::<Vec<_>>(), ["/a", "/b", "/c", "/d"]);
    assert!(pulled.values().all(|(_, bytes)| bytes.is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_or_aborted_leaves_nothing() {
    let (storage, folder) = folder(plain()).await;
    let empty = storage.list_all("").await.unwrap();
    for accept in [false, true] {
        let mut draft = folder.begin(Spec::new("shop", "web-1"), Arc::new(Silent)).await.unwrap();
        let mut capture = MemoryCapture::new(&memory_tree(), 3);
        let ingest = memory::send(&mut *draft, &mut capture).await.unwrap();
        match accept {
            true => drop(draft.accept(ingest, Outcome::default()).await.unwrap()),
            false => drop(ingest),
        }
        draft.abort().await.unwrap();
        assert_eq!(storage.list_all("").await.unwrap(), empty);
    }
    let mut draft = folder.begin(Spec::new("shop", "web-1"), Arc::new(Silent)).await.unwrap();
    let mut capture = MemoryCapture::new(&memory_tree(), 3);
    let ingest = memory::send(&mut *draft, &mut capture).await.unwrap();
    let mut fatal = Outcome::default();
    fatal.fatal = Some("the dump failed".to_owned());
    assert_eq!(draft.accept(ingest, fatal).await.unwrap().status, Status::Incomplete);
    draft.abort().await.unwrap();
    assert_eq!(storage.list_all("").await.unwrap(), empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_capture_of_a_component_takes_the_place_of_the_first() {
    let (_, folder) = folder(plain()).await;
    let mut draft = folder.begin(Spec::new("shop", "web-1"), Arc::new(Silent)).await.unwrap();
    let mut tree = memory_tree();
    for _ in 0..2 {
        let mut capture = MemoryCapture::new(&tree, 3);
        let ingest = memory::send(&mut *draft, &mut capture).await.unwrap();
        draft.accept(ingest, Outcome::default()).await.unwrap();
        tree.insert(memory::path("zz"), memory::file("new", 1));
    }
    let id = draft.commit().await.unwrap().summary.id;
    let (pulled, _) = memory::pull(&*folder, &id, &Selection::default()).await.unwrap();
    assert!(pulled.contains_key(&memory::path("zz")));
    assert_eq!(folder.open(&id).await.unwrap().components().len(), 1);
    assert_eq!(findings(&folder).await, [""; 0]);
}

/// Whatever call of the storage fails, there is an archive that holds, or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_survives_a_fault_at_any_call() {
    for moment in [Moment::Before, Moment::After] {
        for number in 1.. {
            let memory = Memory::new();
            ArchiveFolder::create(Arc::new(memory.clone()), plain(), None).await.unwrap();
            let plan = FaultPlan::nth(number).with_kind(ErrorKind::NoSpace).with_moment(moment);
            let faulty = Arc::new(Faulty::new(Arc::new(memory.clone()), plan));
            // The first call reads the settings.
            let Ok(folder) = ArchiveFolder::open(faulty.clone(), Keys::new()).await else { continue };
            let pushed = memory::push(&folder, "shop", MemoryCapture::new(&memory_tree(), 3)).await;
            let folder = ArchiveFolder::open(Arc::new(memory.clone()), Keys::new()).await.unwrap();
            let listed = folder.list().await.unwrap();
            match pushed {
                Ok(_) => assert_eq!(listed.len(), 1),
                Err(error) => assert_eq!(error.kind(), ErrorKind::NoSpace, "call {number}: {error:?}"),
            }
            for summary in listed {
                let (pulled, _) = memory::pull(&folder, &summary.id, &Selection::default()).await.unwrap();
                assert!(pulled.len() == 8 && pulled.values().all(|(_, bytes)| bytes.is_ok()), "call {number}");
            }
            if faulty.failed() == 0 {
                assert!(number > 5, "so few calls?");
                break;
            }
        }
    }
}
