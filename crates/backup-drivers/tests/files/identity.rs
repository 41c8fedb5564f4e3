//! Whatever tree is captured, a restore of it is the same tree.

use crate::fixture::{Folder, access_list, capture_of, set_mode, set_mtime, set_xattr, target};
use backup_core::{Entry, EntryKind, TreePath};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

/// One thing in a directory.
#[derive(Clone, Debug)]
enum Node {
    File {
        pieces: Vec<(u32, u16)>,
        size: u32,
    },
    Directory(BTreeMap<Vec<u8>, (Node, Look)>),
    Link(Vec<u8>),
    Fifo,
    /// One more name of some file before it.
    HardLink(prop::sample::Index),
}

/// What it looks like from outside.
#[derive(Clone, Debug)]
struct Look {
    mode: u32,
    seconds: i64,
    nanoseconds: u32,
    xattrs: BTreeMap<u8, Vec<u8>>,
    list: bool,
}

fn look() -> impl Strategy<Value = Look> {
    let xattrs = prop::collection::btree_map(any::<u8>(), prop::collection::vec(any::<u8>(), 0..20), 0..3);
    (0..0o10000u32, -10_000_000_000..10_000_000_000i64, 0..1_000_000_000u32, xattrs, any::<bool>())
        .prop_map(|(mode, seconds, nanoseconds, xattrs, list)| Look { mode, seconds, nanoseconds, xattrs, list })
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    // Few different bytes, so that names are prefixes of each other, and the two that are escaped in paths.
    let byte = prop_oneof![Just(1u8), Just(2), Just(b' '), Just(b'.'), Just(b'a'), Just(b'\n'), Just(0xff)];
    prop::collection::vec(byte, 1..4).prop_filter("a name", |name| name != b"." && name != b"..")
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        4 => (prop::collection::vec((0..300_000u32, 1..5000u16), 0..4), 0..400_000u32)
            .prop_map(|(pieces, size)| Node::File { pieces, size }),
        1 => prop::collection::vec(1..=255u8, 1..50).prop_map(Node::Link),
        1 => Just(Node::Fifo),
        1 => any::<prop::sample::Index>().prop_map(Node::HardLink),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| directory(inner).prop_map(Node::Directory))
}

fn directory(inner: impl Strategy<Value = Node>) -> impl Strategy<Value = BTreeMap<Vec<u8>, (Node, Look)>> {
    prop::collection::btree_map(name(), (inner, look()), 0..6)
}

fn build(place: &Path, nodes: &BTreeMap<Vec<u8>, (Node, Look)>, files: &mut Vec<PathBuf>) {
    for (name, (node, look)) in nodes {
        let path = place.join(OsStr::from_bytes(name));
        match node {
            Node::File { pieces, size } => {
                let file = fs::File::create(&path).unwrap();
                file.set_len(u64::from(*size)).unwrap();
                for (offset, length) in pieces {
                    file.write_all_at(&vec![1 + *length as u8 % 250; usize::from(*length)], u64::from(*offset))
                        .unwrap();
                }
                files.push(path.clone());
            }
            Node::Directory(nodes) => {
                fs::create_dir(&path).unwrap();
                build(&path, nodes, files);
            }
            Node::Link(target) => symlink(OsStr::from_bytes(target), &path).unwrap(),
            Node::Fifo => {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            }
            Node::HardLink(_) if files.is_empty() => {}
            Node::HardLink(index) => fs::hard_link(index.get(files), &path).unwrap(),
        }
        if fs::symlink_metadata(&path).is_ok() && !matches!(node, Node::HardLink(_)) {
            dress(&path, node, look);
        }
    }
}

fn dress(path: &Path, node: &Node, look: &Look) {
    if matches!(node, Node::File { .. } | Node::Directory(_)) {
        for (name, value) in &look.xattrs {
            set_xattr(path, &format!("user.{name}"), value);
        }
        if look.list {
            set_xattr(path, "system.posix_acl_access", &access_list(1234, 5));
        }
    }
    if !matches!(node, Node::Link(_)) {
        set_mode(path, look.mode);
    }
    set_mtime(path, look.seconds, look.nanoseconds);
}

/// All that must come back, groups of links by the number of their first name.
async fn seen(place: &Path) -> Vec<(TreePath, Entry, Option<Vec<u8>>)> {
    let captured = capture_of(place).await;
    assert_eq!((captured.outcome.failed(), captured.unreadable.len()), (0, 0), "{captured:?}");
    let depth = crate::fixture::tree_path(place).depth();
    let mut groups = BTreeMap::new();
    let below = captured.entries.iter().filter(|entry| entry.path.depth() > depth);
    below
        .map(|entry| {
            let mut entry = entry.clone();
            let content = captured.content(&entry.path);
            entry.path = TreePath::from_components(entry.path.components().skip(depth)).unwrap();
            entry.fingerprint = None;
            let next = groups.len() as u64;
            entry.link_group = entry.link_group.map(|group| *groups.entry(group).or_insert(next));
            if entry.kind == EntryKind::Directory {
                assert_eq!(entry.link_group, None);
            }
            (entry.path.clone(), entry, content)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn restore_after_capture_is_the_identity(tree in directory(node())) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = Folder::new();
            let (source, place) = (folder.place(), folder.place());
            build(&source, &tree, &mut Vec::new());
            let captured = capture_of(&source).await;
            let outcome = crate::fixture::restore(&captured, target(&source, &place)).await;
            prop_assert_eq!(outcome.failed(), 0, "{:?}", outcome.failures);
            prop_assert_eq!(seen(&source).await, seen(&place).await);
            // And once more over itself, with nothing to do.
            let again = crate::fixture::restore(&captured, target(&source, &place)).await;
            prop_assert_eq!((again.failed(), crate::fixture::count(&again, "restored")), (0, 0), "{:?}", again);
            prop_assert_eq!(seen(&source).await, seen(&place).await);
            Ok(())
        })?;
    }
}
