use super::Directory;
use backup_core::{ErrorKind, Key, ObjectWriter, PutMode, PutOptions, Result, StorageDriver, StorageExt};
use backup_testkit::storage::{Subject, Verdict, run_all};
use bytes::Bytes;
use proptest::prelude::*;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

fn key(key: &str) -> Key {
    Key::new(key).unwrap()
}

async fn storage() -> (TempDir, Directory) {
    let folder = TempDir::new().unwrap();
    let storage = Directory::create(folder.path()).await.unwrap();
    (folder, storage)
}

/// Where there is such a file system: syncing costs nothing there.
async fn storage_in_memory() -> (TempDir, Directory) {
    let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let storage = Directory::create(folder.path()).await.unwrap();
    (folder, storage)
}

async fn put(storage: &Directory, name: &str, content: &'static str) -> Result<()> {
    storage.put_bytes(&key(name), Bytes::from(content), &PutOptions::default()).await.map(drop)
}

async fn names(storage: &Directory, prefix: &str) -> Vec<String> {
    storage.list_all(prefix).await.unwrap().into_iter().map(|(key, _)| key.to_string()).collect()
}

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|e| e.kind())
}

fn temporaries(root: &Path) -> Vec<PathBuf> {
    fs::read_dir(root.join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn age(path: &Path, by: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - by).unwrap();
}

/// On old kernels and on file systems without hard links.
#[tokio::test]
async fn passes_the_suite_in_the_other_ways() {
    let (folder, storage) = storage_in_memory().await;
    storage.root.hard_links.store(false, Relaxed);
    storage.root.openat2.store(false, Relaxed);
    for (case, verdict) in run_all(&Subject::new(Arc::new(storage)).with_canary("not there")).await {
        assert!(matches!(verdict, Verdict::Passed), "{case}: {verdict:?}");
    }
    assert!(temporaries(folder.path()).is_empty());
}

#[tokio::test]
async fn create_makes_parents_and_open_makes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a/b/c");
    assert_eq!(kind(Directory::open(&path).await), Some(ErrorKind::NotFound));
    assert!(!path.exists());
    let storage = Directory::create(&path).await.unwrap();
    assert_eq!(storage.location(), path.to_str().unwrap());
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    put(&storage, "x", "content").await.unwrap();
    let again = Directory::open(&path).await.unwrap();
    assert_eq!(again.get_bytes(&key("x"), 10).await.unwrap(), "content");
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(Directory::create(folder.path().join("file")).await.is_err());
}

#[tokio::test]
async fn objects_are_read_only_and_folders_private() {
    let (folder, storage) = storage().await;
    put(&storage, "a/b/x", "content").await.unwrap();
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode("a"), mode("a/b"), mode("tmp"), mode("a/b/x")], [0o700, 0o700, 0o700, 0o400]);
    assert_eq!(fs::metadata(folder.path().join("a/b/x")).unwrap().nlink(), 1);
}

