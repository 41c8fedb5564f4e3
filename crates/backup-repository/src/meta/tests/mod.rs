//! What the tests of this folder share: made-up entries, and a store of blocks.

mod codec;
mod damage;
mod list;
mod tree;
mod walk;

use super::cut::{SHAPE, Shape};
use super::*;
use crate::crypto::ChunkKey;
use crate::format::ids::ChunkId;
use backup_core::{Entry, EntryKind, Hole, Metadata, Result, Timestamp, TreePath};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

fn key() -> ChunkKey {
    ChunkKey([7; 32])
}

/// Blocks of a few entries, for deep trees of small listings.
const SMALL: Shape = Shape { min_entries: 4, one_in: 16, ..SHAPE };

/// Blocks by id, in the order in which they came.
struct Store {
    shape: Shape,
    blocks: HashMap<ChunkId, Bytes>,
    order: Vec<ChunkId>,
}

impl Store {
    fn new(shape: Shape) -> Self {
        Store { shape, blocks: HashMap::new(), order: Vec::new() }
    }

    fn put(&mut self, block: Vec<u8>) -> Result<ChunkId> {
        let id = key().id(&block);
        self.order.push(id);
        self.blocks.insert(id, block.into());
        Ok(id)
    }

    fn get(&self, id: ChunkId) -> Result<Bytes> {
        self.blocks.get(&id).cloned().ok_or_else(|| Error::new(ErrorKind::NotFound, "no such block"))
    }

    fn tree(&mut self, entries: &[Found]) -> Option<Root> {
        let mut builder = TreeBuilder::with_shape(key(), self.shape);
        let mut sink = |block| self.put(block);
        let mut body = Vec::new();
        for found in entries {
            body.clear();
            encode_body(&found.entry, &found.content, &mut body).unwrap();
            builder.push(&found.entry.path, &body, &mut sink).unwrap();
        }
        let totals = builder.totals();
        assert_eq!(totals.entries, entries.len() as u64);
        let files = entries.iter().filter(|found| found.entry.has_content());
        assert_eq!(totals.files, files.clone().count() as u64);
        assert_eq!(totals.size_bytes, files.map(|found| found.entry.size_bytes.unwrap()).sum::<u64>());
        builder.finish(&mut sink).unwrap()
    }

    fn read(&self, root: Option<Root>, ranges: Ranges) -> Vec<Found> {
        collect(Walk::new(root, ranges), |id| self.get(id)).unwrap()
    }
}

/// Runs a walk to its end, or to the first damage.
fn collect(mut walk: Walk, mut fetch: impl FnMut(ChunkId) -> Result<Bytes>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    loop {
        match walk.advance(&mut found, usize::MAX) {
            Step::Full => {}
            Step::Need(id) => match fetch(id) {
                Ok(block) => walk.provide(&block),
                Err(error) => walk.missing(error),
            },
            Step::Lost(damage) => return Err(damage.error),
            Step::Done => return Ok(found),
        }
    }
}

/// A file in a tree of ten directories to a level, its content's id made of path and `version`.
fn plain_file(number: u32, version: u8) -> Found {
    let components = [number / 10_000, number / 100 % 100, number % 100].map(|n| format!("{n:04} name"));
    file(TreePath::from_components(components).unwrap(), version)
}

fn file(path: TreePath, version: u8) -> Found {
    let mut entry = Entry::new(path, EntryKind::File);
    let id = key().id(&[entry.path.as_encoded(), &[version]].concat());
    let [a, b, c, ..] = id.0;
    entry.metadata.mode = Some(0o644);
    entry.metadata.uid = Some(1000);
    entry.metadata.user = Some(b"ann".to_vec());
    entry.metadata.mtime =
        Some(Timestamp { seconds: 1_700_000_000 + i64::from(a), nanoseconds: u32::from_le_bytes([a, b, c, 0]) });
    entry.size_bytes = Some(1 + u64::from(b) * 100);
    Found { entry, content: Content::Ids(vec![id]) }
}

fn no_content() -> Content {
    Content::Ids(Vec::new())
}

