//! Files that change between being listed, opened and read.

use crate::fixture::{Folder, here, pattern, sparse, tree_path};
use async_trait::async_trait;
use backup_core::{
    Batch, Capture, Contents, Entry, FileOpener, FileReader, Reader, Result, Silent, SourceDriver, Wanted,
};
use backup_drivers::Files;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// One listed file, with what opens it.
struct Listed {
    _folder: Folder,
    path: PathBuf,
    batch: Arc<Batch>,
    number: u64,
    opener: Arc<dyn FileOpener>,
    _capture: Box<dyn Capture>,
}

/// Contents that only keep the opener.
#[derive(Default)]
struct Keep(Mutex<Option<Arc<dyn FileOpener>>>);

#[async_trait]
impl Contents for Keep {
    async fn files(&self, opener: Arc<dyn FileOpener>, _: &[u64]) -> Result<()> {
        *self.0.lock().unwrap() = Some(opener);
        Ok(())
    }

    async fn stream(&self, _: u64, _: Reader) -> Result<u64> {
        unreachable!("files are not streamed")
    }

    async fn unreadable(&self, _: u64, reason: String) -> Result<()> {
        unreachable!("{reason}")
    }
}

impl Listed {
    async fn new(make: impl FnOnce(&Path)) -> Listed {
        let folder = Folder::new();
        let path = folder.place().join("file");
        make(&path);
        let source = Files::new([&path]).unwrap();
        let mut capture = source.capture(here().await, Arc::new(Silent)).await.unwrap();
        let batch = capture.list().await.unwrap().unwrap();
        let wanted = tree_path(&path);
        let number = batch.numbered().find(|(_, entry)| entry.path == wanted).unwrap().0;
        let keep = Keep::default();
        capture.fetch(Wanted(vec![number]), &keep).await.unwrap();
        let opener = keep.0.into_inner().unwrap().unwrap();
        Listed { _folder: folder, path, batch, number, opener, _capture: capture }
    }

    fn entry(&self) -> &Entry {
        self.batch.get(self.number).unwrap()
    }

    fn open(&self) -> Result<Box<dyn FileReader>> {
        self.opener.open(self.number)
    }

    /// Why it cannot be opened.
    fn refusal(&self) -> String {
        let reason = self.open().map(drop).unwrap_err().to_string();
        assert!(!reason.contains('\n'));
        reason
    }

    /// Reads it in pieces; after the first, something happens.
    fn read_with(&self, happens: impl FnOnce(&Path)) -> (Entry, Vec<u8>) {
        let mut reader = self.open().unwrap();
        let mut buffer = vec![0; 10_000];
        let got = reader.read(&mut buffer).unwrap();
        let mut content = buffer[..got].to_vec();
        happens(&self.path);
        loop {
            let got = reader.read(&mut buffer).unwrap();
            content.extend_from_slice(&buffer[..got]);
            if got == 0 {
                break;
            }
        }
        let read = content.len() as u64;
        (reader.finish(self.entry(), read).unwrap(), content)
    }
}

fn data(path: &Path) {
    fs::write(path, pattern(50_000)).unwrap();
}

#[tokio::test]
async fn what_stays_the_same_keeps_its_fingerprint() {
    let listed = Listed::new(data).await;
    let (entry, content) = listed.read_with(|_| {});
    assert_eq!(content, pattern(50_000));
    assert_eq!(&entry, listed.entry());
    assert!(!entry.changed_while_read && entry.fingerprint.is_some());
}

#[tokio::test]
async fn a_file_that_grows_is_cut_where_it_ended_and_marked() {
    let listed = Listed::new(data).await;
    let (entry, content) = listed.read_with(|path| {
        File::options().append(true).open(path).unwrap().write_all(&[1; 70_000]).unwrap();
    });
    assert_eq!(content, pattern(50_000));
    assert_eq!(entry.size_bytes, Some(50_000));
    assert!(entry.changed_while_read && entry.fingerprint.is_none());
}

