//! What a restore does with what is there already.

use crate::fixture::{
    Folder, access_list, capture_of, count, here, is_root, names, pattern, restore, set_mode, set_mtime, set_owner,
    set_xattr, sparse, target, tree_path, try_restore,
};
use backup_core::{ErrorKind, Event, Hole};
use backup_drivers::{Files, FilesTarget, Overwrite, Ownership};
use backup_testkit::Told;
use backup_testkit::sources::Captured;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A source with three files, and a place where other versions of them are.
struct Versions {
    _folder: Folder,
    source: PathBuf,
    place: PathBuf,
    captured: Captured,
}

impl Versions {
    async fn new() -> Versions {
        let folder = Folder::new();
        let (source, place) = (folder.place(), folder.place());
        for name in ["same", "newer-here", "older-here", "missing-here"] {
            fs::write(source.join(name), b"stored").unwrap();
            set_mtime(&source.join(name), 1_500_000_000, 5);
        }
        let here = [("same", "STORED", 0), ("newer-here", "here now", 100), ("older-here", "here", -100)];
        for (name, content, later) in here {
            fs::write(place.join(name), content).unwrap();
            set_mtime(&place.join(name), 1_500_000_000 + later, 5);
        }
        set_mode(&place.join("same"), 0o600);
        set_xattr(&place.join("same"), "user.not-stored", b"x");
        let captured = capture_of(&source).await;
        Versions { _folder: folder, source, place, captured }
    }

    async fn restore(&self, overwrite: Overwrite) -> [String; 4] {
        let outcome = restore(&self.captured, target(&self.source, &self.place).with_overwrite(overwrite)).await;
        assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures);
        let names = ["same", "newer-here", "older-here", "missing-here"];
        names.map(|name| fs::read_to_string(self.place.join(name)).unwrap())
    }
}

#[tokio::test]
async fn never_leaves_what_is_there() {
    let versions = Versions::new().await;
    set_mode(&versions.place, 0o750);
    assert_eq!(versions.restore(Overwrite::Never).await, ["STORED", "here now", "here", "stored"]);
    assert_eq!(fs::metadata(&versions.place).unwrap().mode() & 0o7777, 0o750);
    assert_eq!(fs::metadata(versions.place.join("same")).unwrap().mode() & 0o7777, 0o600);
}

#[tokio::test]
async fn if_newer_replaces_what_is_older() {
    let versions = Versions::new().await;
    assert_eq!(versions.restore(Overwrite::IfNewer).await, ["STORED", "here now", "stored", "stored"]);
}

#[tokio::test]
async fn if_changed_replaces_what_differs_in_size_or_time_and_sets_metadata_of_the_rest() {
    let versions = Versions::new().await;
    let inode = fs::metadata(versions.place.join("same")).unwrap().ino();
    assert_eq!(versions.restore(Overwrite::IfChanged).await, ["STORED", "stored", "stored", "stored"]);
    let same = fs::metadata(versions.place.join("same")).unwrap();
    assert_eq!((same.ino(), same.mode() & 0o7777), (inode, 0o644));
    let again = capture_of(&versions.place).await;
    assert!(again.entry(&tree_path(&versions.place.join("same"))).unwrap().metadata.xattrs.is_empty());
    assert_eq!(names(&again, &versions.place), ["/missing-here", "/newer-here", "/older-here", "/same"]);
}

#[tokio::test]
async fn always_replaces_everything() {
    let versions = Versions::new().await;
    assert_eq!(versions.restore(Overwrite::Always).await, ["stored", "stored", "stored", "stored"]);
}

#[tokio::test]
async fn a_second_restore_writes_nothing() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    crate::fixture::everything(&source);
    let captured = capture_of(&source).await;
    let first = restore(&captured, target(&source, &place)).await;
    assert_eq!((first.failed(), count(&first, "unchanged")), (0, 1), "only the target was there: {first:?}");
    let inodes = |place: &Path| -> Vec<u64> {
        let mut inodes: Vec<u64> =
            fs::read_dir(place).unwrap().map(|entry| entry.unwrap().metadata().unwrap().ino()).collect();
        inodes.sort_unstable();
        inodes
    };
    let before = inodes(&place);
    let second = restore(&captured, target(&source, &place)).await;
    assert_eq!((second.failed(), count(&second, "restored")), (0, 0), "{:?}", second.failures);
    assert_eq!(count(&second, "unchanged"), count(&first, "restored") + 1);
    assert_eq!(inodes(&place), before);
}

