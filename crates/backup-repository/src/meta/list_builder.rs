use super::cut::ends_list;
use super::list_reader::item_len;
use super::{Content, LIST, MAX_INLINE_CHUNKS};
use crate::format::ids::ChunkId;
use backup_core::{Error, ErrorKind, Result};

/// More levels than 2⁶⁴ chunks need.
pub(super) const MAX_LIST_LEVELS: u8 = 12;

/// Collects the chunk ids of one content. Up to [`MAX_INLINE_CHUNKS`] stay in the entry; more go to content lists, which
/// are cut where ids say so: a change in the middle of a large file changes one list of each level. Memory: 2048 items a
/// level.
#[derive(Default)]
pub(crate) struct ListBuilder {
    /// Items of the unfinished list of each level, from level 1 upwards; never empty, as a list is finished only by the
    /// one that does not belong to it any more.
    levels: Vec<Vec<Item>>,
    chunks: u64,
    failed: bool,
}

/// A chunk or a list, and the bytes of content in it.
#[derive(Clone, Copy)]
struct Item {
    id: ChunkId,
    bytes: u64,
}

impl ListBuilder {
    /// A content without chunks.
    pub(crate) fn new() -> Self {
        ListBuilder::default()
    }

    /// Appends a chunk of so many bytes. Finished lists go to `sink`, which gives their ids.
    ///
    /// # Errors
    /// Those of the sink; every further call fails then, as a list is missing.
    pub(crate) fn push(
        &mut self,
        id: ChunkId,
        length: u32,
        sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>,
    ) -> Result<()> {
        self.check_usable()?;
        self.chunks += 1;
        self.append(1, Item { id, bytes: u64::from(length) }, sink)
    }

    fn append(
        &mut self,
        first_level: u8,
        mut item: Item,
        sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>,
    ) -> Result<()> {
        for level in first_level..=MAX_LIST_LEVELS {
            let at = usize::from(level) - 1;
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let Some(items) = self.levels.get_mut(at) else { break };
            let is_finished = items.last().is_some_and(|last| ends_list(items.len(), &last.id));
            let finished = if is_finished { std::mem::take(items) } else { Vec::new() };
            items.push(item);
            if !is_finished {
                return Ok(());
            }
            // A finished list goes to the level above.
            item = store(level, &finished, sink).inspect_err(|_| self.failed = true)?;
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
            let items = self.levels.pop().unwrap_or_default();
            return Ok(Content::Ids(items.into_iter().map(|item| item.id).collect()));
        }
        for level in 1..=MAX_LIST_LEVELS {
            let is_top = self.levels.len() == usize::from(level);
            let items = self.levels.get_mut(usize::from(level) - 1).map(std::mem::take).unwrap_or_default();
            if let (true, 2.., [only]) = (is_top, level, items.as_slice()) {
                return Ok(Content::List { id: only.id, levels: level - 1, chunks: self.chunks });
            }
            let list = store(level, &items, sink)?;
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

/// Gives a list to the sink; what stands for it in the level above.
fn store(level: u8, items: &[Item], sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>) -> Result<Item> {
    let mut block = Vec::with_capacity(2 + items.len() * item_len(level));
    block.extend_from_slice(&[LIST, level]);
    for Item { id, bytes } in items {
        block.extend_from_slice(&id.0);
        if level > 1 {
            block.extend_from_slice(&bytes.to_le_bytes());
        }
    }
    Ok(Item { id: sink(block)?, bytes: items.iter().map(|item| item.bytes).sum() })
}