#[tokio::test]
async fn an_empty_file_that_grows_is_marked() {
    let listed = Listed::new(|path| fs::write(path, b"").unwrap()).await;
    let (entry, content) = listed.read_with(|path| fs::write(path, b"more").unwrap());
    assert!(content.is_empty() && entry.size_bytes == Some(0));
    assert!(entry.changed_while_read && entry.fingerprint.is_none());
}

#[tokio::test]
async fn a_file_that_shrinks_has_the_size_that_was_read() {
    let listed = Listed::new(data).await;
    let (entry, content) = listed.read_with(|path| {
        File::options().write(true).open(path).unwrap().set_len(20_000).unwrap();
    });
    assert_eq!(content, pattern(20_000));
    assert_eq!(entry.size_bytes, Some(20_000));
    assert!(entry.changed_while_read && entry.fingerprint.is_none());
}

#[tokio::test]
async fn a_file_that_is_rewritten_in_place_is_marked() {
    let listed = Listed::new(data).await;
    let (entry, content) = listed.read_with(|path| {
        File::options().write(true).open(path).unwrap().write_all_at(&[0; 10], 49_000).unwrap();
    });
    assert_eq!(content.len(), 50_000);
    assert!(entry.changed_while_read && entry.fingerprint.is_none());
}

#[tokio::test]
async fn a_sparse_file_that_shrinks_has_no_hole_behind_its_end() {
    let listed = Listed::new(|path| sparse(path, 1 << 20, &[(0, 30_000), (500_000, 100)])).await;
    let (entry, content) = listed.read_with(|path| {
        File::options().write(true).open(path).unwrap().set_len(20_000).unwrap();
    });
    assert_eq!(content.len(), 20_000);
    assert_eq!(entry.size_bytes, Some(20_000));
    assert!(entry.holes.is_empty() && entry.changed_while_read);
}

#[tokio::test]
async fn a_file_that_changed_before_it_is_opened_is_read_as_it_is_then() {
    let listed = Listed::new(data).await;
    fs::write(&listed.path, b"new content").unwrap();
    let (entry, content) = listed.read_with(|_| {});
    assert_eq!(content, b"new content");
    assert_eq!(entry.size_bytes, Some(11));
    assert!(!entry.changed_while_read);
    assert_ne!(entry.fingerprint, listed.entry().fingerprint);
}

#[tokio::test]
async fn a_file_that_is_removed_while_it_is_read_is_read_to_its_end() {
    let listed = Listed::new(data).await;
    let (entry, content) = listed.read_with(|path| fs::remove_file(path).unwrap());
    assert_eq!(content, pattern(50_000));
    assert!(entry.changed_while_read);
}

#[tokio::test]
async fn what_vanished_or_became_something_else_is_unreadable() {
    let listed = Listed::new(data).await;
    fs::remove_file(&listed.path).unwrap();
    assert!(listed.refusal().contains("vanished"), "{}", listed.refusal());
    symlink("/etc/hostname", &listed.path).unwrap();
    assert!(listed.refusal().contains("no longer a regular file"), "{}", listed.refusal());
    fs::remove_file(&listed.path).unwrap();
    fs::create_dir(&listed.path).unwrap();
    assert!(listed.refusal().contains("no longer a regular file"), "{}", listed.refusal());
    fs::remove_dir(&listed.path).unwrap();
    // Nobody writes to it: opening must not wait.
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &listed.path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(listed.refusal().contains("no longer a regular file"), "{}", listed.refusal());
}

#[tokio::test]
async fn content_that_got_lost_on_the_way_is_noticed() {
    let listed = Listed::new(data).await;
    let mut reader = listed.open().unwrap();
    reader.read(&mut [0; 100]).unwrap();
    assert!(reader.finish(listed.entry(), 99).is_err());
}
