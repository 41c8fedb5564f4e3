use super::list_builder::MAX_LIST_LEVELS;
use super::{Content, LIST, MAX_BLOCK_BYTES, damaged};
use crate::format::ids::{CHUNK_ID_LEN, ChunkId};
use backup_core::{Error, ErrorKind, Result};
use bytes::{Buf, Bytes};

/// What a [`ListReader`] has next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListStep {
    /// The next chunk of the content.
    Id(ChunkId),
    /// A list that [`ListReader::provide`] must be given.
    Need(ChunkId),
    /// All chunks were given, as many as the entry says.
    Done,
}

/// Gives the chunk ids of a content in order. Memory: one list a level.
#[derive(Debug)]
pub(crate) struct ListReader {
    /// Ids still to come, the current list last; each with its level, 0 for ids that stand in the entry.
    stack: Vec<(u8, Bytes)>,
    chunks_left: u64,
}

impl ListReader {
    /// A reader of this content.
    ///
    /// # Errors
    /// `Damaged` for a content list of more levels than there can be.
    pub(crate) fn new(content: &Content) -> Result<Self> {
        let (level, ids) = match content {
            Content::Ids(ids) => (1, ids.iter().flat_map(|id| id.0).collect()),
            // As if its id stood in a list of the level above.
            Content::List { id, levels: levels @ 1..=MAX_LIST_LEVELS, .. } => {
                (levels + 1, Bytes::copy_from_slice(&id.0))
            }
            Content::List { .. } => return Err(damaged("a content list has too many levels")),
        };
        Ok(ListReader { stack: vec![(level, ids)], chunks_left: content.chunks() })
    }

    /// The next chunk, or the list to provide first: asked again without that, it gives the same.
    ///
    /// # Errors
    /// `Damaged` when the lists hold more or fewer chunks than the entry says.
    pub(crate) fn next(&mut self) -> Result<ListStep> {
        while let Some((level, ids)) = self.stack.last_mut() {
            let Some(id) = ids.first_chunk().copied().map(ChunkId) else {
                self.stack.pop();
                continue;
            };
            if *level > 1 {
                return Ok(ListStep::Need(id));
            }
            ids.advance(CHUNK_ID_LEN);
            self.chunks_left =
                self.chunks_left.checked_sub(1).ok_or_else(|| damaged("content lists hold too many chunks"))?;
            return Ok(ListStep::Id(id));
        }
        if self.chunks_left == 0 { Ok(ListStep::Done) } else { Err(damaged("content lists hold too few chunks")) }
    }

    /// Takes the list that [`ListReader::next`] asked for.
    ///
    /// # Errors
    /// `Damaged` for what is no list of the level below.
    pub(crate) fn provide(&mut self, block: &Bytes) -> Result<()> {
        let expected = match self.stack.last_mut() {
            Some((level @ 2.., ids)) if ids.len() >= CHUNK_ID_LEN => {
                ids.advance(CHUNK_ID_LEN);
                *level - 1
            }
            _ => return Err(Error::new(ErrorKind::Internal, "a content list was given but not asked for")),
        };
        let ids = ids_of_list(block, expected)?;
        self.stack.push((expected, block.slice_ref(ids)));
        Ok(())
    }

    /// Up to `most` lists that will be needed, the next one first, as far as is known now.
    pub(crate) fn upcoming(&self, most: usize) -> Vec<ChunkId> {
        let lists = self.stack.iter().rev().filter(|(level, _)| *level > 1);
        lists.flat_map(|(_, ids)| ids.as_chunks().0.iter().map(|id| ChunkId(*id))).take(most).collect()
    }
}

/// The ids in a list of this level.
pub(super) fn ids_of_list(block: &[u8], level: u8) -> Result<&[u8]> {
    match block {
        [LIST, at, ids @ ..]
            if *at == level
                && block.len() <= MAX_BLOCK_BYTES
                && !ids.is_empty()
                && ids.len().is_multiple_of(CHUNK_ID_LEN) =>
        {
            Ok(ids)
        }
        _ => Err(damaged("it is not a content list of this level")),
    }
}