fn plain_files(count: u32) -> Vec<Found> {
    (0..count).map(|number| plain_file(number, 0)).collect()
}

fn paths() -> impl Strategy<Value = TreePath> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(2), Just(b'a'), Just(b'b'), Just(b'/'), Just(0xff)];
    let component = prop::collection::vec(byte, 1..4);
    prop::collection::vec(component, 0..5).prop_map(|components| TreePath::from_components(components).unwrap())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..20)
}

fn ids(max: usize) -> impl Strategy<Value = Vec<ChunkId>> {
    prop::collection::vec(any::<[u8; 20]>().prop_map(ChunkId), 1..=max)
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let owner = (prop::option::of(0u32..=0o7777), any::<Option<u32>>(), any::<Option<u32>>());
    let names = (prop::option::of(bytes()), prop::option::of(bytes()));
    let mtime = prop::option::of((any::<i64>(), 0u32..1_000_000_000));
    let xattrs = prop::collection::btree_map(bytes(), bytes(), 0..3);
    (owner, names, mtime, xattrs).prop_map(|((mode, uid, gid), (user, group), mtime, xattrs)| Metadata {
        mode,
        uid,
        gid,
        user,
        group,
        mtime: mtime.map(|(seconds, nanoseconds)| Timestamp { seconds, nanoseconds }),
        xattrs,
    })
}

/// Sizes, holes, and a content that fits them.
fn contents() -> impl Strategy<Value = (u64, Vec<Hole>, Content)> {
    let gaps = prop::collection::vec((1u64..1 << 40, 1u64..1 << 40), 0..4);
    let content = prop_oneof![
        3 => ids(MAX_INLINE_CHUNKS).prop_map(Content::Ids),
        1 => (any::<[u8; 20]>(), 1u8..12, 1u64..1 << 40).prop_map(|(id, levels, chunks)| Content::List {
            id: ChunkId(id),
            levels,
            chunks
        }),
        1 => Just(no_content()),
    ];
    (gaps, content, any::<bool>(), 0u64..1 << 20).prop_map(|(gaps, content, hole_first, more)| {
        let mut holes = Vec::new();
        let mut end = 0;
        for (i, (gap, length)) in gaps.into_iter().enumerate() {
            let gap = if content == no_content() || (i == 0 && hole_first) { 0 } else { gap };
            if content == no_content() && i > 0 {
                break;
            }
            holes.push(Hole { offset: end + gap, length });
            end += gap + length;
        }
        let data = if content == no_content() { 0 } else { content.chunks() + more };
        (end + data, holes, content)
    })
}

fn kinds() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        Just(EntryKind::File),
        Just(EntryKind::Stream),
        Just(EntryKind::Directory),
        bytes().prop_map(|target| EntryKind::Symlink { target }),
        Just(EntryKind::Fifo),
        Just(EntryKind::Socket),
        any::<(u32, u32)>().prop_map(|(major, minor)| EntryKind::CharDevice { major, minor }),
        any::<(u32, u32)>().prop_map(|(major, minor)| EntryKind::BlockDevice { major, minor }),
    ]
}

fn founds() -> impl Strategy<Value = Found> {
    let rest = (any::<Option<u64>>(), any::<bool>(), any::<Option<u64>>());
    (paths(), kinds(), metadata(), contents(), rest).prop_map(|(path, kind, metadata, contents, rest)| {
        let (size, holes, content) = contents;
        let (link_group, changed_while_read, other_size) = rest;
        let mut entry = Entry { metadata, link_group, changed_while_read, ..Entry::new(path, kind) };
        if entry.has_content() {
            (entry.size_bytes, entry.holes) = (Some(size), holes);
            Found { entry, content }
        } else {
            entry.size_bytes = other_size;
            Found { entry, content: no_content() }
        }
    })
}

/// Entries with distinct paths, in order.
fn listings(max: usize) -> impl Strategy<Value = Vec<Found>> {
    prop::collection::vec(founds(), 0..max).prop_map(|founds| {
        let sorted: BTreeMap<_, _> = founds.into_iter().map(|found| (found.entry.path.clone(), found)).collect();
        sorted.into_values().collect()
    })
}
