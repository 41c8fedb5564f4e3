//! Trees of files with everything that a file system knows, and helpers to take and give back.

use backup_core::{Connection, Entry, Outcome, Result, Selection, Session, Silent, SourceDriver, TreePath};
use backup_drivers::{Files, FilesTarget, Local};
use backup_testkit::sources::Captured;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chownat, lsetxattr,
    makedev, mkdirat, mknodat, openat, utimensat,
};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// A folder for one test, with any number of places in it.
pub struct Folder {
    folder: TempDir,
    next: AtomicU64,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { folder: TempDir::new().expect("a temporary folder"), next: AtomicU64::new(0) }
    }

    /// In memory, where that can be had: for many files.
    pub fn in_memory() -> Folder {
        let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary folder");
        Folder { folder, next: AtomicU64::new(0) }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("the folder is there")
    }

    /// A new place in it.
    pub fn place(&self) -> PathBuf {
        let place = self.path().join(format!("place-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&place).expect("a new place");
        place
    }
}

pub fn tree_path(path: &Path) -> TreePath {
    TreePath::from_slashed(path.as_os_str().as_bytes()).expect("a path")
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn set_mtime(path: &Path, seconds: i64, nanoseconds: u32) {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("set a time");
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set permissions");
}

pub fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty()).expect("set an extended attribute");
}

pub fn set_owner(path: &Path, uid: u32, gid: u32) {
    chownat(CWD, path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW).expect("chown");
}

/// A POSIX access list in the kernel's form: owner, one more user, group, mask, others.
pub fn access_list(user: u32, more: u16) -> Vec<u8> {
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in
        [(1u16, 6u16, u32::MAX), (2, more, user), (4, 4, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)]
    {
        list.extend_from_slice(&tag.to_le_bytes());
        list.extend_from_slice(&permissions.to_le_bytes());
        list.extend_from_slice(&id.to_le_bytes());
    }
    list
}

/// Bytes that look different everywhere.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A file with data at some places and holes elsewhere.
pub fn sparse(path: &Path, size: u64, data: &[(u64, usize)]) {
    let file = fs::File::create(path).expect("a file");
    file.set_len(size).expect("a length");
    for (offset, length) in data {
        file.write_all_at(&pattern(*length), *offset).expect("data");
    }
}

/// A chain of directories whose path is longer than the system takes, with a file at its end.
pub fn deep(top: &Path, levels: usize, name_bytes: usize, content: &[u8]) -> TreePath {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut path = tree_path(top);
    let mut at = openat(CWD, top, flags, Mode::empty()).expect("a directory");
    for level in 0..levels {
        let name = format!("{level:0>name_bytes$}");
        mkdirat(&at, &name, Mode::from_raw_mode(0o755)).expect("a directory");
        at = openat(&at, &name, flags, Mode::empty()).expect("a directory");
        // What is longer than paths may be has none.
        path.push(name.as_bytes()).ok();
    }
    let file = openat(&at, "end", OFlags::WRONLY | OFlags::CREATE, Mode::from_raw_mode(0o640)).expect("a file");
    rustix::io::write(&file, content).expect("content");
    path.push(b"end").ok();
    path
}

/// One tree with one of everything.
pub fn everything(root: &Path) {
    let at = |name: &str| root.join(name);
    fs::create_dir_all(at("directories/empty")).unwrap();
    fs::create_dir_all(at("directories/a/b/c")).unwrap();
    fs::write(at("directories/a/b/c/leaf"), b"leaf").unwrap();
    fs::write(at("directories/a b"), b"sorts before a/").unwrap();
    fs::write(at("empty"), b"").unwrap();
    fs::write(at("small"), b"some content").unwrap();
    fs::write(at("large"), pattern(3_000_001)).unwrap();

    sparse(&at("sparse"), 3 << 20, &[(0, 4096), (1 << 20, 100_000), (2 << 20, 1)]);
    sparse(&at("only-a-hole"), 1 << 20, &[]);
    sparse(&at("hole-first"), (1 << 20) + 5, &[(1 << 20, 5)]);

    fs::create_dir(at("names")).unwrap();
    let long = vec![b'n'; 255];
    let names: [&[u8]; 8] =
        [b"\xff\xfe", b"new\nline", b"-rf", b" ", b"\x01\x02", b"...", "\u{e4}\u{308}".as_bytes(), &long];
    for name in names {
        fs::write(at("names").join(OsStr::from_bytes(name)), name).unwrap();
    }

    symlink("small", at("link")).unwrap();
    symlink("directories/a", at("link-to-directory")).unwrap();
    symlink(OsStr::from_bytes(b"/nowhere/\xff\n"), at("link-dangling")).unwrap();
    set_mtime(&at("link-dangling"), 1_000_000_000, 5);

    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o620), 0).unwrap();
    drop(UnixListener::bind(at("socket")).unwrap());

    fs::write(at("one-of-three"), b"linked").unwrap();
    fs::hard_link(at("one-of-three"), at("directories/two-of-three")).unwrap();
    fs::hard_link(at("one-of-three"), at("zz-three-of-three")).unwrap();

    for (name, mode) in [("setuid", 0o4755), ("setgid", 0o2750), ("nothing", 0o000), ("all", 0o777)] {
        fs::write(at(name), name).unwrap();
        set_mode(&at(name), mode);
    }
    for (name, mode) in [("directory-setgid", 0o2775), ("directory-sticky", 0o1777), ("directory-read-only", 0o555)] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("inside"), name).unwrap();
        set_mode(&at(name), mode);
    }

    fs::write(at("before-1970"), b"old").unwrap();
    set_mtime(&at("before-1970"), -86_401, 999_999_999);
    fs::write(at("far-future"), b"new").unwrap();
    set_mtime(&at("far-future"), 4_102_444_800, 1);

    fs::write(at("attributes"), b"attributes").unwrap();
    set_xattr(&at("attributes"), "user.empty", b"");
    set_xattr(&at("attributes"), "user.binary", b"\0\xff\n=\0");
    set_xattr(&at("attributes"), "user.long", &pattern(2000));
    set_xattr(&at("directories/empty"), "user.of-a-directory", b"x");
    fs::write(at("access-list"), b"access").unwrap();
    set_xattr(&at("access-list"), "system.posix_acl_access", &access_list(12345, 6));
    fs::create_dir(at("directory-access-list")).unwrap();
    set_xattr(&at("directory-access-list"), "system.posix_acl_default", &access_list(12345, 4));
    fs::write(at("directory-access-list/inherits"), b"has a list of its own").unwrap();

    deep(&at("directories"), 20, 250, b"at the end of a path of 5,000 bytes");
    if is_root() {
        of_root(root);
    } else {
        assert!(std::env::var_os("CI").is_none(), "these tests must run as root: devices and owners were left out");
    }
    set_mtime(&at("directories/a"), 1_234_567_890, 123_456_789);
    set_mtime(root, 1_234_567_890, 0);
}