#[tokio::test]
async fn symbolic_links_lead_nowhere() {
    for openat2 in [true, false] {
        let outside = TempDir::new().unwrap();
        fs::create_dir(outside.path().join("folder")).unwrap();
        fs::write(outside.path().join("folder/secret"), "secret").unwrap();
        let (folder, storage) = storage().await;
        storage.root.openat2.store(openat2, Relaxed);
        put(&storage, "a/x", "content").await.unwrap();
        symlink(outside.path(), folder.path().join("link")).unwrap();
        symlink(outside.path().join("folder/secret"), folder.path().join("a/object")).unwrap();
        symlink("../a", folder.path().join("a/inside")).unwrap();

        for name in ["link/folder/secret", "a/object", "a/inside/x"] {
            assert_eq!(kind(storage.get(&key(name), None).await), Some(ErrorKind::AccessDenied), "{name} {openat2}");
            assert_eq!(kind(storage.stat(&key(name)).await), Some(ErrorKind::AccessDenied), "{name} {openat2}");
            for mode in [PutMode::CreateOnly, PutMode::Replace] {
                let options = PutOptions::default().with_mode(mode);
                let put = storage.put_bytes(&key(name), Bytes::from("mine"), &options).await;
                assert_eq!(kind(put), Some(ErrorKind::AccessDenied), "{name} {openat2}");
            }
        }
        for name in ["link/new", "link/folder/new", "link/new/new", "a/inside/new"] {
            assert_eq!(kind(put(&storage, name, "mine").await), Some(ErrorKind::AccessDenied), "{name} {openat2}");
        }
        assert_eq!(kind(storage.delete(&[key("link/folder/secret")]).await), Some(ErrorKind::AccessDenied));
        storage.delete(&[key("a/object")]).await.unwrap();
        assert_eq!(kind(storage.list("link/", None).await), Some(ErrorKind::AccessDenied));
        assert_eq!(names(&storage, "").await, ["a/x"]);

        assert_eq!(fs::read(outside.path().join("folder/secret")).unwrap(), b"secret");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(outside.path().join("folder")).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn temporary_files_are_not_made_behind_a_symbolic_link() {
    let outside = TempDir::new().unwrap();
    let (folder, storage) = storage().await;
    symlink(outside.path(), folder.path().join("tmp")).unwrap();
    assert_eq!(kind(put(&storage, "x", "mine").await), Some(ErrorKind::AccessDenied));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_link_planted_while_an_object_is_written_is_not_followed() {
    let outside = TempDir::new().unwrap();
    let (folder, storage) = storage().await;
    put(&storage, "a/x", "content").await.unwrap();
    let writer = storage.put(&key("a/y"), &PutOptions::default()).await.unwrap();
    fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
    symlink(outside.path(), folder.path().join("a")).unwrap();
    assert_eq!(kind(writer.finish().await), Some(ErrorKind::AccessDenied));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(temporaries(folder.path()).is_empty());
}

#[tokio::test]
async fn what_is_no_object_is_not_listed_and_not_read() {
    let (folder, storage) = storage().await;
    put(&storage, "a/x", "content").await.unwrap();
    let at = |name: &[u8]| folder.path().join("a").join(OsStr::from_bytes(name));
    fs::write(at(b"not\xffutf8"), "").unwrap();
    fs::write(at(b"new\nline"), "").unwrap();
    fs::create_dir(at(b"empty")).unwrap();
    fs::create_dir(at(b"bad\xff")).unwrap();
    fs::write(at(b"bad\xff/x"), "").unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at(b"pipe"), pipe, rustix::fs::Mode::RUSR, 0).unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    fs::write(folder.path().join("lost+found/x"), "").unwrap();
    assert_eq!(names(&storage, "").await, ["a/x"]);
    assert_eq!(names(&storage, "lost").await, [] as [&str; 0]);
    for name in ["a/pipe", "a/empty", "lost+found/x"] {
        assert_eq!(kind(storage.get(&key(name), None).await), Some(ErrorKind::NotFound), "{name}");
        assert_eq!(kind(storage.stat(&key(name)).await), Some(ErrorKind::NotFound), "{name}");
        storage.delete(&[key(name)]).await.unwrap();
    }
    assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 6);
    assert!(folder.path().join("lost+found/x").exists());
}

#[tokio::test]
async fn a_page_of_folders_without_objects_does_not_end_a_listing() {
    let (folder, storage) = storage().await;
    for n in 0..1000 {
        fs::create_dir(folder.path().join(format!("empty {n}"))).unwrap();
    }
    for name in ["x", "y", "z/1"] {
        put(&storage, name, "content").await.unwrap();
    }
    assert_eq!(names(&storage, "").await, ["x", "y", "z/1"]);
}

#[tokio::test]
async fn temporary_files_are_no_objects() {
    let (folder, storage) = storage().await;
    let mut writer = storage.put(&key("x"), &PutOptions::default()).await.unwrap();
    writer.write(Bytes::from(vec![1; 3 << 20])).await.unwrap();
    let [temporary] = &temporaries(folder.path())[..] else { panic!("not one temporary file") };
    assert_eq!(fs::metadata(temporary).unwrap().permissions().mode() & 0o7777, 0o600);
    let name = format!("tmp/{}", temporary.file_name().unwrap().to_str().unwrap());
    for prefix in ["", "t", "tmp", "tmp/", &name] {
        assert_eq!(names(&storage, prefix).await, [] as [&str; 0], "{prefix}");
    }
    assert_eq!(kind(storage.get(&key(&name), None).await), Some(ErrorKind::NotFound));
    storage.delete(&[key(&name)]).await.unwrap();
    assert_eq!(kind(put(&storage, &name, "mine").await), Some(ErrorKind::InvalidInput));
    assert_eq!(kind(put(&storage, "tmp", "mine").await), Some(ErrorKind::InvalidInput));
    writer.finish().await.unwrap();
    assert_eq!(names(&storage, "").await, ["x"]);
    assert!(temporaries(folder.path()).is_empty());
}

#[tokio::test]
async fn a_key_is_an_object_or_a_folder() {
    let (_folder, storage) = storage().await;
    put(&storage, "a/x", "content").await.unwrap();
    assert_eq!(kind(put(&storage, "a", "mine").await), Some(ErrorKind::Unsupported));
    assert_eq!(kind(put(&storage, "a/x/y", "mine").await), Some(ErrorKind::Unsupported));
    assert_eq!(kind(put(&storage, "a/x/y/z", "mine").await), Some(ErrorKind::Unsupported));
    let replace = PutOptions::default().with_mode(PutMode::Replace);
    let replaced = storage.put_bytes(&key("a"), Bytes::new(), &replace).await;
    assert_eq!(kind(replaced), Some(ErrorKind::Unsupported));

    // The same when it becomes one while the other is written.
    let writer = storage.put(&key("b"), &PutOptions::default()).await.unwrap();
    put(&storage, "b/x", "content").await.unwrap();
    assert_eq!(kind(writer.finish().await), Some(ErrorKind::Unsupported));
    assert_eq!(kind(put(&storage, &"n".repeat(256), "mine").await), Some(ErrorKind::InvalidInput));
    assert_eq!(names(&storage, "").await, ["a/x", "b/x"]);
}

#[tokio::test]
async fn a_taken_key_is_refused_before_any_byte_is_written() {
    let (_folder, storage) = storage().await;
    put(&storage, "a/x", "content").await.unwrap();
    assert_eq!(kind(storage.put(&key("a/x"), &PutOptions::default()).await), Some(ErrorKind::AlreadyExists));
}

#[tokio::test]
async fn the_time_is_when_it_became_visible() {
    let (folder, storage) = storage().await;
    let mut writer = storage.put(&key("x"), &PutOptions::default()).await.unwrap();
    writer.write(Bytes::from(vec![1; 1 << 20])).await.unwrap();
    age(&temporaries(folder.path())[0], 100 * HOUR);
    let before = storage.put_bytes(&key("y"), Bytes::new(), &PutOptions::default()).await.unwrap().modified;
    let meta = writer.finish().await.unwrap();
    assert!(meta.modified >= before, "{:?} {before:?}", meta.modified);
    assert_eq!(storage.stat(&key("x")).await.unwrap(), meta);
}

#[tokio::test]
async fn times_before_1970_are_times() {
    let (folder, storage) = storage().await;
    put(&storage, "x", "content").await.unwrap();
    let time = UNIX_EPOCH - Duration::from_millis(1500);
    fs::File::open(folder.path().join("x")).unwrap().set_modified(time).unwrap();
    assert_eq!(storage.stat(&key("x")).await.unwrap().modified, time);
}

#[tokio::test]
async fn a_link_whose_answer_was_lost_has_succeeded() {
    let (folder, storage) = storage().await;
    let writer = storage.put(&key("x"), &PutOptions::default()).await.unwrap();
    fs::hard_link(&temporaries(folder.path())[0], folder.path().join("x")).unwrap();
    writer.finish().await.unwrap();
    assert_eq!(names(&storage, "").await, ["x"]);
    assert!(temporaries(folder.path()).is_empty());
}

#[tokio::test]
async fn a_file_that_is_not_as_long_as_what_was_written_is_no_object() {
    let (folder, storage) = storage().await;
    let mut writer = storage.put(&key("x"), &PutOptions::default()).await.unwrap();
    writer.write(Bytes::from(vec![1; 2 << 20])).await.unwrap();
    fs::File::options().write(true).open(&temporaries(folder.path())[0]).unwrap().set_len(1 << 20).unwrap();
    assert_eq!(kind(writer.finish().await), Some(ErrorKind::Io));
    assert_eq!(names(&storage, "").await, [] as [&str; 0]);
}

#[tokio::test]
async fn an_object_that_shrinks_while_it_is_read_is_an_error() {
    let (folder, storage) = storage().await;
    storage.put_bytes(&key("x"), Bytes::from(vec![1; 8 << 20]), &PutOptions::default()).await.unwrap();
    let mut reader = storage.get(&key("x"), None).await.unwrap();
    let path = folder.path().join("x");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(5 << 20).unwrap();
    let error = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut Vec::new()).await.unwrap_err();
    assert_eq!(backup_core::Error::io("reading", error).kind(), ErrorKind::Damaged);
}

