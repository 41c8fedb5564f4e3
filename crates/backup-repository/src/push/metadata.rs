use super::known::Known;
use crate::crypto::DomainKeys;
use crate::format::ids::{ChunkId, Kind};
use crate::pack::{Compressor, PackWriter, PlainSegment};
use backup_core::Result;
use std::sync::{Arc, Mutex, PoisonError};

/// Metadata segments are small, so that one block is read cheaply.
const SEGMENT_LEN: usize = 128 << 10;

/// Stores blocks of metadata: names them, leaves out what is known, gathers the rest.
pub(crate) struct MetadataStore {
    keys: DomainKeys,
    known: Arc<Known>,
    pub(crate) packs: PackWriter,
    open: Mutex<Open>,
}

struct Open {
    segment: PlainSegment,
    compressor: Compressor,
}

impl MetadataStore {
    pub(crate) fn new(keys: DomainKeys, known: Arc<Known>, packs: PackWriter, level: i32) -> Result<Self> {
        let open = Mutex::new(Open { segment: PlainSegment::default(), compressor: Compressor::new(level)? });
        Ok(MetadataStore { keys, known, packs, open })
    }

    /// Stores a block if nobody has it, and gives its name.
    pub(crate) fn put(&self, block: Vec<u8>) -> Result<ChunkId> {
        let id = self.keys.chunk.id(&block);
        if self.known.claim(Kind::Metadata, &id) {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.segment.bytes.len() + block.len() > SEGMENT_LEN {
                self.store(&mut open)?;
            }
            open.segment.push(id, &block);
        }
        Ok(id)
    }

    /// Starts a new segment, so that the blocks that follow lie together.
    pub(crate) fn flush(&self) -> Result<()> {
        self.store(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn store(&self, open: &mut Open) -> Result<()> {
        if open.segment.chunks.is_empty() {
            return Ok(());
        }
        let segment = std::mem::replace(&mut open.segment, self.packs.segment());
        self.packs.store(&mut open.compressor, segment)
    }
}
