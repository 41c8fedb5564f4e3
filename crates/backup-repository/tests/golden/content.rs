//! What is in the repositories: the same for ever.

use backup_core::{EntryKind, Hole, Metadata, Timestamp, TreePath};
use backup_testkit::memory::{Node, Tree, directory, file, path};

pub const NAMES: [&str; 5] = ["files", "files, later", "web-1", "lab", "huge"];

/// The tree that was pushed under a name.
pub fn tree(name: &str) -> Tree {
    match name {
        "files" => files(),
        "files, later" => later(),
        "web-1" => own("web"),
        "lab" => own("lab"),
        "huge" => huge(),
        other => panic!("nothing was pushed as {other}"),
    }
}

/// What the same seed always gives.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Compresses to nearly nothing, and is not the same twice.
fn blocks(seed: u64, count: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(count << 16);
    noise(seed, count).into_iter().for_each(|byte| content.resize(content.len() + (64 << 10), byte));
    content
}

fn stamped(mut node: Node, mode: u32, (seconds, nanoseconds): (i64, u32)) -> Node {
    node.metadata.mode = Some(mode);
    (node.metadata.uid, node.metadata.gid) = (Some(1000), Some(1001));
    (node.metadata.user, node.metadata.group) = (Some(b"ann".to_vec()), Some(b"st\xe4ff".to_vec()));
    node.metadata.mtime = Some(Timestamp { seconds, nanoseconds });
    node
}

fn of_kind(kind: EntryKind) -> Node {
    stamped(Node { kind, ..file("", 1) }, 0o600, (1_700_000_000, 5))
}

/// Every kind of entry, and whatever a file system may hold.
fn files() -> Tree {
    let mut tree = Tree::new();
    let mut put = |at: &str, node: Node| assert!(tree.insert(path(at), node).is_none());
    let when = (1_700_000_000, 123_456_789);
    put("home", stamped(directory(), 0o755, when));
    put("home/ann", stamped(directory(), 0o2750, (-14_182_940, 999_999_999)));
    put("home/ann/empty", stamped(file("", 2), 0o644, (0, 0)));
    put("home/ann/run", stamped(file("#!/bin/sh\n", 3), 0o6755, (-1, 1)));
    put("home/ann/far", stamped(file("in the year 20000", 4), 0o444, (568_971_820_800, 0)));
    put("home/ann/one byte less", stamped(file(noise(1, 255), 5), 0, when));
    put("home/ann/noise", stamped(file(noise(2, 100_000), 6), 0o640, when));
    put("home/ann/large", stamped(file(blocks(3, 200), 7), 0o640, when));
    put("home/ann/new\nline", stamped(file("a name of two lines", 8), 0o640, when));
    put("home/ann/link", of_kind(EntryKind::Symlink { target: b"../nowhere/\xff".to_vec() }));
    put("home/ann/pipe", of_kind(EntryKind::Fifo));
    put("home/ann/socket", of_kind(EntryKind::Socket));
    put("home/ann/null", of_kind(EntryKind::CharDevice { major: 1, minor: 3 }));
    put("home/ann/disk", of_kind(EntryKind::BlockDevice { major: 0xfff, minor: 0xf_ffff }));
    let linked = Node { link_group: Some(4), ..stamped(file("of two names", 9), 0o600, when) };
    put("home/ann/linked", linked.clone());
    put("home/ann/z/linked too", linked);
    put("home/ann/z", stamped(directory(), 0o700, when));
    let holes = vec![Hole { offset: 0, length: 1 << 20 }, Hole { offset: (1 << 20) + 70, length: 1 }];
    let sparse = Node { holes, ..stamped(file(noise(4, 200), 10), 0o600, when) };
    put("home/ann/sparse", sparse);
    put("output", Node { kind: EntryKind::Stream, metadata: Metadata::default(), ..file("of a program\n", 11) });
    let mut tagged = stamped(file("with attributes", 12), 0o600, when);
    tagged.metadata.xattrs =
        [("user.empty", &b""[..]), ("user.\u{e9}", b"\0\xff\0"), ("security.capability", b"\x01\0")]
            .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
            .into();
    put("home/ann/tagged", tagged);
    // Several leaves, nodes above them.
    put("many", stamped(directory(), 0o755, when));
    for number in 0..1500u32 {
        let node = file(format!("file {number}").repeat(number as usize % 5), 1000 + u64::from(number));
        put(&format!("many/{:05}", number * 7), stamped(node, 0o644, (1_600_000_000 + i64::from(number) * 61, number)));
    }
    let odd = [vec![b'o'; 255], vec![0xff, 0xfe], vec![1, 2, 1], b"..".iter().chain(b".").copied().collect()];
    for (number, name) in odd.into_iter().enumerate() {
        let at = TreePath::from_components([b"home".to_vec(), b"ann".to_vec(), name]).unwrap();
        tree.insert(at, stamped(file(format!("odd {number}"), 2000 + number as u64), 0o600, when));
    }
    let deep =
        TreePath::from_components((0..300).map(|depth| format!("directory at depth {depth}").into_bytes())).unwrap();
    tree.insert(deep, stamped(file("deep down", 13), 0o600, when));
    tree
}

/// The same after some changes.
fn later() -> Tree {
    let mut tree = files();
    for number in (0..1500).step_by(9) {
        tree.remove(&path(&format!("many/{:05}", number * 7)));
    }
    let noise = tree.get_mut(&path("home/ann/noise")).unwrap();
    noise.content.splice(10_000..10_100, *b"something else");
    noise.version += 10_000;
    tree.get_mut(&path("home/ann/tagged")).unwrap().metadata.xattrs.clear();
    tree.get_mut(&path("home/ann/tagged")).unwrap().version += 10_000;
    tree.insert(path("new"), file("came later", 14));
    tree
}

fn own(of: &str) -> Tree {
    let shared = [(path("shared"), file(noise(5, 50_000), 1)), (path("own"), file(of, 2))];
    shared.into()
}

/// So many chunks that they stand in content lists.
fn huge() -> Tree {
    [(path("huge"), file(blocks(6, 66 * 64), 1))].into()
}