/// Begins a call while the only thread for file system work is busy, and drops it; then lets that thread go on.
async fn begin_and_drop<T>(call: impl Future<Output = T>) {
    let (go_on, busy) = std::sync::mpsc::channel();
    let thread = tokio::task::spawn_blocking(move || busy.recv().unwrap());
    {
        let mut call = std::pin::pin!(call);
        std::future::poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }
    go_on.send(()).unwrap();
    thread.await.unwrap();
}

fn on_one_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap().block_on(test);
}

#[test]
fn a_writer_whose_write_was_dropped_cannot_finish() {
    on_one_thread(async {
        let (folder, storage) = storage().await;
        let large = Bytes::from(vec![1; 1 << 20]);
        for finishing in [true, false] {
            let mut writer: Box<dyn ObjectWriter> = storage.put(&key("x"), &PutOptions::default()).await.unwrap();
            begin_and_drop(writer.write(large.clone())).await;
            assert_eq!(kind(writer.write(large.clone()).await), Some(ErrorKind::Cancelled));
            let ended = if finishing { writer.finish().await.map(drop) } else { writer.abort().await };
            assert_eq!(kind(ended), finishing.then_some(ErrorKind::Cancelled));
            assert_eq!(names(&storage, "").await, [] as [&str; 0]);
            assert!(temporaries(folder.path()).is_empty());
        }
    });
}

