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
    /// Ids of the unfinished list of each level, from level 1 upwards; never empty, as a list is finished only by the
    /// id that does not belong to it any more.
    levels: Vec<Vec<ChunkId>>,
    chunks: u64,
    failed: bool,
}

impl ListBuilder {
    /// A content without chunks.
    pub(crate) fn new() -> Self {
        ListBuilder::default()
    }

    /// Appends a chunk. Finished lists go to `sink`, which gives their ids.
    ///
    /// # Errors
    /// Those of the sink; every further call fails then, as a list is missing.
    pub(crate) fn push(&mut self, id: ChunkId, sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>) -> Result<()> {
        self.check_usable()?;
        self.chunks += 1;
        self.append(1, id, sink)
    }

    fn append(
        &mut self,
        first_level: u8,
        mut id: ChunkId,
        sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>,
    ) -> Result<()> {
        for level in first_level..=MAX_LIST_LEVELS {
            let at = usize::from(level) - 1;
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let Some(ids) = self.levels.get_mut(at) else { break };
            let finished = ids.last().filter(|last| ends_list(ids.len(), last)).map(|_| block(level, ids));
            if finished.is_some() {
                ids.clear();
            }
            ids.push(id);
            // A finished list goes to the level above.
            id = match finished {
                Some(list) => sink(list).inspect_err(|_| self.failed = true)?,
                None => return Ok(()),
            };
        }
        Err(too_deep())
    }

    /// The content, its last lists written.
    ///
    /// # Errors
    /// Those of the sink.
    pub(crate) fn finish(mut self, sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>) -> Result<Content> {
        self.check_usable()?;
        if self.chunks <= MAX_INLINE_CHUNKS as u64 {
            return Ok(Content::Ids(self.levels.pop().unwrap_or_default()));
        }
        for level in 1..=MAX_LIST_LEVELS {
            let is_top = self.levels.len() == usize::from(level);
            let ids = self.levels.get_mut(usize::from(level) - 1).map(std::mem::take).unwrap_or_default();
            if let (true, 2.., [only]) = (is_top, level, ids.as_slice()) {
                return Ok(Content::List { id: *only, levels: level - 1, chunks: self.chunks });
            }
            let list = sink(block(level, &ids))?;
            self.append(level + 1, list, sink)?;
        }
        Err(too_deep())
    }

    fn check_usable(&self) -> Result<()> {
        match self.failed {
            false => Ok(()),
            true => Err(Error::new(ErrorKind::Internal, "a content list is used after it failed")),
        }
    }
}

fn too_deep() -> Error {
    Error::new(ErrorKind::Internal, "a content list has too many levels")
}

fn block(level: u8, ids: &[ChunkId]) -> Vec<u8> {
    let mut block = Vec::with_capacity(2 + ids.len() * CHUNK_ID_LEN);
    block.extend_from_slice(&[LIST, level]);
    for id in ids {
        block.extend_from_slice(&id.0);
    }
    block
}
