//! Names that the snapshot does not have.

use crate::fixture::{
    Folder, capture, capture_of, count, here, names, restore, restore_some, target, tree_path, try_restore,
};
use backup_core::{Batch, ErrorKind, Selection, Silent, SourceDriver};
use backup_drivers::{Files, FilesTarget};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

fn tree(place: &Path, files: &[&str]) {
    for file in files {
        let path = place.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
}

fn everything() -> Selection {
    Selection::default()
}

#[tokio::test]
async fn what_the_snapshot_lacks_is_deleted_below_its_roots() {
    let folder = Folder::new();
    let (source, place, outside) = (folder.place(), folder.place(), folder.place());
    tree(&source, &["a", "d/kept", "empty/x", "z"]);
    fs::remove_file(source.join("empty/x")).unwrap();
    tree(&outside, &["precious"]);
    tree(&place, &["0", "a", "b", "d/0", "d/kept", "d/z/deep/er", "empty/1", "new/1/2", "zz"]);
    symlink(&outside, place.join("link")).unwrap();
    symlink(&outside, place.join("new/link")).unwrap();
    let captured = capture_of(&source).await;

    let target = target(&source, &place).with_delete(everything());
    let dry = restore(&captured, target.clone().with_dry_run()).await;
    assert!(place.join("new/1/2").exists());
    let outcome = restore(&captured, target.clone()).await;
    assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures);
    assert_eq!((count(&outcome, "deleted"), count(&dry, "deleted")), (8, 8));
    assert_eq!(names(&capture_of(&place).await, &place), names(&captured, &source));
    assert_eq!(fs::read(outside.join("precious")).unwrap(), b"precious");
    let again = restore(&captured, target).await;
    assert_eq!((count(&again, "deleted"), count(&again, "restored")), (0, 0));
}

#[tokio::test]
async fn beside_a_root_nothing_is_deleted() {
    let folder = Folder::new();
    let source = folder.place();
    tree(&source, &["home/ann/file", "home/bob/file", "home/carl"]);
    let captured = capture(&Files::new([source.join("home/ann")]).unwrap()).await;
    let place = folder.place();
    tree(&place, &["home/ann/old", "home/bob/file", "home/carl", "etc"]);
    let outcome = restore(&captured, target(&source, &place).with_delete(everything())).await;
    assert_eq!((outcome.failed(), count(&outcome, "deleted")), (0, 1));
    let left = ["/etc", "/home", "/home/ann", "/home/ann/file", "/home/bob", "/home/bob/file", "/home/carl"];
    assert_eq!(names(&capture_of(&place).await, &place), left);
}

#[tokio::test]
async fn beside_what_is_selected_nothing_is_deleted() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    tree(&source, &["a/x", "b/x", "c"]);
    tree(&place, &["a/old", "b/old", "b/x", "old"]);
    let captured = capture_of(&source).await;
    let selection = Selection { paths: vec![tree_path(&source.join("b"))] };
    let target = target(&source, &place).with_delete(selection.clone());
    let outcome = restore_some(&captured, target, &selection).await;
    assert_eq!((outcome.failed(), count(&outcome, "deleted")), (0, 1));
    assert_eq!(names(&capture_of(&place).await, &place), ["/a", "/a/old", "/b", "/b/x", "/old"]);
}

#[tokio::test]
async fn what_the_capture_left_out_stays() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    tree(&source, &["kept", "x.tmp", "target/x", "big", "cache/a"]);
    let tag = b"Signature: 8a477f597d28d172789f06886806bc55";
    fs::write(source.join("cache/CACHEDIR.TAG"), tag).unwrap();
    fs::write(source.join("big"), [0; 1000]).unwrap();
    let files = Files::new([&source]).unwrap().without_caches().with_max_file_size(500);
    let captured = capture(&files.with_exclude("*.tmp").unwrap().with_exclude("target/").unwrap()).await;
    assert_eq!(names(&captured, &source), ["/cache", "/cache/CACHEDIR.TAG", "/kept"]);

    // In place: nothing of all that is lost.
    tree(&source, &["new", "old/x.tmp", "old/y"]);
    let outcome = restore(&captured, FilesTarget::new("/").with_delete(everything())).await;
    assert_eq!((outcome.failed(), count(&outcome, "deleted")), (0, 1));
    let left = [
        "/big",
        "/cache",
        "/cache/CACHEDIR.TAG",
        "/cache/a",
        "/kept",
        "/old",
        "/old/x.tmp",
        "/target",
        "/target/x",
        "/x.tmp",
    ];
    assert_eq!(names(&capture_of(&source).await, &source), left);
    drop(place);
}