#[test]
fn a_finish_that_was_dropped_after_it_began_has_its_whole_effect() {
    on_one_thread(async {
        let (folder, storage) = storage().await;
        let mut writer = storage.put(&key("x"), &PutOptions::default()).await.unwrap();
        writer.write(Bytes::from(vec![1; 3 << 20])).await.unwrap();
        begin_and_drop(writer.finish()).await;
        assert_eq!(storage.stat(&key("x")).await.unwrap().size_bytes, 3 << 20);
        assert!(temporaries(folder.path()).is_empty());
    });
}

#[tokio::test]
async fn folders_that_somebody_removes_are_made_again() {
    let (folder, storage) = storage().await;
    put(&storage, "a/b/x", "content").await.unwrap();
    fs::remove_dir_all(folder.path().join("a")).unwrap();
    fs::remove_dir_all(folder.path().join("tmp")).unwrap();
    put(&storage, "a/b/y", "content").await.unwrap();
    assert_eq!(names(&storage, "").await, ["a/b/y"]);
}

#[tokio::test]
async fn the_first_put_removes_what_dead_processes_left() {
    let (folder, storage) = storage().await;
    fs::create_dir(folder.path().join("tmp")).unwrap();
    let at = |name: &str| folder.path().join("tmp").join(name);
    for name in ["old", "young", "locked", "linked"] {
        fs::write(at(name), "left").unwrap();
    }
    for name in ["old", "locked", "linked"] {
        age(&at(name), 2 * HOUR);
    }
    fs::create_dir(at("folder")).unwrap();
    // The process died between giving the object its name and taking the other one away.
    fs::hard_link(at("linked"), folder.path().join("object")).unwrap();
    let locked = fs::File::open(at("locked")).unwrap();
    locked.lock().unwrap();

    put(&storage, "x", "content").await.unwrap();
    let left = |wanted: &[&str]| {
        let mut left = temporaries(folder.path());
        left.sort();
        assert_eq!(left, wanted.iter().map(|name| at(name)).collect::<Vec<_>>());
    };
    left(&["folder", "locked", "young"]);
    assert_eq!(storage.get_bytes(&key("object"), 10).await.unwrap(), "left");

    // Only the first put does it.
    locked.unlock().unwrap();
    put(&storage, "y", "content").await.unwrap();
    left(&["folder", "locked", "young"]);
    assert_eq!(storage.clean_temporary(HOUR).await.unwrap(), 1);
    left(&["folder", "young"]);
    assert_eq!(storage.clean_temporary(Duration::ZERO).await.unwrap(), 1);
    left(&["folder"]);
}

