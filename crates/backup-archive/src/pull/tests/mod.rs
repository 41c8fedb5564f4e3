mod damage;
mod hostile;
mod made;

use crate::index::PIECE_BYTES;
use backup_core::*;
use backup_storage::Memory;
use backup_testkit::memory::{Node, Tree, assert_same, directory, file, noise, path, take};
use backup_testkit::storage::{Counting, FaultPlan, Faulty, Method};
use made::{ARCHIVE, INDEX, made, manifest};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncReadExt;

const LAYERS: [&str; 8] = ["", "zstd", "gzip", "age", "zstd age", "gzip age", "age zstd", "zstd gzip"];

/// Lengths around the borders of pieces, holes, names of one file.
fn tree() -> Tree {
    let lengths = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES];
    let mut tree: Tree =
        (1..).zip(lengths).map(|(n, len)| (path(&format!("/a/{n}")), file(noise(n, len), n))).collect();
    tree.insert(path("/a"), directory());
    let hole = |offset: usize, length: usize| Hole { offset: offset as u64, length: length as u64 };
    let holes = vec![hole(0, 5), hole(100, PIECE_BYTES), hole(2 * PIECE_BYTES, 3)];
    tree.insert(path("/b"), Node { holes, ..file(noise(7, 2 * PIECE_BYTES), 7) });
    tree.insert(path("/c"), Node { holes: vec![hole(0, 999_999)], ..file("", 8) });
    for name in ["/d", "/e"] {
        tree.insert(path(name), Node { link_group: Some(1), ..file(noise(9, 3_000_000), 9) });
    }
    tree.insert(path("/f"), file("last", 10));
    tree
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_comes_back_through_all_layers() {
    let tree = tree();
    for layers in LAYERS {
        let backup = made(&tree, layers, |_| {}).await.open();
        assert_eq!((&*backup.summary().id.0, backup.components().len()), ("shop", 1));
        for _ in 0..2 {
            let (pulled, lost) = take(&backup, &Selection::default()).await.unwrap();
            assert!(lost.is_empty(), "{layers}: {lost:?}");
            assert_same(&tree, &pulled);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_give_holes_as_zeros() {
    let tree = tree();
    for layers in ["", "zstd age", "age zstd"] {
        let backup = made(&tree, layers, |_| {}).await.open();
        let mut entries = backup.entries(0, &Selection::default()).unwrap();
        let batch = entries.next().await.unwrap().unwrap();
        let unknown = entries.supply().stream(batch.entries.len() as u64).await;
        assert_eq!(unknown.map(drop).unwrap_err().kind(), ErrorKind::InvalidInput);
        // The last first: what is read from the front begins anew.
        for (number, entry) in batch.numbered().collect::<Vec<_>>().into_iter().rev() {
            let mut content = Vec::new();
            entries.supply().stream(number).await.unwrap().read_to_end(&mut content).await.unwrap();
            assert!(content == tree[&entry.path].bytes(), "{layers}: {}", entry.path);
        }
    }
}

#[tokio::test]
async fn one_entry_reads_its_pieces_alone() {
    let tree = tree();
    let (wanted, piece) = (path("/a/3"), PIECE_BYTES as u64);
    for (layers, overhead) in [("", 0), ("zstd", 2048), ("zstd age", 300_000)] {
        let made = made(&tree, layers, |_| {}).await;
        let storage = Arc::new(Counting::new(Arc::new(made.memory.clone())));
        let selection = Selection { paths: vec![wanted.clone()] };
        let (pulled, _) = take(&made.open_in(storage.clone()), &selection).await.unwrap();
        assert_eq!(pulled.keys().collect::<Vec<_>>(), [&path("/a"), &wanted]);
        assert!(*pulled[&wanted].1.as_ref().unwrap() == tree[&wanted].content);
        // It begins in the first piece and ends in the second.
        let read = storage.tally_under(Method::Get, ARCHIVE).bytes;
        assert!((2 * piece..=2 * piece + overhead).contains(&read), "{layers}: {read}");
    }
}

#[tokio::test]
async fn small_entries_of_one_piece_read_it_once() {
    let tree: Tree = (0..9000).map(|n| (path(&format!("/{n}")), file(n.to_string(), n))).collect();
    let made = made(&tree, "zstd age", |_| {}).await;
    let storage = Arc::new(Counting::new(Arc::new(made.memory.clone())));
    let backup = made.open_in(storage.clone());
    let (pulled, _) = take(&backup, &Selection::default()).await.unwrap();
    assert_same(&tree, &pulled);
    let mut entries = backup.entries(0, &Selection::default()).unwrap();
    let mut numbers = Vec::new();
    while let Some(batch) = entries.next().await.unwrap() {
        assert!(batch.entries.len() <= MAX_BATCH);
        numbers.extend(batch.numbered().map(|(number, _)| number));
        let number = batch.first + 7;
        let content = read_entry(entries.supply(), number, 100).await.unwrap();
        assert_eq!(content, tree[&batch.get(number).unwrap().path].content);
    }
    assert_eq!(numbers, (0..9000).collect::<Vec<_>>());
    // Two pieces and the header.
    let gets = storage.tally_under(Method::Get, ARCHIVE).calls;
    assert!(gets <= 4, "{gets}");
    assert_eq!(storage.tally_under(Method::Get, INDEX).calls, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_share_a_piece_read_it_once() {
    let tree: Tree = (0..13_000).map(|n| (path(&format!("/{n}")), file(noise(n, 3000), n))).collect();
    for layers in ["", "age zstd"] {
        let made = made(&tree, layers, |_| {}).await;
        let storage = Arc::new(Counting::new(Arc::new(made.memory.clone())));
        let (pulled, _) = take(&made.open_in(storage.clone()), &Selection::default()).await.unwrap();
        assert_same(&tree, &pulled);
        let (read, stored) = (storage.tally_under(Method::Get, ARCHIVE).bytes, made.object(ARCHIVE).await.len());
        assert_eq!(read, stored as u64, "{layers}");
    }
}

#[tokio::test]
async fn a_component_without_content_has_no_entries() {
    let storage = Arc::new(Memory::new());
    let backup = super::ArchiveBackup::new(storage, &manifest(None), made::keys()).unwrap();
    let mut entries = backup.entries(0, &Selection::default()).unwrap();
    assert!(entries.next().await.unwrap().is_none());
    assert_eq!(entries.supply().files(Arc::<Sink>::default(), &[0]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let none = backup.entries(1, &Selection::default()).map(drop);
    assert_eq!(none.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn no_key_and_no_answer_end_the_walk_or_the_supply() {
    let tree = tree();
    let made = made(&tree, "zstd age", |_| {}).await;
    let memory = Arc::new(made.memory.clone());
    let without = super::ArchiveBackup::new(memory.clone(), &made.manifest, crate::layers::Keys::default()).unwrap();
    let error = take(&without, &Selection::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    let plan = FaultPlan::when(|call| call.key == ARCHIVE).with_kind(ErrorKind::Unavailable);
    let silent = made.open_in(Arc::new(Faulty::new(memory, plan)));
    let error = take(&silent, &Selection::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// Cannot write one entry and panics on another.
#[derive(Default)]
struct Sink(Mutex<BTreeMap<u64, Option<ErrorKind>>>);

impl FileSink for Sink {
    fn write(&self, entry: u64, _: u64, _: &[u8]) -> Result<()> {
        match entry {
            1 => Err(Error::new(ErrorKind::NoSpace, "full")),
            2 => panic!("on purpose"),
            _ => Ok(()),
        }
    }

    fn finish(&self, entry: u64, result: Result<()>) -> bool {
        let failed = result.err().map(|e| e.kind());
        assert!(self.0.lock().unwrap().insert(entry, failed).is_none(), "finished twice");
        failed.is_none()
    }
}

#[tokio::test]
async fn what_a_sink_cannot_write_is_finished_with_its_reason() {
    let tree: Tree = (0..4).map(|n| (path(&format!("/{n}")), file(noise(n, PIECE_BYTES / 2), n))).collect();
    let backup = made(&tree, "zstd", |_| {}).await.open();
    let mut entries = backup.entries(0, &Selection::default()).unwrap();
    entries.next().await.unwrap().unwrap();
    let sink = Arc::<Sink>::default();
    entries.supply().files(sink.clone(), &[0, 1, 2, 3]).await.unwrap();
    entries.supply().settle().await.unwrap();
    let expected = [None, Some(ErrorKind::NoSpace), Some(ErrorKind::Internal), None];
    assert_eq!(sink.0.lock().unwrap().values().copied().collect::<Vec<_>>(), expected);
    let unknown = entries.supply().files(sink, &[4]).await;
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::InvalidInput);
}