#[tokio::test]
async fn things_of_another_kind_give_way_when_they_may() {
    let folder = Folder::new();
    let source = folder.place();
    fs::write(source.join("file-on-link"), b"f").unwrap();
    fs::write(source.join("file-on-empty-directory"), b"f").unwrap();
    fs::write(source.join("file-on-full-directory"), b"f").unwrap();
    fs::create_dir(source.join("directory-on-file")).unwrap();
    fs::write(source.join("directory-on-file/inside"), b"i").unwrap();
    symlink("new", source.join("link-on-link")).unwrap();
    symlink("new", source.join("link-on-file")).unwrap();
    let captured = capture_of(&source).await;
    let occupy = |place: &Path| {
        symlink("/etc/passwd", place.join("file-on-link")).unwrap();
        fs::create_dir(place.join("file-on-empty-directory")).unwrap();
        fs::create_dir_all(place.join("file-on-full-directory/precious")).unwrap();
        fs::write(place.join("directory-on-file"), b"old").unwrap();
        symlink("old", place.join("link-on-link")).unwrap();
        fs::write(place.join("link-on-file"), b"old").unwrap();
    };

    for overwrite in [Overwrite::IfChanged, Overwrite::Always] {
        let place = folder.place();
        occupy(&place);
        let outcome = restore(&captured, target(&source, &place).with_overwrite(overwrite)).await;
        assert_eq!(fs::read(place.join("file-on-link")).unwrap(), b"f");
        assert!(fs::symlink_metadata(place.join("file-on-link")).unwrap().is_file());
        assert_eq!(fs::read(place.join("file-on-empty-directory")).unwrap(), b"f");
        assert_eq!(fs::read(place.join("directory-on-file/inside")).unwrap(), b"i");
        assert_eq!(fs::read_link(place.join("link-on-link")).unwrap(), Path::new("new"));
        assert_eq!(fs::read_link(place.join("link-on-file")).unwrap(), Path::new("new"));
        // What is in a directory is not thrown away for a file.
        assert!(place.join("file-on-full-directory/precious").is_dir());
        assert_eq!(outcome.failed(), 1);
        assert_eq!(outcome.failures[0].path, tree_path(&source.join("file-on-full-directory")));
    }
    let place = folder.place();
    occupy(&place);
    let outcome = restore(&captured, target(&source, &place).with_overwrite(Overwrite::Never)).await;
    assert_eq!(fs::read(place.join("directory-on-file")).unwrap(), b"old");
    assert_eq!(fs::read(place.join("link-on-file")).unwrap(), b"old");
    // The directory cannot be made, so neither can what is in it.
    let failed: Vec<_> = outcome.failures.iter().map(|failure| failure.path.clone()).collect();
    let directory = source.join("directory-on-file");
    assert_eq!(failed, [tree_path(&directory), tree_path(&directory.join("inside"))]);
    assert!(fs::read("/etc/passwd").unwrap().len() > 10);
}

