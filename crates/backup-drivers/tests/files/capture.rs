//! What is left out, and what cannot be read.

use crate::fixture::{Folder, below, capture, capture_of, everything, here, is_root, names, tree_path};
use backup_core::{EntryKind, Event, SourceDriver};
use backup_drivers::Files;
use backup_testkit::Told;
use backup_testkit::sources::Captured;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

fn tree(place: &Path, files: &[&str]) {
    for file in files {
        let path = place.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
}

#[tokio::test]
async fn excludes_take_gitignore_patterns_and_files_of_them() {
    let folder = Folder::new();
    let place = folder.place();
    tree(&place, &["a.tmp", "keep.tmp", "src/a.rs", "src/x.tmp", "target/debug/x", "src/target/y", "new/log/1"]);
    let patterns = folder.place().join("patterns");
    fs::write(&patterns, "# a comment\n\n*.tmp\n!keep.tmp\r\n/new/log/\n").unwrap();
    let source = Files::new([&place]).unwrap().with_exclude_file(&patterns).unwrap();
    let source = source.with_exclude(&format!("{}/target", place.display())).unwrap();
    let captured = capture(&source).await;
    let expected = ["/keep.tmp", "/new", "/src", "/src/a.rs", "/src/target", "/src/target/y"];
    assert_eq!(names(&captured, &place), expected);
    assert_eq!(captured.outcome.counts["excluded"], 4);
    assert!(captured.description.options["exclude"].contains("!keep.tmp"));
}

#[tokio::test]
async fn a_root_is_never_excluded() {
    let folder = Folder::new();
    let place = folder.place();
    tree(&place, &["x.tmp/inside", "x.tmp/y.tmp/deep/root", "x.tmp/y.tmp/other"]);
    let roots = [place.join("x.tmp"), place.join("x.tmp/y.tmp/deep")];
    let captured = capture(&Files::new(roots).unwrap().with_exclude("*.tmp").unwrap()).await;
    let expected = ["/x.tmp", "/x.tmp/inside", "/x.tmp/y.tmp", "/x.tmp/y.tmp/deep", "/x.tmp/y.tmp/deep/root"];
    assert_eq!(names(&captured, &place), expected);
}

#[tokio::test]
async fn of_caches_only_the_tag_is_taken() {
    let folder = Folder::new();
    let place = folder.place();
    tree(&place, &["cache/a", "cache/z/b", "no-cache/CACHEDIR.TAG", "no-cache/a"]);
    let tag = b"Signature: 8a477f597d28d172789f06886806bc55\n# made by a test";
    fs::write(place.join("cache/CACHEDIR.TAG"), tag).unwrap();
    let captured = capture(&Files::new([&place]).unwrap().without_caches()).await;
    let expected = ["/cache", "/cache/CACHEDIR.TAG", "/no-cache", "/no-cache/CACHEDIR.TAG", "/no-cache/a"];
    assert_eq!(names(&captured, &place), expected);
    let named = capture(&Files::new([place.join("cache")]).unwrap().without_caches()).await;
    assert_eq!(names(&named, &place).len(), 5);
    // A root inside of a cache is captured, what lies beside it is not.
    tree(&place, &["cache/z/root/c", "cache/z/y"]);
    let inside = Files::new([place.join("cache/z/root"), place.clone()]).unwrap().without_caches();
    let below_cache = ["/cache", "/cache/CACHEDIR.TAG", "/cache/z", "/cache/z/root", "/cache/z/root/c"];
    assert_eq!(names(&capture(&inside).await, &place)[..5], below_cache);
}

#[tokio::test]
async fn files_above_the_limit_are_left_out() {
    let folder = Folder::new();
    let place = folder.place();
    fs::write(place.join("at"), [0; 100]).unwrap();
    fs::write(place.join("above"), [0; 101]).unwrap();
    let captured = capture(&Files::new([&place]).unwrap().with_max_file_size(100)).await;
    assert_eq!(names(&captured, &place), ["/at"]);
    assert_eq!(captured.outcome.counts["excluded"], 1);
}

#[tokio::test]
async fn other_file_systems_are_not_entered_when_asked_so() {
    let device = |path: &str| fs::metadata(path).unwrap().dev();
    assert_ne!(device("/dev"), device("/dev/pts"), "this test needs a mount in /dev");
    let list = async |source: Files| -> Vec<String> {
        let mut capture = source.capture(here().await, Arc::new(Told::default())).await.unwrap();
        let mut paths = Vec::new();
        while let Some(batch) = capture.list().await.unwrap() {
            paths.extend(batch.entries.iter().map(|entry| entry.path.to_string()));
        }
        paths
    };
    let inside = |paths: &[String]| paths.iter().any(|path| path.starts_with("/dev/pts/"));
    let all = list(Files::new(["/dev"]).unwrap()).await;
    assert!(inside(&all), "{all:?}");
    let one = list(Files::new(["/dev"]).unwrap().on_one_file_system()).await;
    assert!(!inside(&one) && one.contains(&"/dev/pts".to_owned()), "{one:?}");
    // Another root on the other file system is a root all the same.
    let both = list(Files::new(["/dev", "/dev/pts"]).unwrap().on_one_file_system()).await;
    assert!(inside(&both), "{both:?}");
}

#[tokio::test]
async fn every_kind_of_file_is_described() {
    let folder = Folder::new();
    let root = folder.place();
    everything(&root);
    let captured = capture_of(&root).await;
    assert!(captured.unreadable.is_empty() && captured.outcome.failed() == 0, "{captured:?}");
    let entry = |name: &str| captured.entry(&tree_path(&root.join(name))).unwrap();

    assert_eq!(entry("small").size_bytes, Some(12));
    assert_eq!(entry("fifo").kind, EntryKind::Fifo);
    assert_eq!(entry("socket").kind, EntryKind::Socket);
    assert_eq!(entry("link-dangling").kind, EntryKind::Symlink { target: b"/nowhere/\xff\n".to_vec() });
    assert_eq!(entry("setuid").metadata.mode, Some(0o4755));
    let mtime = entry("before-1970").metadata.mtime.unwrap();
    assert_eq!((mtime.seconds, mtime.nanoseconds), (-86_401, 999_999_999));
    let xattrs = &entry("attributes").metadata.xattrs;
    assert_eq!(xattrs[b"user.empty".as_slice()], b"");
    assert_eq!(xattrs[b"user.binary".as_slice()], b"\0\xff\n=\0");
    assert_eq!(xattrs[b"user.long".as_slice()].len(), 2000);
    assert!(entry("access-list").metadata.xattrs.contains_key(b"system.posix_acl_access".as_slice()));
    assert!(entry("directories/empty").metadata.xattrs.contains_key(b"user.of-a-directory".as_slice()));
    let uid = fs::metadata(root.join("small")).unwrap().uid();
    assert_eq!(entry("small").metadata.uid, Some(uid));
    assert!(entry("small").metadata.user.is_some());
    if is_root() {
        assert_eq!(entry("character-device").kind, EntryKind::CharDevice { major: 1, minor: 3 });
        assert_eq!(entry("block-device").kind, EntryKind::BlockDevice { major: 259, minor: 1_000_003 });
        assert_eq!((entry("of-another").metadata.uid, entry("of-another").metadata.gid), (Some(12345), Some(54321)));
        assert_eq!(entry("of-another").metadata.user, None);
        assert!(entry("link-of-another").metadata.xattrs.contains_key(b"trusted.of-a-link".as_slice()));
    }

    let groups: Vec<_> = below(&captured, &root).into_iter().filter_map(|(_, entry)| entry.link_group).collect();
    assert_eq!(groups.len(), 3);
    assert!(groups.iter().all(|group| *group == groups[0]));
    assert_eq!(captured.content(&tree_path(&root.join("large"))).unwrap(), fs::read(root.join("large")).unwrap());
    assert_eq!(captured.content(&tree_path(&root.join("sparse"))).unwrap(), fs::read(root.join("sparse")).unwrap());
    assert!(entry("sparse").holes.len() >= 2 && entry("only-a-hole").holes.len() == 1);
    assert!(captured.contents[&tree_path(&root.join("sparse"))].len() < 200_000);
}

#[tokio::test]
async fn a_group_of_links_is_called_the_same_in_every_capture() {
    let folder = Folder::new();
    let (first, second) = (folder.place(), folder.place());
    let groups = async |place: &Path| -> Vec<Option<u64>> {
        below(&capture_of(place).await, place).into_iter().map(|(_, entry)| entry.link_group).collect()
    };
    for place in [&first, &second] {
        fs::write(place.join("a"), b"x").unwrap();
        fs::hard_link(place.join("a"), place.join("b")).unwrap();
    }
    let before = groups(&first).await;
    assert!(before[0].is_some() && before[0] == before[1]);
    assert_ne!(before[0], groups(&second).await[0]);
    // The same tree on another disk has other inodes.
    fs::remove_file(first.join("b")).unwrap();
    fs::remove_file(first.join("a")).unwrap();
    fs::write(first.join("between"), b"x").unwrap();
    fs::write(first.join("a"), b"x").unwrap();
    fs::hard_link(first.join("a"), first.join("b")).unwrap();
    assert_eq!(groups(&first).await[..2], before[..2]);
}

#[tokio::test]
async fn the_observer_hears_what_was_found() {
    let folder = Folder::new();
    let place = folder.place();
    tree(&place, &["one", "two/three"]);
    let told = Arc::new(Told::default());
    Captured::take(&Files::new([&place]).unwrap(), here().await, told.clone()).await.unwrap();
    let events = told.events();
    assert!(matches!(events.last(), Some(Event::Found { files: 2, bytes: 12, done: true })), "{events:?}");
}
