//! Sealed segments from the storage, and the keys that open them.

use crate::crypto::{SealKey, WrappedKey};
use crate::format::ids::{ChunkId, PackName, RepositoryId};
use crate::format::snapshot::unwrap_any;
use crate::pack::SegmentPlace;
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Result, StorageExt};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Pack keys that are kept; one is a few hundred bytes.
const MAX_KEYS: usize = 1024;

/// Fetches segments of one repository.
pub(crate) struct Fetcher {
    inner: Arc<Inner>,
    /// By what they were wrapped in: which pack a row says it is for is its writer's word.
    keys: Mutex<HashMap<WrappedKey, Arc<SealKey>>>,
}

impl Fetcher {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Fetcher { inner, keys: Mutex::default() }
    }

    pub(crate) fn repository(&self) -> RepositoryId {
        self.inner.config.repository
    }

    /// The name that these bytes have as a chunk.
    pub(crate) fn chunk_id(&self, content: &[u8]) -> ChunkId {
        self.inner.keys.chunk.id(content)
    }

    /// The key of a pack.
    ///
    /// # Errors
    /// `AccessDenied` when there is no identity here; `Damaged` when none of them opens it: what a row says is its writer's
    /// word, and another row may say it right.
    pub(crate) fn key(&self, pack: &PackName, wrapped: &WrappedKey) -> Result<Arc<SealKey>> {
        let lock = || self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = lock().get(wrapped) {
            return Ok(key.clone());
        }
        let opened = unwrap_any(&self.inner.identities, wrapped).map_err(|error| match error.kind() {
            ErrorKind::AccessDenied if !self.inner.identities.is_empty() => {
                let what = "a pack's key opens with none of the repository's identities; if they were rotated just now, try again";
                Error::new(ErrorKind::Damaged, what).context("pack", pack).source(error)
            }
            _ => error.context("pack", pack),
        });
        let key = Arc::new(SealKey::new(&*opened?)?);
        let mut keys = lock();
        if keys.len() >= MAX_KEYS {
            keys.clear();
        }
        keys.insert(*wrapped, key.clone());
        Ok(key)
    }

    /// The sealed bytes of neighbouring segments of one pack, from the first's start to the last's end, in `buffer`.
    ///
    /// # Errors
    /// `Damaged` when the pack is not there or too short; else what the storage said.
    pub(crate) async fn range(&self, pack: &PackName, start: u32, end: u32, buffer: Vec<u8>) -> Result<Vec<u8>> {
        let range = u64::from(start)..u64::from(end);
        self.inner.storage.read_range(&pack.key()?, range, buffer).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Error::new(ErrorKind::Damaged, "a pack is missing").context("pack", pack).source(error)
            }
            _ => error.context("pack", pack),
        })
    }

    /// One sealed segment.
    ///
    /// # Errors
    /// As [`Fetcher::range`].
    pub(crate) async fn segment(&self, place: &SegmentPlace) -> Result<Vec<u8>> {
        self.range(&place.pack, place.offset, place.offset.saturating_add(place.sealed_len), Vec::new()).await
    }
}