#[tokio::test]
async fn hard_links_are_made_within_a_batch_and_across_many() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    fs::write(source.join("a"), b"linked").unwrap();
    fs::hard_link(source.join("a"), source.join("b")).unwrap();
    fs::create_dir(source.join("many")).unwrap();
    for n in 0..5000 {
        fs::File::create(source.join(format!("many/{n}"))).unwrap();
    }
    fs::create_dir(source.join("z")).unwrap();
    fs::hard_link(source.join("a"), source.join("z/c")).unwrap();
    let captured = capture_of(&source).await;
    let inode = |name: &str| fs::metadata(place.join(name)).unwrap().ino();

    let outcome = restore(&captured, target(&source, &place)).await;
    assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures);
    assert!(inode("a") == inode("b") && inode("a") == inode("z/c"));
    assert_eq!(fs::metadata(place.join("a")).unwrap().nlink(), 3);

    // A name that has become a file of its own is joined again; the others stay.
    let before = inode("a");
    fs::remove_file(place.join("z/c")).unwrap();
    fs::copy(place.join("a"), place.join("z/c")).unwrap();
    let entry = captured.entry(&tree_path(&source.join("a"))).unwrap();
    set_mtime(&place.join("z/c"), entry.metadata.mtime.unwrap().seconds, entry.metadata.mtime.unwrap().nanoseconds);
    let outcome = restore(&captured, target(&source, &place)).await;
    assert_eq!((outcome.failed(), count(&outcome, "restored")), (0, 1));
    assert!(inode("a") == before && inode("z/c") == before && inode("b") == before);

    // A change through any name is a change of all.
    fs::write(place.join("b"), b"changed here").unwrap();
    let outcome = restore(&captured, target(&source, &place)).await;
    assert_eq!(outcome.failed(), 0);
    assert!(inode("a") == inode("b") && inode("a") == inode("z/c"));
    assert_eq!(fs::read(place.join("z/c")).unwrap(), b"linked");
    let again = capture_of(&place).await;
    assert_eq!(names(&again, &place).len(), names(&captured, &source).len());
}

#[tokio::test]
async fn links_and_pipes_with_several_names_keep_them() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    symlink("nowhere", source.join("link-1")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, source.join("pipe-1"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for name in ["link", "pipe"] {
        fs::hard_link(source.join(format!("{name}-1")), source.join(format!("{name}-2"))).unwrap();
    }
    let captured = capture_of(&source).await;
    for _ in 0..2 {
        let outcome = restore(&captured, target(&source, &place)).await;
        assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures);
        for name in ["link", "pipe"] {
            let inode = |n| fs::symlink_metadata(place.join(format!("{name}-{n}"))).unwrap().ino();
            assert_eq!(inode(1), inode(2), "{name}");
        }
    }
}

#[tokio::test]
async fn names_of_a_file_whose_first_name_is_damaged_get_the_content() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    for name in ["b", "c", "d"] {
        if name == "b" {
            fs::write(source.join(name), b"linked").unwrap();
        } else {
            fs::hard_link(source.join("b"), source.join(name)).unwrap();
        }
    }
    let captured = capture_of(&source).await;
    let damaged = [tree_path(&source.join("b"))].into();
    let driver = Files::into_target(target(&source, &place));
    let outcome = captured
        .restore_some(&driver, here().await, Arc::new(Told::default()), &Default::default(), &damaged)
        .await
        .unwrap();
    assert_eq!(outcome.failed(), 1);
    assert!(!place.join("b").exists());
    let (c, d) = (fs::metadata(place.join("c")).unwrap(), fs::metadata(place.join("d")).unwrap());
    assert_eq!((c.ino(), c.nlink()), (d.ino(), 2));
    assert_eq!(fs::read(place.join("d")).unwrap(), b"linked");
}

#[tokio::test]
async fn holes_come_back_as_holes() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    sparse(&source.join("file"), 40 << 20, &[(0, 10), (30 << 20, 10)]);
    sparse(&source.join("hole"), 40 << 20, &[]);
    let captured = capture_of(&source).await;
    let outcome = restore(&captured, target(&source, &place)).await;
    assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures);
    for name in ["file", "hole"] {
        let (was, is) = (fs::metadata(source.join(name)).unwrap(), fs::metadata(place.join(name)).unwrap());
        assert_eq!(is.len(), was.len());
        assert!(is.blocks() <= was.blocks(), "{name} takes {} blocks", is.blocks());
        assert!(fs::read(source.join(name)).unwrap() == fs::read(place.join(name)).unwrap());
    }
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_done_and_does_nothing() {
    let versions = Versions::new().await;
    let target = target(&versions.source, &versions.place);
    let before = capture_of(&versions.place).await;
    let outcome = restore(&versions.captured, target.clone().with_dry_run()).await;
    let after = capture_of(&versions.place).await;
    assert_eq!(before.entries, after.entries);
    let real = restore(&versions.captured, target).await;
    assert_eq!(outcome, real);
    assert_eq!((count(&real, "restored"), count(&real, "unchanged")), (3, 2));

    let missing = versions.place.join("not/there");
    let target = crate::fixture::target(&versions.source, &missing);
    let outcome = restore(&versions.captured, target.clone().with_dry_run()).await;
    assert!(!missing.exists());
    assert_eq!(count(&outcome, "restored"), 4);
    let real = restore(&versions.captured, target).await;
    assert_eq!(count(&real, "restored"), 5, "the target itself is one more");
}