#[tokio::test]
async fn what_could_not_be_read_stays() {
    let folder = Folder::new();
    let source = folder.place();
    tree(&source, &["a", "b", "dir/c"]);
    let mut captured = capture_of(&source).await;
    for name in ["b", "dir/c"] {
        let path = tree_path(&source.join(name));
        captured.entries.retain(|entry| entry.path != path);
        captured.unreadable.insert(path, "permission denied".to_owned());
    }
    tree(&source, &["dir/new"]);
    let outcome = restore(&captured, FilesTarget::new("/").with_delete(everything())).await;
    assert_eq!((outcome.failed(), count(&outcome, "deleted")), (0, 1));
    assert_eq!(names(&capture_of(&source).await, &source), ["/a", "/b", "/dir", "/dir/c"]);

    captured.outcome.failures_unlisted = 1;
    let refused = try_restore(&captured, FilesTarget::new("/").with_delete(everything())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn an_empty_directory_may_be_where_another_file_system_was() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    fs::create_dir(source.join("mnt")).unwrap();
    let captured = capture(&Files::new([&source]).unwrap().on_one_file_system()).await;
    tree(&place, &["mnt/precious", "old"]);
    let outcome = restore(&captured, target(&source, &place).with_delete(everything())).await;
    assert_eq!((outcome.failed(), count(&outcome, "deleted")), (0, 1));
    assert!(place.join("mnt/precious").exists());
}

#[tokio::test]
async fn nothing_is_deleted_where_directories_fall_together_or_entries_are_not_in_order() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    tree(&source, &["a/d/1", "b/d/2"]);
    tree(&place, &["d/old"]);
    let captured = capture(&Files::new([source.join("a"), source.join("b")]).unwrap()).await;
    let depth = tree_path(&source).depth();
    let together = FilesTarget::new(&place).with_strip_components(depth + 1).with_delete(everything());
    let outcome = restore(&captured, together).await;
    assert!(outcome.failures[0].reason.contains("nothing was deleted"), "{:?}", outcome.failures);
    for name in ["d/1", "d/2", "d/old"] {
        assert!(place.join(name).exists(), "{name}");
    }

    let place = folder.place();
    tree(&place, &["a/old", "b/old"]);
    let mut shuffled = captured;
    shuffled.entries.reverse();
    let outcome = restore(&shuffled, target(&source, &place).with_delete(everything())).await;
    assert!(outcome.failures.iter().any(|failure| failure.reason.contains("nothing was deleted")));
    assert!(place.join("a/old").exists() && place.join("b/old").exists());
}

#[tokio::test]
async fn nothing_is_deleted_when_the_listing_has_gaps() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    tree(&source, &["a", "b", "c"]);
    tree(&place, &["b", "old"]);
    let captured = capture_of(&source).await;
    let driver = Files::into_target(target(&source, &place).with_delete(everything()));
    let mut restore = driver.restore(here().await, &captured.component(), Arc::new(Silent)).await.unwrap();
    // The part of the listing with `b` is damaged.
    let b = tree_path(&source.join("b"));
    let mut entries = captured.entries.clone();
    entries.retain(|entry| entry.path != b);
    restore.begin(Arc::new(Batch { first: 0, entries })).await.unwrap();
    let outcome = restore.finish().await.unwrap();
    assert!(outcome.failures.iter().any(|failure| failure.reason.contains("gaps")), "{:?}", outcome.failures);
    assert!(place.join("b").exists() && place.join("old").exists());
}
