use async_trait::async_trait;
use backup_core::{Capabilities, Key, ObjectMeta, ObjectWriter, Page, PutOptions, Reader, Result, StorageDriver};
use std::ops::Range;
use std::sync::Arc;

/// Does what the storage beneath does, and promises other things.
#[derive(Debug)]
pub struct Modest {
    inner: Arc<dyn StorageDriver>,
    capabilities: Capabilities,
}

impl Modest {
    /// Puts these capabilities in the place of the storage's.
    pub fn new(inner: Arc<dyn StorageDriver>, capabilities: Capabilities) -> Self {
        Modest { inner, capabilities }
    }
}

#[async_trait]
impl StorageDriver for Modest {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        self.inner.put(key, options).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        self.inner.get(key, range).await
    }

    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        self.inner.stat(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        self.inner.list(prefix, after).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<()> {
        self.inner.delete(keys).await
    }
}