#[tokio::test]
async fn leading_components_are_stripped() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    fs::create_dir_all(source.join("a/b")).unwrap();
    fs::write(source.join("a/b/file"), b"x").unwrap();
    let captured = capture_of(&source).await;
    let depth = tree_path(&source).depth();
    restore(&captured, FilesTarget::new(place.join("0"))).await;
    assert!(place.join("0").join(source.strip_prefix("/").unwrap()).join("a/b/file").exists());
    restore(&captured, FilesTarget::new(place.join("2")).with_strip_components(depth + 2)).await;
    assert_eq!(fs::read(place.join("2/file")).unwrap(), b"x");
    let outcome = restore(&captured, FilesTarget::new(place.join("3")).with_strip_components(depth + 3)).await;
    assert_eq!(outcome.failed(), 1, "nothing is left of the file's path: {:?}", outcome.failures);
    let outcome = restore(&captured, FilesTarget::new(place.join("9")).with_strip_components(depth + 9)).await;
    assert_eq!((outcome.failed(), count(&outcome, "restored")), (1, 0), "as little");
}

#[tokio::test]
async fn a_default_access_list_of_the_target_does_not_leak_into_it() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    fs::create_dir(source.join("directory")).unwrap();
    fs::write(source.join("directory/file"), b"x").unwrap();
    fs::write(source.join("file"), b"x").unwrap();
    set_xattr(&place, "system.posix_acl_default", &access_list(12345, 7));
    set_mode(&source.join("file"), 0o666);
    let captured = capture_of(&source).await;
    let outcome = restore(&captured, target(&source, &place)).await;
    assert_eq!(outcome.failed(), 0);
    let again = capture_of(&place).await;
    for name in ["directory", "directory/file", "file"] {
        let (was, is) = (captured.entry(&tree_path(&source.join(name))), again.entry(&tree_path(&place.join(name))));
        assert_eq!(was.unwrap().metadata, is.unwrap().metadata, "{name}");
    }
}

#[tokio::test]
async fn owners_come_by_number_by_name_or_not_at_all() {
    assert!(is_root(), "only root can give files away");
    let folder = Folder::new();
    let source = folder.place();
    fs::write(source.join("file"), b"x").unwrap();
    set_owner(&source.join("file"), 12345, 54321);
    set_mode(&source.join("file"), 0o6755);
    let mut captured = capture_of(&source).await;
    let file = captured.entries.last_mut().unwrap();
    file.metadata.user = Some(b"daemon".to_vec());
    file.metadata.group = Some(b"no such group".to_vec());
    for (ownership, uid, gid, mode) in [
        (Ownership::Numbers, 12345, 54321, 0o6755),
        (Ownership::Names, daemon(), 54321, 0o6755),
        // Setuid for another would become setuid for root.
        (Ownership::Restorer, 0, 0, 0o755),
    ] {
        let place = folder.place();
        let outcome = restore(&captured, target(&source, &place).with_ownership(ownership)).await;
        assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures);
        let is = fs::metadata(place.join("file")).unwrap();
        assert_eq!((is.uid(), is.gid(), is.mode() & 0o7777), (uid, gid, mode), "{ownership:?}");
    }
}

fn daemon() -> u32 {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("daemon:")).expect("a user called daemon");
    line.split(':').nth(2).unwrap().parse().unwrap()
}

