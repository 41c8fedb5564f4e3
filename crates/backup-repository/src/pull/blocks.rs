use crate::fetch::Fetcher;
use crate::format::ids::{ChunkId, Kind};
use crate::index::Location;
use crate::locate::Locator;
use crate::pack::{SegmentPlace, Unpacker};
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Plain metadata segments that are kept, of up to 2 MiB, mostly 128 KiB.
const KEPT: usize = 8;

/// Reads blocks of metadata by name, wherever they are stored.
pub(crate) struct Blocks {
    inner: Arc<Inner>,
    fetcher: Arc<Fetcher>,
    locator: Arc<Locator>,
    kept: Mutex<VecDeque<(SegmentPlace, Bytes)>>,
}

impl Blocks {
    pub(crate) fn new(inner: Arc<Inner>, fetcher: Arc<Fetcher>, locator: Arc<Locator>) -> Self {
        Blocks { inner, fetcher, locator, kept: Mutex::default() }
    }

    /// A block whose bytes are the ones it is named after.
    ///
    /// # Errors
    /// `Damaged` when no stored copy of it is whole; `AccessDenied`, `Unavailable`.
    pub(crate) async fn get(&self, id: &ChunkId) -> Result<Bytes> {
        match self.copy(id).await {
            Err(error) if error.kind() == ErrorKind::Damaged && self.locator.look_again().await? => self.copy(id).await,
            other => other,
        }
    }

    /// Any whole copy of a block.
    async fn copy(&self, id: &ChunkId) -> Result<Bytes> {
        let locations = self.locator.locate(Kind::Metadata, id).await?;
        let mut error = Error::new(ErrorKind::Damaged, "a metadata block is in no pack").context("block", id);
        for location in &locations {
            match self.read(id, location).await {
                Ok(block) => return Ok(block),
                Err(e) if e.kind() == ErrorKind::Damaged => error = e.context("block", id),
                Err(e) => return Err(e),
            }
        }
        Err(error)
    }

    /// The copy of a chunk, of either kind, that is at this place.
    ///
    /// # Errors
    /// `Damaged` when it is not what it is named after; `AccessDenied`, `Unavailable`.
    pub(crate) async fn read(&self, id: &ChunkId, location: &Location) -> Result<Bytes> {
        let segment = self.segment(location).await?;
        let start = location.offset as usize;
        let block = segment.get(start..start + location.length as usize);
        let block = block.ok_or_else(|| Error::new(ErrorKind::Damaged, "a block lies outside its segment"))?;
        if self.inner.keys.chunk.id(block) != *id {
            return Err(Error::new(ErrorKind::Damaged, "a block's bytes are not the ones it is named after"));
        }
        Ok(segment.slice_ref(block))
    }

    async fn segment(&self, location: &Location) -> Result<Bytes> {
        let place = location.segment;
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find(|(p, _)| *p == place)
            .map(|(_, b)| b.clone());
        if let Some(plain) = kept {
            return Ok(plain);
        }
        let mut sealed = self.fetcher.segment(&place).await?;
        let key = self.fetcher.key(&place.pack, &location.wrapped)?;
        let mut plain = Vec::new();
        // At most a few hundred microseconds: not worth another thread.
        Unpacker::new()?.unpack(&self.inner.config.repository, &key, &place, &mut sealed, &mut plain)?;
        let plain = Bytes::from(plain);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((place, plain.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(plain)
    }
}
