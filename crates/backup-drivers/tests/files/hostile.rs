//! Stored paths and targets that want to lead outside.

use crate::fixture::{Folder, capture_of, here, names, set_mtime};
use async_trait::async_trait;
use backup_core::{
    Batch, Entry, EntryKind, FileSink, Metadata, Outcome, Reader, Result, Silent, SourceDescription, SourceDriver,
    Supply, Timestamp, TreePath,
};
use backup_drivers::{Files, FilesTarget, Overwrite};
use backup_testkit::sources::Captured;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const TIME: Timestamp = Timestamp { seconds: 1_000_000_000, nanoseconds: 0 };

fn entry(components: &[&[u8]], kind: EntryKind) -> Entry {
    let mut entry = Entry::new(TreePath::from_components(components).unwrap(), kind);
    let mode = if entry.kind == EntryKind::Directory { 0o755 } else { 0o644 };
    entry.metadata = Metadata { mode: Some(mode), mtime: Some(TIME), ..Metadata::default() };
    entry.size_bytes = Some(if entry.kind == EntryKind::File { 4 } else { 0 });
    entry
}

fn file(components: &[&[u8]]) -> Entry {
    entry(components, EntryKind::File)
}

fn directory(components: &[&[u8]]) -> Entry {
    entry(components, EntryKind::Directory)
}

fn link(components: &[&[u8]], target: &Path) -> Entry {
    entry(components, EntryKind::Symlink { target: target.to_str().unwrap().into() })
}

/// A snapshot that nobody captured: each file holds `evil`.
fn forged(entries: Vec<Entry>) -> Captured {
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
    Captured {
        description: SourceDescription::new("files"),
        contents: files.map(|entry| (entry.path.clone(), b"evil".to_vec())).collect(),
        entries,
        unreadable: BTreeMap::new(),
        outcome: Outcome::default(),
    }
}

/// A target beside something precious.
struct Place {
    _folder: Folder,
    target: PathBuf,
    outside: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = Folder::new();
        let (target, outside) = (folder.place(), folder.place());
        fs::write(outside.join("precious"), b"precious").unwrap();
        set_mtime(&outside.join("precious"), 1_200_000_000, 0);
        set_mtime(&outside, 1_200_000_000, 0);
        Place { _folder: folder, target, outside }
    }

    async fn restore(&self, entries: Vec<Entry>, overwrite: Overwrite) -> Outcome {
        let target = FilesTarget::new(&self.target).with_overwrite(overwrite);
        let outcome = crate::fixture::restore(&forged(entries), target).await;
        self.assert_untouched();
        outcome
    }

    /// Nothing outside has changed, not even a time.
    fn assert_untouched(&self) {
        let left: Vec<_> = fs::read_dir(&self.outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["precious"]);
        assert_eq!(fs::read(self.outside.join("precious")).unwrap(), b"precious");
        for path in [self.outside.clone(), self.outside.join("precious")] {
            assert_eq!(fs::metadata(&path).unwrap().mtime(), 1_200_000_000, "{}", path.display());
        }
        assert_eq!(fs::metadata(&self.outside).unwrap().mode() & 0o7777, 0o755);
    }
}

#[tokio::test]
async fn names_that_are_no_names_are_refused() {
    let place = Place::new();
    let outside = place.outside.file_name().unwrap().to_str().unwrap().as_bytes().to_vec();
    let absolute = place.outside.join("new").to_str().unwrap().as_bytes().to_vec();
    let up = [b"../".as_slice(), &outside, b"/new"].concat();
    let bad: Vec<Vec<&[u8]>> = vec![
        vec![b".."],
        vec![b"..", &outside, b"new"],
        vec![b"good", b"..", b"..", &outside, b"new"],
        vec![b"."],
        vec![&up],
        vec![&absolute],
        vec![b"a/b"],
        vec![b"zero\0byte"],
    ];
    for components in &bad {
        for entry in [file(components), directory(components), link(components, Path::new("x"))] {
            let outcome = place.restore(vec![entry.clone(), file(&[b"zz-good"])], Overwrite::Always).await;
            assert_eq!(outcome.failed(), 1, "{entry:?}: {:?}", outcome.failures);
            assert!(outcome.failures[0].reason.contains("not a name"), "{:?}", outcome.failures);
            assert_eq!(fs::read_dir(&place.target).unwrap().count(), 1);
        }
    }
}

