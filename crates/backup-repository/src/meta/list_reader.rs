use super::list_builder::MAX_LIST_LEVELS;
use super::{Content, LIST, MAX_BLOCK_BYTES, damaged};
use crate::format::ids::{CHUNK_ID_LEN, ChunkId};
use backup_core::{Error, ErrorKind, Result};
use bytes::{Buf, Bytes};

/// Bytes of an item that names a list: its id, and how many bytes of content are below it.
const LIST_ITEM_LEN: usize = CHUNK_ID_LEN + 8;

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
    /// Items still to come, the current list last; each with its level.
    stack: Vec<(u8, Bytes)>,
    chunks_left: u64,
}

impl ListReader {
    /// A reader of this content, of so many bytes without holes.
    ///
    /// # Errors
    /// `Damaged` for a content list of more levels than there can be.
    pub(crate) fn new(content: &Content, bytes: u64) -> Result<Self> {
        let (level, items) = match content {
            Content::Ids(ids) => (1, ids.iter().flat_map(|id| id.0).collect()),
            // As if it stood in a list of the level above.
            Content::List { id, levels: levels @ 1..=MAX_LIST_LEVELS, .. } => {
                (levels + 1, id.0.into_iter().chain(bytes.to_le_bytes()).collect())
            }
            Content::List { .. } => return Err(damaged("a content list has too many levels")),
        };
        Ok(ListReader { stack: vec![(level, items)], chunks_left: content.chunks() })
    }

    /// The next chunk, or the list to provide first: asked again without that, it gives the same.
    ///
    /// # Errors
    /// `Damaged` when the lists hold more or fewer chunks than the entry says.
    pub(crate) fn next(&mut self) -> Result<ListStep> {
        while let Some((level, items)) = self.stack.last_mut() {
            let Some(id) = items.first_chunk().copied().map(ChunkId) else {
                self.stack.pop();
                continue;
            };
            if *level > 1 {
                return Ok(ListStep::Need(id));
            }
            items.advance(CHUNK_ID_LEN);
            self.chunks_left =
                self.chunks_left.checked_sub(1).ok_or_else(|| damaged("content lists hold too many chunks"))?;
            return Ok(ListStep::Id(id));
        }
        if self.chunks_left == 0 { Ok(ListStep::Done) } else { Err(damaged("content lists hold too few chunks")) }
    }

    /// Takes the list that [`ListReader::next`] asked for.
    ///
    /// # Errors
    /// `Damaged` for what is no list of the level below, or one of lists that holds another length than is said of it.
    pub(crate) fn provide(&mut self, block: &Bytes) -> Result<()> {
        let (level, bytes) = match self.stack.last_mut() {
            Some((level @ 2.., items)) if items.len() >= LIST_ITEM_LEN => {
                items.advance(CHUNK_ID_LEN);
                (*level - 1, items.get_u64_le())
            }
            _ => return Err(Error::new(ErrorKind::Internal, "a content list was given but not asked for")),
        };
        let items = items_of_list(block, level)?;
        if level > 1 && lists_in(items).try_fold(0u64, |sum, (_, below)| sum.checked_add(below)) != Some(bytes) {
            return Err(damaged("a content list holds another length than is said of it"));
        }
        self.stack.push((level, block.slice_ref(items)));
        Ok(())
    }
}

/// Bytes of an item of a list of this level.
pub(super) fn item_len(level: u8) -> usize {
    if level > 1 { LIST_ITEM_LEN } else { CHUNK_ID_LEN }
}

/// The items in a list of this level.
pub(super) fn items_of_list(block: &[u8], level: u8) -> Result<&[u8]> {
    match block {
        [LIST, at, items @ ..]
            if *at == level
                && block.len() <= MAX_BLOCK_BYTES
                && !items.is_empty()
                && items.len().is_multiple_of(item_len(level)) =>
        {
            Ok(items)
        }
        _ => Err(damaged("it is not a content list of this level")),
    }
}

/// Lists in the items of a list above the first level, each with the bytes of content below it.
pub(super) fn lists_in(items: &[u8]) -> impl Iterator<Item = (ChunkId, u64)> {
    items.as_chunks::<LIST_ITEM_LEN>().0.iter().map(|item| {
        let [id @ .., b0, b1, b2, b3, b4, b5, b6, b7] = *item;
        (ChunkId(id), u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]))
    })
}
