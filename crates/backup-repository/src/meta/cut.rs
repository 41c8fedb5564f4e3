use crate::crypto::ChunkKey;
use crate::format::ids::ChunkId;

/// How large the blocks of a tree become, and when they are written. Readers do not care.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// A block gets this many entries before a path can end it.
    pub(super) min_entries: usize,
    /// One in this many paths is a place to cut.
    pub(super) one_in: u32,
    /// A block that would grow over this many bytes is cut wherever that is.
    pub(super) max_bytes: usize,
    /// Finished nodes of up to this many bytes are kept to be written together at the end.
    pub(super) max_held_bytes: usize,
}

/// What the format says.
pub(super) const SHAPE: Shape = Shape { min_entries: 128, one_in: 512, max_bytes: 256 << 10, max_held_bytes: 8 << 20 };

/// Says where blocks are cut, by keyed hashes of paths: nobody without the key learns or arranges the places, and a
/// changed content moves none.
pub(super) struct Cutter {
    key: ChunkKey,
    shape: Shape,
    scratch: Vec<u8>,
}

impl Cutter {
    pub(super) fn new(key: ChunkKey, shape: Shape) -> Self {
        Cutter { key, shape, scratch: Vec::new() }
    }

    /// Whether a block of this level with `entries` is cut before `path`.
    pub(super) fn cuts(&mut self, level: u8, entries: usize, path: &[u8]) -> bool {
        // The hash is what costs: most of the small blocks that there could be are ruled out without it.
        if entries < self.shape.min_entries {
            return false;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(b"cut");
        self.scratch.push(level);
        self.scratch.extend_from_slice(path);
        let [a, b, c, d, ..] = *blake3::keyed_hash(&self.key.0, &self.scratch).as_bytes();
        is_place([a, b, c, d], self.shape.one_in)
    }

    /// Whether so many bytes of finished nodes are too many to keep.
    pub(super) fn is_over_held(&self, bytes: usize) -> bool {
        bytes > self.shape.max_held_bytes
    }

    /// Whether a block of so many bytes is too long.
    pub(super) fn is_over(&self, bytes: usize) -> bool {
        bytes > self.shape.max_bytes
    }
}

/// A content list gets this many ids before one of them can end it.
const MIN_LIST_IDS: usize = 64;

/// A content list has at most this many ids.
const MAX_LIST_IDS: usize = 2048;

/// Whether a content list of so many ids ends with this one. Ids are keyed hashes themselves.
pub(super) fn ends_list(ids: usize, last: &ChunkId) -> bool {
    let [a, b, c, d, ..] = last.0;
    ids >= MAX_LIST_IDS || (ids >= MIN_LIST_IDS && is_place([a, b, c, d], SHAPE.one_in))
}

/// Whether the start of a hash names one of the places, one in so many.
fn is_place(hash: [u8; 4], one_in: u32) -> bool {
    u64::from(u32::from_be_bytes(hash)) < (1 << 32) / u64::from(one_in)
}