#[tokio::test]
async fn what_is_being_written_is_never_cleaned_away() {
    let (_folder, storage) = storage().await;
    let mut writer = storage.put(&key("x"), &PutOptions::default()).await.unwrap();
    writer.write(Bytes::from(vec![1; 3 << 20])).await.unwrap();
    assert_eq!(storage.clean_temporary(Duration::ZERO).await.unwrap(), 0);
    assert_eq!(writer.finish().await.unwrap().size_bytes, 3 << 20);
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_an_error_and_not_empty() {
    let (folder, storage) = storage().await;
    put(&storage, "a/x", "content").await.unwrap();
    // The path becomes a file between two pages: not a folder any more, so nothing lies below it.
    fs::remove_dir_all(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a"), "").unwrap();
    assert_eq!(names(&storage, "a/").await, [] as [&str; 0]);
    symlink("a", folder.path().join("b")).unwrap();
    assert_eq!(kind(storage.list("b/", None).await), Some(ErrorKind::AccessDenied));
}

#[tokio::test]
async fn free_space_is_known() {
    let (_folder, storage) = storage().await;
    assert!(storage.free_bytes().await.unwrap() > 0);
}

/// Keys of few letters, so that many share prefixes; of an object and a folder with one name the object stays.
fn some_keys() -> impl Strategy<Value = Vec<Key>> {
    let keys = prop::collection::btree_set("[a-b!./0]{1,6}", 0..25);
    keys.prop_map(|names| {
        let names: Vec<Key> = names.into_iter().filter_map(|name| Key::new(name).ok()).collect();
        let blocked = |key: &Key| names.iter().any(|other| key.as_str().starts_with(&format!("{other}/")));
        names.iter().filter(|key| !blocked(key)).cloned().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn lists_like_a_sorted_map(keys in some_keys(), prefix in "[a-b!./0]{0,3}", after in "[a-b!./0]{1,5}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let after = Key::new(after).ok();
        let (listed, wanted) = runtime.block_on(async {
            let (_folder, storage) = storage_in_memory().await;
            for key in &keys {
                storage.put_bytes(key, Bytes::new(), &PutOptions::default()).await.unwrap();
            }
            let page = storage.list(&prefix, after.as_ref()).await.unwrap();
            let wanted = keys.iter().filter(|key| key.as_str().starts_with(&prefix) && after.as_ref() < Some(key));
            let listed: Vec<Key> = page.objects.into_iter().map(|(key, _)| key).collect();
            (listed, wanted.cloned().collect::<Vec<_>>())
        });
        prop_assert_eq!(listed, wanted);
    }
}