#[tokio::test]
async fn a_stored_link_is_not_followed_by_what_comes_after_it() {
    for overwrite in [Overwrite::Never, Overwrite::IfNewer, Overwrite::IfChanged, Overwrite::Always] {
        let place = Place::new();
        let entries = vec![
            link(&[b"a"], &place.outside),
            file(&[b"a", b"new"]),
            file(&[b"a", b"precious"]),
            directory(&[b"a", b"sub"]),
        ];
        let outcome = place.restore(entries, overwrite).await;
        let replaced = fs::symlink_metadata(place.target.join("a")).unwrap().is_dir();
        assert_eq!(replaced, matches!(overwrite, Overwrite::IfChanged | Overwrite::Always));
        assert_eq!(outcome.failed() > 0, !replaced, "{overwrite:?}: {:?}", outcome.failures);
    }
}

#[tokio::test]
async fn a_link_that_stands_in_the_target_is_not_followed() {
    for overwrite in [Overwrite::Never, Overwrite::IfNewer, Overwrite::IfChanged, Overwrite::Always] {
        let place = Place::new();
        symlink(&place.outside, place.target.join("directory")).unwrap();
        symlink(place.outside.join("precious"), place.target.join("file")).unwrap();
        symlink(place.outside.join("new"), place.target.join("new")).unwrap();
        let entries =
            vec![directory(&[b"directory"]), file(&[b"directory", b"precious"]), file(&[b"file"]), file(&[b"new"])];
        place.restore(entries, overwrite).await;
    }
}

#[tokio::test]
async fn a_hard_link_to_something_outside_keeps_its_metadata() {
    let place = Place::new();
    fs::hard_link(place.outside.join("precious"), place.target.join("file")).unwrap();
    let mut same = file(&[b"file"]);
    same.size_bytes = Some(8);
    same.metadata.mtime = Some(Timestamp { seconds: 1_200_000_000, nanoseconds: 0 });
    same.metadata.mode = Some(0o666);
    let mut snapshot = forged(vec![same.clone()]);
    snapshot.contents.insert(same.path, b"12345678".to_vec());
    let outcome = crate::fixture::restore(&snapshot, FilesTarget::new(&place.target)).await;
    assert_eq!(outcome.failed(), 0);
    place.assert_untouched();
    assert_eq!(fs::metadata(place.outside.join("precious")).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(fs::read(place.target.join("file")).unwrap(), b"12345678");
}

/// A supply that does something between the making of directories and the writing of contents.
struct Meanwhile<F>(Mutex<Option<F>>);

#[async_trait]
impl<F: FnOnce() + Send> Supply for Meanwhile<F> {
    async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()> {
        if let Some(happens) = self.0.lock().unwrap().take() {
            happens();
        }
        for number in entries {
            let (first, second) = (sink.write(*number, 0, b"ev"), sink.write(*number, 2, b"il"));
            sink.finish(*number, first.and(second));
        }
        Ok(())
    }

    async fn settle(&self) -> Result<()> {
        Ok(())
    }

    async fn stream(&self, _: u64) -> Result<Reader> {
        unreachable!("files are not streamed")
    }
}

async fn restore_with(place: &Place, entries: Vec<Entry>, happens: impl FnOnce() + Send) -> Outcome {
    let driver = Files::into_target(FilesTarget::new(&place.target));
    let component = forged(Vec::new()).component();
    let mut restore = driver.restore(here().await, &component, Arc::new(Silent)).await.unwrap();
    let wanted = restore.begin(Arc::new(Batch { first: 0, entries })).await.unwrap();
    restore.put(wanted, &Meanwhile(Mutex::new(Some(happens)))).await.unwrap();
    let outcome = restore.finish().await.unwrap();
    place.assert_untouched();
    outcome
}

#[tokio::test]
async fn a_link_planted_during_the_restore_is_not_followed() {
    let place = Place::new();
    // So many directories that the handle of the first one is closed again.
    let numbers: Vec<String> = (0..600).map(|n| format!("d{n:03}")).collect();
    let mut entries = Vec::new();
    for name in &numbers {
        entries.push(directory(&[name.as_bytes()]));
        entries.push(file(&[name.as_bytes(), b"precious"]));
    }
    let plant = || {
        for name in &numbers {
            fs::rename(place.target.join(name), place.target.join(format!("moved-{name}"))).unwrap();
            symlink(&place.outside, place.target.join(name)).unwrap();
        }
    };
    let outcome = restore_with(&place, entries, plant).await;
    let reason = "Too many levels of symbolic links";
    let not_followed = |reason_given: &str| reason_given.contains(reason) || reason_given.contains("Not a directory");
    assert!(outcome.failures.iter().all(|failure| not_followed(&failure.reason)), "{:?}", outcome.failures);
    // Each directory lost its metadata; those whose handle was closed lost their file too.
    assert!(outcome.failed() > 900, "{}", outcome.failed());
}

#[tokio::test]
async fn a_name_taken_during_the_restore_is_not_written_through() {
    let place = Place::new();
    let entries = vec![directory(&[b"d"]), file(&[b"d", b"file"]), file(&[b"top"])];
    let plant = || {
        symlink(place.outside.join("precious"), place.target.join("d/file")).unwrap();
        fs::hard_link(place.outside.join("precious"), place.target.join("top")).unwrap();
    };
    let outcome = restore_with(&place, entries, plant).await;
    assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures);
    assert_eq!(fs::read(place.target.join("d/file")).unwrap(), b"evil");
    assert!(fs::symlink_metadata(place.target.join("d/file")).unwrap().is_file());
    assert_eq!(fs::read(place.target.join("top")).unwrap(), b"evil");
}

