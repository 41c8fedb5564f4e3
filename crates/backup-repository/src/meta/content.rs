use super::damaged;
use crate::format::ids::{CHUNK_ID_LEN, ChunkId};
use backup_core::{Entry, Result};

/// The most chunk ids that stand in an entry itself.
pub(crate) const MAX_INLINE_CHUNKS: usize = 64;

/// Where the content of an entry is: the concatenation of chunks, holes left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Up to [`MAX_INLINE_CHUNKS`] chunks, in order; none for what has no content.
    Ids(Vec<ChunkId>),
    /// The root of content lists.
    List {
        /// The root's id.
        id: ChunkId,
        /// The root's level: 1 for a list of chunks.
        levels: u8,
        /// Chunks in all.
        chunks: u64,
    },
}

impl Content {
    /// Chunks in all.
    pub(crate) fn chunks(&self) -> u64 {
        match self {
            Content::Ids(ids) => ids.len() as u64,
            Content::List { chunks, .. } => *chunks,
        }
    }
}

/// Bytes of an entry's content: its size without the holes.
pub(crate) fn content_bytes(entry: &Entry) -> u64 {
    let holes = entry.holes.iter().fold(0u64, |sum, hole| sum.saturating_add(hole.length));
    entry.size_bytes.unwrap_or(0).saturating_sub(holes)
}

/// A stored entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The entry, without a fingerprint.
    pub(crate) entry: Entry,
    /// Its content.
    pub(crate) content: Content,
}

/// Ids that stand one behind the other.
pub(super) fn split_ids(bytes: &[u8]) -> Result<impl ExactSizeIterator<Item = ChunkId> + '_> {
    let (ids, rest) = bytes.as_chunks::<CHUNK_ID_LEN>();
    if rest.is_empty() { Ok(ids.iter().map(|id| ChunkId(*id))) } else { Err(damaged("chunk ids are cut off")) }
}
