//! Many names, long paths, many holes.

use crate::fixture::{Folder, capture_of, deep, here, names, restore, target, tree_path};
use backup_core::{MAX_PATH_BYTES, Silent, SourceDriver, TreePath};
use backup_drivers::Files;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::Arc;

#[tokio::test]
async fn a_directory_with_more_names_than_are_sorted_in_memory() {
    let folder = Folder::in_memory();
    let place = folder.place();
    let many = place.join("many");
    std::fs::create_dir(&many).unwrap();
    // Not in the order of their names.
    let mut expected: Vec<String> =
        (0..120_000u32).map(|n| format!("{:x}-{n}", n.wrapping_mul(2_654_435_761))).collect();
    for name in &expected {
        File::create(many.join(name)).unwrap();
    }
    std::fs::create_dir(many.join("5-between")).unwrap();
    File::create(many.join("5-between/inside")).unwrap();
    expected.extend(["5-between".to_owned(), "5-between/inside".to_owned()]);
    expected.sort();

    let source = Files::new([&many]).unwrap().with_temporary_folder(folder.place());
    let mut capture = source.capture(here().await, Arc::new(Silent)).await.unwrap();
    let mut found = Vec::new();
    let top = tree_path(&many);
    while let Some(batch) = capture.list().await.unwrap() {
        for entry in batch.entries.iter().filter(|entry| entry.path.starts_with(&top) && entry.path != top) {
            let below: Vec<_> = entry.path.components().skip(top.depth()).map(|c| c.into_owned()).collect();
            found.push(String::from_utf8(below.join(&b'/')).unwrap());
        }
    }
    assert_eq!(capture.finish().await.unwrap().failed(), 0);
    assert_eq!(found.len(), expected.len());
    assert!(found == expected);
}

#[tokio::test]
async fn paths_of_any_length_go_both_ways() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    // 300 levels, so that some handles must be closed; 60,000 bytes, which no call takes as a path.
    let end = deep(&source, 300, 200, b"deep down");
    let captured = capture_of(&source).await;
    assert_eq!(captured.outcome.failed(), 0);
    assert_eq!(captured.content(&end).unwrap(), b"deep down");
    let outcome = restore(&captured, target(&source, &place)).await;
    assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures.first());
    let again = capture_of(&place).await;
    assert_eq!(names(&again, &place), names(&captured, &source));
    assert_eq!(again.contents.into_values().collect::<Vec<_>>(), [b"deep down"]);
}

#[tokio::test]
async fn of_very_many_holes_the_largest_are_kept() {
    let folder = Folder::new();
    let place = folder.place();
    let file = File::create(place.join("file")).unwrap();
    // 5,000 holes of 12 KiB and one of 4 MiB.
    let step = 16 * 1024;
    for n in 0..5000 {
        file.write_all_at(b"x", n * step).unwrap();
    }
    file.write_all_at(b"end", 5000 * step + (4 << 20)).unwrap();
    let captured = capture_of(&place).await;
    let path = tree_path(&place.join("file"));
    let entry = captured.entry(&path).unwrap();
    assert_eq!(entry.holes.len(), 4096);
    assert!(entry.holes.iter().any(|hole| hole.length >= 4 << 20));
    assert!(captured.content(&path).unwrap() == std::fs::read(place.join("file")).unwrap());
}

#[tokio::test]
async fn thousands_of_levels_end_where_a_path_is_too_long() {
    let folder = Folder::in_memory();
    let top = folder.place();
    let end = top.join("end");
    std::fs::create_dir(&end).unwrap();
    deep(&end, 2090, 250, b"out of reach");
    std::fs::write(top.join("last"), b"in reach").unwrap();

    let source = Files::new([&top]).unwrap();
    let mut capture = source.capture(here().await, Arc::new(Silent)).await.unwrap();
    let (mut deepest, mut last) = (0, TreePath::root());
    while let Some(batch) = capture.list().await.unwrap() {
        let bytes: usize = batch.entries.iter().map(|entry| entry.path.as_encoded().len()).sum();
        assert!(bytes <= (4 << 20) + MAX_PATH_BYTES, "a batch holds {bytes} bytes of paths");
        deepest = batch.entries.iter().map(|entry| entry.path.depth()).max().unwrap().max(deepest);
        last = batch.entries.last().unwrap().path.clone();
    }
    let outcome = capture.finish().await.unwrap();
    // What std removes recursively it keeps open: these are too many.
    assert!(Command::new("rm").arg("-rf").arg(&end).status().unwrap().success());
    assert!((2000..2095).contains(&deepest), "{deepest}");
    assert_eq!(last, tree_path(&top.join("last")));
    assert_eq!(outcome.failed(), 1);
    assert!(outcome.failures[0].reason.contains("too long"), "{}", outcome.failures[0].reason);
}
