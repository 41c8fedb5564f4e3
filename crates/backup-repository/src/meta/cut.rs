use crate::crypto::ChunkKey;

/// A block gets this many entries before a path can end it.
pub(super) const MIN_ENTRIES: usize = 128;

/// A block that would grow over this is cut wherever that is.
pub(super) const MAX_BYTES: usize = 256 << 10;

/// One in this many paths is a place to cut.
const ONE_IN: u32 = 512;

/// Says where blocks are cut, by keyed hashes of paths: nobody without the key learns or arranges the places, and a
/// changed content moves none.
pub(super) struct Cutter {
    key: ChunkKey,
    scratch: Vec<u8>,
}

impl Cutter {
    pub(super) fn new(key: ChunkKey) -> Self {
        Cutter { key, scratch: Vec::new() }
    }

    /// Whether a block of this level may be cut before `path`.
    pub(super) fn cuts(&mut self, level: u8, path: &[u8]) -> bool {
        self.scratch.clear();
        self.scratch.extend_from_slice(b"cut");
        self.scratch.push(level);
        self.scratch.extend_from_slice(path);
        falls_in(*blake3::keyed_hash(&self.key.0, &self.scratch).as_bytes())
    }
}

/// Whether a hash's first four bytes name one of the places.
fn falls_in(hash: [u8; 32]) -> bool {
    let [a, b, c, d, ..] = hash;
    u32::from_be_bytes([a, b, c, d]) <= u32::MAX / ONE_IN
}

/// Whether a content list is cut behind this id.
pub(super) fn cuts_list(id: &crate::format::ids::ChunkId) -> bool {
    let [a, b, c, d, ..] = id.0;
    u32::from_be_bytes([a, b, c, d]) <= u32::MAX / ONE_IN
}
