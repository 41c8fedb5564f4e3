use super::engine::Shared;
use crate::format::ids::{ChunkId, Kind};
use crate::pack::{Compressor, PlainSegment};
use backup_core::Result;
use std::sync::atomic::Ordering;

/// A segment is full at this many plain bytes.
pub(crate) const SEGMENT_LEN: usize = 1 << 20;

/// What one thread works with: its open segment, its compressor, its read buffer.
pub(crate) struct Hands<'a> {
    pub(crate) shared: &'a Shared,
    compressor: Compressor,
    segment: PlainSegment,
    buffer: Vec<u8>,
    /// A chunk or block may be claimed and not yet be where it will be stored. Still so after a panic, it would be missed.
    pub(crate) is_torn: bool,
}

impl<'a> Hands<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Result<Self> {
        Ok(Hands {
            shared,
            compressor: Compressor::new(shared.level)?,
            segment: PlainSegment::default(),
            buffer: Vec::new(),
            is_torn: false,
        })
    }

    /// Lends the read buffer out, so that a reader can fill it while chunks of it are stored.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    pub(crate) fn return_buffer(&mut self, buffer: Vec<u8>) {
        self.buffer = buffer;
    }

    /// Names a chunk and stores it if nobody has it.
    pub(crate) fn chunk(&mut self, content: &[u8]) -> Result<ChunkId> {
        let id = self.shared.keys.chunk.id(content);
        self.is_torn = true;
        if self.shared.known.claim(Kind::Data, &id) {
            self.shared.stats.bytes_added.fetch_add(content.len() as u64, Ordering::Relaxed);
            self.segment.push(id, content);
            if self.segment.bytes.len() >= SEGMENT_LEN {
                self.pass_on()?;
            }
        }
        self.is_torn = false;
        Ok(id)
    }

    /// Hands the open segment to whoever has time, else compresses it here.
    fn pass_on(&mut self) -> Result<()> {
        let full = std::mem::replace(&mut self.segment, self.shared.data.segment());
        match self.shared.queue.offer(full) {
            None => Ok(()),
            Some(segment) => self.store(segment),
        }
    }

    /// Compresses a segment and gives it to the packs.
    pub(crate) fn store(&mut self, segment: PlainSegment) -> Result<()> {
        self.shared.data.store(&mut self.compressor, segment)?;
        self.shared.notice_rows();
        Ok(())
    }

    /// Stores what is gathered so far.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.segment.chunks.is_empty() {
            return Ok(());
        }
        let rest = std::mem::take(&mut self.segment);
        self.store(rest)
    }
}