#[tokio::test]
async fn another_file_in_place_of_a_first_name_gets_no_further_name() {
    let place = Place::new();
    let [mut first, mut second] = [file(&[b"a"]), file(&[b"z"])];
    for entry in [&mut first, &mut second] {
        entry.link_group = Some(7);
    }
    let driver = Files::into_target(FilesTarget::new(&place.target));
    let mut restore = driver.restore(here().await, &forged(Vec::new()).component(), Arc::new(Silent)).await.unwrap();
    let nothing = || Mutex::new(Some(|| ()));
    let wanted = restore.begin(Arc::new(Batch { first: 0, entries: vec![first] })).await.unwrap();
    restore.put(wanted, &Meanwhile(nothing())).await.unwrap();
    fs::remove_file(place.target.join("a")).unwrap();
    fs::hard_link(place.outside.join("precious"), place.target.join("a")).unwrap();
    let wanted = restore.begin(Arc::new(Batch { first: 1, entries: vec![second] })).await.unwrap();
    assert_eq!(wanted.0, [1]);
    restore.put(wanted, &Meanwhile(nothing())).await.unwrap();
    assert_eq!(restore.finish().await.unwrap().failed(), 0);
    place.assert_untouched();
    assert_eq!(fs::read(place.target.join("z")).unwrap(), b"evil");
}

#[tokio::test]
async fn a_restore_that_is_dropped_leaves_no_part_of_a_file() {
    /// Writes a half, then never comes back.
    struct Stuck(tokio::sync::Notify);

    #[async_trait]
    impl Supply for Stuck {
        async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()> {
            for number in entries {
                sink.write(*number, 0, b"ev")?;
            }
            self.0.notify_one();
            std::future::pending().await
        }

        async fn settle(&self) -> Result<()> {
            unreachable!("it never comes so far")
        }

        async fn stream(&self, _: u64) -> Result<Reader> {
            unreachable!("files are not streamed")
        }
    }

    let place = Place::new();
    let driver = Files::into_target(FilesTarget::new(&place.target));
    let mut restore = driver.restore(here().await, &forged(Vec::new()).component(), Arc::new(Silent)).await.unwrap();
    let entries: Vec<Entry> = (0..100).map(|n| file(&[format!("file-{n:02}").as_bytes()])).collect();
    let wanted = restore.begin(Arc::new(Batch { first: 0, entries })).await.unwrap();
    let supply = Stuck(tokio::sync::Notify::new());
    {
        let put = restore.put(wanted, &supply);
        tokio::pin!(put);
        tokio::select! {
            _ = &mut put => unreachable!("nothing ends it"),
            () = supply.0.notified() => {}
        }
        assert_eq!(fs::read_dir(&place.target).unwrap().count(), 100);
    }
    drop(restore);
    assert_eq!(fs::read_dir(&place.target).unwrap().count(), 0);
}

#[tokio::test]
async fn an_incomplete_content_is_never_a_file() {
    let place = Place::new();
    let mut long = file(&[b"long"]);
    long.size_bytes = Some(5);
    let mut short = file(&[b"short"]);
    short.size_bytes = Some(3);
    let outcome = restore_with(&place, vec![long, file(&[b"right"]), short], || ()).await;
    assert_eq!(outcome.failed(), 2, "{:?}", outcome.failures);
    let again = capture_of(&place.target).await;
    assert_eq!(names(&again, &place.target), ["/right"]);
}
