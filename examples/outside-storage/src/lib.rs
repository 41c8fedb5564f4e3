//! A storage in a crate of its own: objects on a shelf in memory.

use async_trait::async_trait;
use backup_core::*;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Clones are the same shelf.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Arc<Mutex<BTreeMap<Key, (Bytes, ObjectMeta)>>>);

impl Shelf {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, (Bytes, ObjectMeta)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, key: &Key) -> Result<(Bytes, ObjectMeta)> {
        self.objects().get(key).cloned().ok_or_else(|| Error::new(ErrorKind::NotFound, "not there").context("key", key))
    }
}

struct Unfinished(Shelf, Key, PutMode, Vec<u8>);

#[async_trait]
impl StorageDriver for Shelf {
    fn capabilities(&self) -> Capabilities {
        Capabilities::full()
    }
    fn location(&self) -> String {
        "a shelf".into()
    }
    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        Ok(Box::new(Unfinished(self.clone(), key.clone(), options.mode, Vec::new())))
    }
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        let (content, _) = self.object(key)?;
        let Range { start, end } = range.unwrap_or(0..u64::MAX);
        let at = |offset: u64| usize::try_from(offset).map_or(content.len(), |offset| offset.min(content.len()));
        Ok(Box::new(std::io::Cursor::new(content.slice(at(start)..at(end.max(start))))))
    }
    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        Ok(self.object(key)?.1)
    }
    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        let objects = self.objects();
        let is_next = |(key, _): &(&Key, _)| key.as_str().starts_with(prefix) && after.is_none_or(|after| *key > after);
        let mut next = objects.iter().filter(is_next).map(|(key, (_, meta))| (key.clone(), meta.clone()));
        let page = next.by_ref().take(MAX_PAGE).collect();
        Ok(Page { objects: page, more: next.next().is_some() })
    }
    async fn delete(&self, keys: &[Key]) -> Result<()> {
        self.objects().retain(|key, _| !keys.contains(key));
        Ok(())
    }
}

#[async_trait]
impl ObjectWriter for Unfinished {
    async fn write(&mut self, part: Bytes) -> Result<()> {
        self.3.extend_from_slice(&part);
        Ok(())
    }
    async fn finish(self: Box<Self>) -> Result<ObjectMeta> {
        let Unfinished(shelf, key, mode, content) = *self;
        let mut objects = shelf.objects();
        if mode == PutMode::CreateOnly && objects.contains_key(&key) {
            return Err(Error::new(ErrorKind::AlreadyExists, "the place is taken").context("key", key));
        }
        let meta = ObjectMeta::new(content.len() as u64, SystemTime::now());
        objects.insert(key, (content.into(), meta.clone()));
        Ok(meta)
    }
    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