#[tokio::test]
async fn directories_get_their_time_after_what_is_in_them() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    fs::create_dir_all(source.join("a/b/c")).unwrap();
    fs::write(source.join("a/b/c/file"), pattern(100)).unwrap();
    for name in ["a/b/c", "a/b", "a"] {
        set_mtime(&source.join(name), 1_000_000_000, 1);
        set_mode(&source.join(name), 0o500);
    }
    let captured = capture_of(&source).await;
    restore(&captured, target(&source, &place)).await;
    for name in ["a", "a/b", "a/b/c"] {
        let is = fs::metadata(place.join(name)).unwrap();
        assert_eq!((is.mtime(), is.mtime_nsec(), is.mode() & 0o7777), (1_000_000_000, 1, 0o500), "{name}");
    }
}

#[tokio::test]
async fn sockets_are_left_out_and_said_so() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    drop(std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap());
    let captured = capture_of(&source).await;
    let told = Arc::new(Told::default());
    let driver = Files::into_target(target(&source, &place));
    let outcome = captured.restore(&driver, here().await, told.clone()).await.unwrap();
    assert_eq!((outcome.failed(), count(&outcome, "sockets_skipped")), (0, 1));
    assert!(!place.join("socket").exists());
    assert!(told.events().iter().any(|event| matches!(event, Event::Warning(_))));
    assert!(fs::symlink_metadata(source.join("socket")).unwrap().file_type().is_socket());
}

#[tokio::test]
async fn the_observer_hears_of_all_that_was_written() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    for n in 0..1500 {
        fs::write(source.join(n.to_string()), pattern(10)).unwrap();
    }
    fs::write(source.join("large"), pattern(20 << 20)).unwrap();
    let captured = capture_of(&source).await;
    let told = Arc::new(Told::default());
    captured.restore(&Files::into_target(target(&source, &place)), here().await, told.clone()).await.unwrap();
    let events = told.events();
    let progress = events.iter().filter_map(|event| match event {
        Event::Progress { files, bytes } => Some((*files, *bytes)),
        _ => None,
    });
    let sum = progress.clone().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(sum, (1501, 15_000 + (20 << 20)));
    assert!((3..100).contains(&progress.count()), "told now and then, not for each file");
}

#[tokio::test]
async fn the_target_must_be_a_directory() {
    let versions = Versions::new().await;
    let file = versions.place.join("same");
    assert!(try_restore(&versions.captured, FilesTarget::new(&file)).await.is_err());
    let none = Files::new([&versions.source]).unwrap();
    let refused = versions.captured.restore(&none, here().await, Arc::new(Told::default())).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    // A link to the target is the user's.
    let link = versions.place.join("link");
    symlink(versions.place.join("elsewhere"), &link).unwrap();
    fs::create_dir(versions.place.join("elsewhere")).unwrap();
    restore(&versions.captured, target(&versions.source, &link)).await;
    assert!(versions.place.join("elsewhere/same").is_file());
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_reported_and_leaves_no_part() {
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    for name in ["a-fits", "b-does-not", "c-fits"] {
        fs::write(source.join(name), pattern(40_000)).unwrap();
    }
    let mut captured = capture_of(&source).await;
    let path = tree_path(&source.join("b-does-not"));
    let entry = captured.entries.iter_mut().find(|entry| entry.path == path).unwrap();
    // The last 5 bytes come where no file system has any.
    entry.holes = vec![Hole { offset: 35_000, length: i64::MAX as u64 - 35_002 }];
    entry.size_bytes = Some(i64::MAX as u64 + 4_998);
    let outcome = restore(&captured, target(&source, &place)).await;
    assert_eq!(outcome.failed(), 1, "{:?}", outcome.failures);
    assert_eq!(outcome.failures[0].path, path);
    assert!(outcome.failures[0].reason.contains("cannot write it"), "{:?}", outcome.failures);
    let again = capture_of(&place).await;
    assert_eq!(names(&again, &place), ["/a-fits", "/c-fits"]);
}