/// What only root can make.
fn of_root(root: &Path) {
    let at = |name: &str| root.join(name);
    fs::write(at("of-another"), b"owned").unwrap();
    set_owner(&at("of-another"), 12345, 54321);
    fs::write(at("setuid-of-another"), b"owned").unwrap();
    set_owner(&at("setuid-of-another"), 12345, 54321);
    set_mode(&at("setuid-of-another"), 0o6711);
    symlink("of-another", at("link-of-another")).unwrap();
    set_owner(&at("link-of-another"), 12345, 54321);
    set_xattr(&at("link-of-another"), "trusted.of-a-link", b"x");
    // Version 2, effective, permitted: CAP_NET_RAW. Lost whenever a file changes hands.
    let capability = [1u8, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set_xattr(&at("of-another"), "security.capability", &capability);
    for (name, file_type, device) in [
        ("character-device", FileType::CharacterDevice, makedev(1, 3)),
        ("block-device", FileType::BlockDevice, makedev(259, 1_000_003)),
    ] {
        mknodat(CWD, at(name), file_type, Mode::from_raw_mode(0o640), device).unwrap();
        set_mode(&at(name), 0o641);
    }
}

pub async fn here() -> Arc<dyn Session> {
    Local::new().setup(None).await.expect("this host")
}

pub async fn capture(source: &Files) -> Captured {
    Captured::take(source, here().await, Arc::new(Silent)).await.expect("a capture")
}

pub async fn capture_of(root: &Path) -> Captured {
    capture(&Files::new([root]).unwrap()).await
}

/// Restores so that what lay in `root` lies in `target`.
pub fn target(root: &Path, target: &Path) -> FilesTarget {
    FilesTarget::new(target).with_strip_components(tree_path(root).depth())
}

pub async fn restore(captured: &Captured, target: FilesTarget) -> Outcome {
    try_restore(captured, target).await.expect("a restore")
}

pub async fn try_restore(captured: &Captured, target: FilesTarget) -> Result<Outcome> {
    let driver: Arc<dyn SourceDriver> = Arc::new(Files::into_target(target));
    captured.restore(&*driver, here().await, Arc::new(Silent)).await
}

pub async fn restore_some(captured: &Captured, target: FilesTarget, selection: &Selection) -> Outcome {
    let driver = Files::into_target(target);
    let nothing = BTreeSet::new();
    captured.restore_some(&driver, here().await, Arc::new(Silent), selection, &nothing).await.expect("a restore")
}

/// Names below a directory with their entries, seen from there.
pub fn below(captured: &Captured, top: &Path) -> Vec<(String, Entry)> {
    let top = tree_path(top);
    let inside = captured.entries.iter().filter(|entry| entry.path.starts_with(&top) && entry.path != top);
    inside
        .map(|entry| {
            let path = TreePath::from_components(entry.path.components().skip(top.depth())).unwrap();
            (path.to_string(), entry.clone())
        })
        .collect()
}

pub fn names(captured: &Captured, top: &Path) -> Vec<String> {
    below(captured, top).into_iter().map(|(name, _)| name).collect()
}

pub fn count(outcome: &Outcome, name: &str) -> u64 {
    outcome.counts.get(name).copied().unwrap_or(0)
}
