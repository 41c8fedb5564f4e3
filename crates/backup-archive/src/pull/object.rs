use super::damaged;
use crate::manifest::Stored;
use backup_core::{Error, Key, Reader, Result, Spare, StorageDriver, StorageExt};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// One object of the folder.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    storage: Arc<dyn StorageDriver>,
    key: Key,
    /// How long the manifest says it is.
    pub(crate) bytes: u64,
}

impl Object {
    /// An object that a manifest names.
    ///
    /// # Errors
    /// `Damaged` when it cannot lie beside the manifest.
    pub(crate) fn new(storage: Arc<dyn StorageDriver>, stored: &Stored) -> Result<Self> {
        let name = &stored.object;
        let bad = || damaged("a manifest names an object that cannot lie beside it").context("object", name);
        let key = Key::new(name).map_err(|e| bad().source(e))?;
        if name.contains('/') {
            return Err(bad());
        }
        Ok(Object { storage, key, bytes: stored.stored.bytes })
    }

    /// The bytes of a range whose length the caller has bounded, in used memory.
    pub(crate) async fn range(&self, range: Range<u64>, spare: &Spare) -> Result<Vec<u8>> {
        self.storage.read_range(&self.key, range, spare.take()).await
    }

    /// All bytes, in memory, of an object whose length the caller has bounded.
    pub(crate) async fn whole(&self) -> Result<Bytes> {
        let whole = self.storage.get_bytes(&self.key, self.bytes).await?;
        if whole.len() as u64 != self.bytes {
            return Err(self.on(damaged("an object is shorter than its manifest says")));
        }
        Ok(whole)
    }

    /// All bytes, as a stream.
    pub(crate) async fn stream(&self) -> Result<Reader> {
        self.storage.get(&self.key, Some(0..self.bytes)).await
    }

    /// An error of this object.
    pub(crate) fn on(&self, error: Error) -> Error {
        error.context("object", &self.key)
    }
}
