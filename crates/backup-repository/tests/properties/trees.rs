//! Trees of every kind of entry.

use backup_core::*;
use backup_testkit::memory::*;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// The sizes at which chunks are cut, at the least, on average, and at the most; a segment is about the second.
const LIMITS: [usize; 3] = [256 << 10, 1 << 20, 4 << 20];

/// A tree of at most so many drawn entries; directories above them come on top.
pub fn tree(entries: usize) -> impl Strategy<Value = Tree> {
    vec((path(), node(), any::<u8>()), 0..entries).prop_map(|drawn| {
        let mut tree = Tree::new();
        for (version, (path, mut node, link)) in (1..).zip(drawn) {
            node.version = version;
            // Now and then another name of a file that is there.
            let files: Vec<&TreePath> =
                tree.iter().filter(|(_, node)| node.kind == EntryKind::File).map(|(path, _)| path).collect();
            if link < 40 && !files.is_empty() {
                let other = files[usize::from(link) % files.len()].clone();
                let first = tree.get_mut(&other).unwrap();
                first.link_group.get_or_insert(version);
                node = Node { version, ..first.clone() };
            }
            insert(&mut tree, path, node);
        }
        tree
    })
}

/// Puts an entry into a tree, with the directories above it; not below what is none.
pub fn insert(tree: &mut Tree, path: TreePath, node: Node) {
    let mut above = Vec::new();
    let mut next = path.parent();
    while let Some(parent) = next.filter(|parent| parent.depth() > 0) {
        if tree.get(&parent).is_some_and(|node| node.kind != EntryKind::Directory) {
            return;
        }
        next = parent.parent();
        above.push(parent);
    }
    let has_children = tree.keys().any(|other| *other != path && other.starts_with(&path));
    if has_children && node.kind != EntryKind::Directory {
        return;
    }
    for parent in above {
        tree.entry(parent).or_insert_with(directory);
    }
    tree.insert(path, node);
}

pub fn path() -> impl Strategy<Value = TreePath> {
    let few = prop_oneof![Just(b"a".to_vec()), Just(b"b".to_vec()), Just(b"a.b".to_vec()), Just(b"a b".to_vec())];
    let odd = prop_oneof![vec(any::<u8>(), 1..6), vec(0u8..3, 1..5), vec(any::<u8>(), 200..255)];
    vec(prop_oneof![3 => few, 1 => odd], 1..7).prop_map(|names| TreePath::from_components(names).unwrap())
}

pub fn content() -> impl Strategy<Value = Vec<u8>> {
    let near = |limit: usize| limit - 2..limit + 3;
    let length = prop_oneof![
        40 => 0usize..100,
        20 => 100usize..30_000,
        2 => near(LIMITS[0]),
        1 => near(LIMITS[1]),
        1 => near(LIMITS[2]),
        1 => 0usize..6 << 20,
    ];
    (length, 0u64..40, any::<bool>()).prop_map(|(length, seed, is_text)| {
        if is_text {
            b"the same words once more\n".iter().copied().cycle().take(length).collect()
        } else {
            noise(seed, length)
        }
    })
}

pub fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        6 => (content(), holes(), metadata()).prop_map(|(content, holes, metadata)| {
            let holes = place(&content, holes);
            Node { metadata, holes, ..file(content, 0) }
        }),
        1 => (content(), metadata()).prop_map(|(content, metadata)| {
            Node { kind: EntryKind::Stream, metadata, ..file(content, 0) }
        }),
        4 => (special(), metadata()).prop_map(|(kind, metadata)| Node { kind, metadata, ..directory() }),
    ]
}

fn special() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        4 => Just(EntryKind::Directory),
        3 => vec(any::<u8>(), 0..300).prop_map(|target| EntryKind::Symlink { target }),
        1 => Just(EntryKind::Fifo),
        1 => Just(EntryKind::Socket),
        1 => any::<(u32, u32)>().prop_map(|(major, minor)| EntryKind::CharDevice { major, minor }),
        1 => any::<(u32, u32)>().prop_map(|(major, minor)| EntryKind::BlockDevice { major, minor }),
    ]
}

/// Parts of the content, in per mille, and the lengths of the holes behind them.
fn holes() -> impl Strategy<Value = Vec<(usize, u64)>> {
    prop_oneof![3 => Just(Vec::new()), 1 => vec((0usize..1001, prop_oneof![1u64..10_000, Just(4096)]), 1..5)]
}

fn place(content: &[u8], parts: Vec<(usize, u64)>) -> Vec<Hole> {
    let mut ends: Vec<(usize, u64)> =
        parts.into_iter().map(|(part, length)| (content.len() * part / 1000, length)).collect();
    ends.sort_unstable();
    // Two behind the same byte would touch.
    ends.dedup_by_key(|(end, _)| *end);
    let mut before = 0;
    let hole = |(end, length): (usize, u64)| {
        let offset = end as u64 + before;
        before += length;
        Hole { offset, length }
    };
    ends.into_iter().map(hole).collect()
}

pub fn metadata() -> impl Strategy<Value = Metadata> {
    let name = || option::of(vec(any::<u8>(), 1..9));
    let value = prop_oneof![8 => vec(any::<u8>(), 0..50), 1 => vec(any::<u8>(), 1000..5000)];
    let xattrs = prop_oneof![3 => Just(Default::default()), 1 => btree_map(vec(any::<u8>(), 1..30), value, 0..5)];
    let seconds = prop_oneof![4 => -4_000_000_000i64..4_000_000_000, 1 => any::<i64>()];
    let mtime = option::of((seconds, 0u32..1_000_000_000));
    (option::of(0u32..0o10000), any::<(Option<u32>, Option<u32>)>(), name(), name(), mtime, xattrs).prop_map(
        |(mode, (uid, gid), user, group, mtime, xattrs)| {
            let mtime = mtime.map(|(seconds, nanoseconds)| Timestamp { seconds, nanoseconds });
            Metadata { mode, uid, gid, user, group, mtime, xattrs }
        },
    )
}
