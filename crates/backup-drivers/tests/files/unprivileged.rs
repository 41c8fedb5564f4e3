//! What another user than root can do. Root runs these tests again as nobody.

use crate::fixture::{Folder, capture_of, count, is_root, names, restore, set_mode, target, tree_path};
use backup_core::EntryKind;
use backup_drivers::Overwrite;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

const NOBODY: u32 = 65534;

/// For root: runs the test of this name in a process of nobody, and says that all is done.
fn ran_as_nobody(test: &str) -> bool {
    if !is_root() {
        return false;
    }
    let folder = Folder::new();
    // Where this program is, nobody else may be allowed to go. Another process copies it: a copy that is open for
    // writing here would be inherited by what other tests start, and could not be run.
    let program = folder.path().join("tests");
    assert!(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap().success());
    let home = folder.place();
    std::os::unix::fs::chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    for path in [folder.path(), program.clone()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(program);
    command.args(["--exact", &format!("unprivileged::{test}")]).env("TMPDIR", &home).current_dir(&home);
    let output = command.uid(NOBODY).gid(NOBODY).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    true
}

#[tokio::test]
async fn what_cannot_be_read_is_reported_and_the_rest_is_captured() {
    if ran_as_nobody("what_cannot_be_read_is_reported_and_the_rest_is_captured") {
        return;
    }
    let folder = Folder::new();
    let place = folder.place();
    fs::write(place.join("readable"), b"x").unwrap();
    fs::write(place.join("secret"), b"x").unwrap();
    fs::create_dir_all(place.join("closed/inside")).unwrap();
    fs::create_dir_all(place.join("listed-only")).unwrap();
    fs::write(place.join("listed-only/file"), b"x").unwrap();
    set_mode(&place.join("secret"), 0o000);
    set_mode(&place.join("closed"), 0o000);
    set_mode(&place.join("listed-only"), 0o400);

    let captured = capture_of(&place).await;
    set_mode(&place.join("closed"), 0o700);
    set_mode(&place.join("listed-only"), 0o700);
    assert_eq!(names(&captured, &place), ["/closed", "/listed-only", "/readable"]);
    assert_eq!(captured.entry(&tree_path(&place.join("closed"))).unwrap().kind, EntryKind::Directory);
    let reason = &captured.unreadable[&tree_path(&place.join("secret"))];
    assert!(reason.contains("ermission denied"), "{reason}");
    let failed: Vec<_> = captured.outcome.failures.iter().map(|failure| failure.path.clone()).collect();
    assert!(failed.contains(&tree_path(&place.join("closed"))), "{failed:?}");
    assert!(failed.contains(&tree_path(&place.join("listed-only/file"))), "{failed:?}");
    assert_eq!(captured.outcome.failed(), 2);
}

#[tokio::test]
async fn a_root_below_directories_that_cannot_be_listed() {
    if ran_as_nobody("a_root_below_directories_that_cannot_be_listed") {
        return;
    }
    let folder = Folder::new();
    let place = folder.place();
    fs::create_dir_all(place.join("pass/root")).unwrap();
    fs::write(place.join("pass/root/file"), b"x").unwrap();
    set_mode(&place.join("pass"), 0o100);
    let captured = capture_of(&place.join("pass/root")).await;
    set_mode(&place.join("pass"), 0o700);
    assert_eq!(names(&captured, &place), ["/pass", "/pass/root", "/pass/root/file"]);
    assert_eq!((captured.outcome.failed(), captured.unreadable.len()), (0, 0), "{captured:?}");
}

#[tokio::test]
async fn files_of_others_become_ones_own_without_their_rights() {
    if ran_as_nobody("files_of_others_become_ones_own_without_their_rights") {
        return;
    }
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    fs::write(source.join("file"), b"x").unwrap();
    fs::create_dir(source.join("directory")).unwrap();
    let mut captured = capture_of(&source).await;
    for entry in &mut captured.entries {
        entry.metadata.uid = Some(0);
        entry.metadata.gid = Some(0);
        if entry.kind == EntryKind::File {
            entry.metadata.mode = Some(0o6755);
        }
    }
    let outcome = restore(&captured, target(&source, &place)).await;
    assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures);
    let file = fs::metadata(place.join("file")).unwrap();
    assert_eq!((file.uid(), file.mode() & 0o7777), (rustix::process::geteuid().as_raw(), 0o755));
    // As often as one likes.
    let again = restore(&captured, target(&source, &place)).await;
    assert_eq!((again.failed(), count(&again, "restored")), (0, 0));
}

#[tokio::test]
async fn directories_that_nobody_may_write_to_are_restored_and_restored_into() {
    if ran_as_nobody("directories_that_nobody_may_write_to_are_restored_and_restored_into") {
        return;
    }
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    fs::create_dir_all(source.join("a/b")).unwrap();
    fs::write(source.join("a/b/file"), b"stored").unwrap();
    set_mode(&source.join("a/b"), 0o555);
    set_mode(&source.join("a"), 0o500);
    let captured = capture_of(&source).await;
    for overwrite in [Overwrite::IfChanged, Overwrite::IfChanged, Overwrite::Never, Overwrite::Always] {
        let outcome = restore(&captured, target(&source, &place).with_overwrite(overwrite)).await;
        assert_eq!(outcome.failed(), 0, "{overwrite:?}: {:?}", outcome.failures);
        assert_eq!(fs::read(place.join("a/b/file")).unwrap(), b"stored");
        for (name, mode) in [("a", 0o500), ("a/b", 0o555)] {
            assert_eq!(fs::metadata(place.join(name)).unwrap().mode() & 0o7777, mode, "{overwrite:?} {name}");
        }
    }
    for root in [source, place] {
        set_mode(&root.join("a"), 0o700);
        set_mode(&root.join("a/b"), 0o700);
    }
}

#[tokio::test]
async fn devices_are_reported() {
    if ran_as_nobody("devices_are_reported") {
        return;
    }
    let folder = Folder::new();
    let (source, place) = (folder.place(), folder.place());
    fs::write(source.join("device"), b"").unwrap();
    fs::write(source.join("file"), b"x").unwrap();
    let mut captured = capture_of(&source).await;
    let device = tree_path(&source.join("device"));
    let entry = captured.entries.iter_mut().find(|entry| entry.path == device).unwrap();
    entry.kind = EntryKind::CharDevice { major: 1, minor: 3 };
    let outcome = restore(&captured, target(&source, &place)).await;
    assert_eq!(outcome.failed(), 1);
    assert!(outcome.failures[0].reason.contains("not permitted"), "{:?}", outcome.failures);
    assert_eq!(names(&capture_of(&place).await, &place), ["/file"]);
}
