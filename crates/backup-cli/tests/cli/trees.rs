//! Trees of files, made and compared.

use rustix::fs::{CWD, FileType, Mode, mkfifoat};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Fills a folder with what a home has, and what only odd ones have.
pub(crate) fn plant(folder: &Path) {
    let at = |name: &str| folder.join(name);
    fs::create_dir_all(at("photos/2026/summer")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("photos/2026/summer/sea.jpg"), pseudo_random(3 << 20)).unwrap();
    fs::write(at("photos/2026/index.html"), "<a href=summer/sea.jpg>sea</a>\n".repeat(50)).unwrap();
    fs::write(at("nothing"), "").unwrap();
    fs::write(at("script"), "#!/bin/sh\necho hello\n").unwrap();
    fs::set_permissions(at("script"), Permissions::from_mode(0o4751)).unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"not \xff text\n")), "odd name").unwrap();
    symlink("photos/2026", at("link")).unwrap();
    symlink("/nowhere/at all", at("dangling")).unwrap();
    fs::hard_link(at("script"), at("photos/same script")).unwrap();
    mkfifoat(CWD, at("pipe"), Mode::from_raw_mode(0o640)).unwrap();
    let old = SystemTime::UNIX_EPOCH - Duration::new(86_400, 500);
    File::open(at("nothing")).unwrap().set_modified(old).unwrap();
    let sparse = File::create(at("sparse")).unwrap();
    sparse.set_len(10 << 20).unwrap();
}

fn pseudo_random(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// What a file is, as far as a restore must give it back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    kind: FileType,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    names: u64,
    content: Vec<u8>,
}

/// Everything below a folder, by path.
pub(crate) fn read(folder: &Path) -> BTreeMap<PathBuf, Node> {
    let mut nodes = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = match metadata.file_type() {
                kind if kind.is_dir() => {
                    folders.push(path.clone());
                    Vec::new()
                }
                kind if kind.is_file() => fs::read(&path).unwrap(),
                kind if kind.is_symlink() => fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec(),
                _ => Vec::new(),
            };
            let names = if metadata.is_dir() { 0 } else { metadata.nlink() };
            let node = Node {
                kind: FileType::from_raw_mode(metadata.mode()),
                mode: metadata.mode() & 0o7777,
                owner: (metadata.uid(), metadata.gid()),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                names,
                content,
            };
            nodes.insert(path.strip_prefix(folder).unwrap().to_owned(), node);
        }
    }
    nodes
}

/// Compares two folders; the paths that differ are named.
pub(crate) fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (read(a), read(b));
    assert!(!a.is_empty());
    let names = |nodes: &BTreeMap<PathBuf, Node>| nodes.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (path, node) in &a {
        let other = &b[path];
        assert!(node == other, "{} differs", path.display());
    }
}
