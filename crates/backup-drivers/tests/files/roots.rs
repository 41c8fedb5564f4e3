//! Which paths a capture has.

use crate::fixture::{Folder, capture, capture_of, here, names, tree_path};
use backup_core::{EntryKind, ErrorKind, Silent, SourceDriver, TreePath};
use backup_drivers::Files;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;

#[tokio::test]
async fn directories_above_a_root_are_entries_with_their_metadata() {
    let folder = Folder::new();
    let place = folder.place();
    fs::create_dir_all(place.join("above/root")).unwrap();
    fs::write(place.join("above/root/file"), b"x").unwrap();
    fs::write(place.join("above/beside"), b"x").unwrap();
    fs::set_permissions(place.join("above"), fs::Permissions::from_mode(0o711)).unwrap();

    let captured = capture_of(&place.join("above/root")).await;
    assert_eq!(names(&captured, &place), ["/above", "/above/root", "/above/root/file"]);
    assert_eq!(captured.entry(&tree_path(&place.join("above"))).unwrap().metadata.mode, Some(0o711));
    let first = &captured.entries[0];
    assert_eq!((first.path.depth(), &first.kind), (1, &EntryKind::Directory));
    assert_eq!(captured.description.roots, [tree_path(&place.join("above/root"))]);
}

#[tokio::test]
async fn equal_and_nested_roots_are_listed_once() {
    let folder = Folder::new();
    let place = folder.place();
    fs::create_dir_all(place.join("a/b/c")).unwrap();
    fs::create_dir_all(place.join("z")).unwrap();
    fs::write(place.join("a/b/c/file"), b"x").unwrap();
    fs::write(place.join("z/file"), b"x").unwrap();
    let roots = ["a/b", "a", "z/file", "a/b/../b/c/file", "a//b/."].map(|root| place.join(root));
    let captured = capture(&Files::new(roots).unwrap()).await;
    assert_eq!(names(&captured, &place), ["/a", "/a/b", "/a/b/c", "/a/b/c/file", "/z", "/z/file"]);
}

#[tokio::test]
async fn a_linked_root_is_a_link_unless_it_ends_with_a_slash() {
    let folder = Folder::new();
    let place = folder.place();
    fs::create_dir(place.join("real")).unwrap();
    fs::write(place.join("real/file"), b"x").unwrap();
    symlink("real", place.join("link")).unwrap();

    let as_link = capture_of(&place.join("link")).await;
    assert_eq!(names(&as_link, &place), ["/link"]);
    let link = as_link.entry(&tree_path(&place.join("link"))).unwrap();
    assert_eq!(link.kind, EntryKind::Symlink { target: b"real".to_vec() });

    for root in ["link/", "link/.", "link/file"] {
        let followed = capture_of(&place.join(root)).await;
        assert_eq!(names(&followed, &place), ["/link", "/link/file"], "{root}");
        assert_eq!(followed.entry(&tree_path(&place.join("link"))).unwrap().kind, EntryKind::Directory);
    }
    let both = capture(&Files::new([place.clone(), place.join("link/file")]).unwrap()).await;
    assert_eq!(names(&both, &place), ["/link", "/link/file", "/real", "/real/file"]);
}

#[tokio::test]
async fn a_root_that_is_not_there_is_an_error() {
    let folder = Folder::new();
    let place = folder.place();
    fs::write(place.join("file"), b"x").unwrap();
    let missing = Files::new([place.join("file"), place.join("missing")]).unwrap();
    let at = here().await;
    let error = missing.capture(at.clone(), Arc::new(Silent)).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("missing"), "{error}");
    assert_eq!(missing.probe(&*at).await.unwrap().len(), 1);

    let no_directory = Files::new([place.join("file/")]).unwrap();
    assert!(no_directory.capture(at.clone(), Arc::new(Silent)).await.is_err());
    let nothing = Files::new([] as [&str; 0]).unwrap();
    let error = nothing.capture(at, Arc::new(Silent)).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_whole_file_system_has_an_entry_for_its_root() {
    let everything = Files::new(["/"]).unwrap().with_exclude("/*").unwrap();
    let captured = capture(&everything).await;
    let paths: Vec<&TreePath> = captured.entries.iter().map(|entry| &entry.path).collect();
    assert_eq!(paths, [&TreePath::root()]);
    assert!(captured.outcome.counts["excluded"] > 1);
}
