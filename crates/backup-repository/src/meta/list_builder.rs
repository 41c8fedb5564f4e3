use super::cut::ends_list;
use super::{Content, LIST, MAX_INLINE_CHUNKS};
use crate::format::ids::{CHUNK_ID_LEN, ChunkId};
use backup_core::{Error, ErrorKind, Result};

/// More levels than 2⁶⁴ chunks need.
pub(super) const MAX_LIST_LEVELS: u8 = 12;

/// Collects the chunk ids of one content. Up to [`MAX_INLINE_CHUNKS`] stay in the entry; more go to content lists, which
/// are cut where ids say so: a change in the middle of a large file changes one list of each level. Memory: 2048 ids a
/// level.
#[derive(Default)]
pub(crate) struct ListBuilder {
    /// Ids of the unfinished list of each level, from level 1 upwards.
    levels: Vec<Vec<ChunkId>>,
    chunks: u64,
}

impl ListBuilder {
    /// A content without chunks.
    pub(crate) fn new() -> Self {
        ListBuilder::default()
    }

    /// Appends a chunk. Finished lists go to `sink`, which gives their ids.
    ///
    /// # Errors
    /// Those of the sink; the content is lost then.
    pub(crate) fn push(&mut self, id: ChunkId, sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>) -> Result<()> {
        self.chunks += 1;
        self.append(id, sink)
    }

    fn append(&mut self, mut id: ChunkId, sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>) -> Result<()> {
        for level in 1..=MAX_LIST_LEVELS {
            let at = usize::from(level) - 1;
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let Some(ids) = self.levels.get_mut(at) else { break };
            ids.push(id);
            // What may still fit into the entry is no list yet.
            if self.chunks <= MAX_INLINE_CHUNKS as u64 || !ends_list(ids.len(), &id) {
                return Ok(());
            }
            id = sink(block(level, ids))?;
            ids.clear();
        }
        Err(Error::new(ErrorKind::Internal, "a content list has too many levels"))
    }

    /// The content, its last lists written.
    ///
    /// # Errors
    /// Those of the sink.
    pub(crate) fn finish(mut self, sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>) -> Result<Content> {
        if self.chunks <= MAX_INLINE_CHUNKS as u64 {
            return Ok(Content::Ids(self.levels.pop().unwrap_or_default()));
        }
        for level in 1..=MAX_LIST_LEVELS {
            let at = usize::from(level) - 1;
            let is_top = self.levels.len() == usize::from(level);
            let Some(ids) = self.levels.get_mut(at) else { break };
            if let (true, [only], 2..) = (is_top, ids.as_slice(), level) {
                return Ok(Content::List { id: *only, levels: level - 1, chunks: self.chunks });
            }
            if !ids.is_empty() {
                let id = sink(block(level, ids))?;
                ids.clear();
                match self.levels.get_mut(at + 1) {
                    Some(above) => above.push(id),
                    None => self.levels.push(vec![id]),
                }
            }
        }
        Err(Error::new(ErrorKind::Internal, "a content list has too many levels"))
    }
}

fn block(level: u8, ids: &[ChunkId]) -> Vec<u8> {
    let mut block = Vec::with_capacity(2 + ids.len() * CHUNK_ID_LEN);
    block.extend_from_slice(&[LIST, level]);
    for id in ids {
        block.extend_from_slice(&id.0);
    }
    block
}
