//! A storage in a crate of its own: objects on a shelf in memory.

use async_trait::async_trait;
use backup_core::*;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

type Objects = BTreeMap<Key, (Bytes, SystemTime)>;

/// Clones are the same shelf.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Arc<Mutex<Objects>>);

impl Shelf {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, key: &Key) -> Result<(Bytes, SystemTime)> {
        let object = self.objects().get(key).cloned();
        object.ok_or_else(|| Error::new(ErrorKind::NotFound, "not on the shelf").context("key", key))
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
        self.object(key).map(|(content, modified)| ObjectMeta::new(content.len() as u64, modified))
    }
    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        let objects = self.objects();
        let is_next = |key: &&Key| key.as_str().starts_with(prefix) && after.is_none_or(|after| *key > after);
        let mut keys = objects.keys().filter(is_next).cloned();
        let page: Vec<Key> = keys.by_ref().take(MAX_PAGE).collect();
        let meta = |key: Key| objects.get(&key).map(|(c, time)| (key, ObjectMeta::new(c.len() as u64, *time)));
        Ok(Page { more: keys.next().is_some(), objects: page.into_iter().filter_map(meta).collect() })
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
        let (mut objects, now) = (shelf.objects(), SystemTime::now());
        if mode == PutMode::CreateOnly && objects.contains_key(&key) {
            return Err(Error::new(ErrorKind::AlreadyExists, "the place is taken").context("key", key));
        }
        let meta = ObjectMeta::new(content.len() as u64, now);
        objects.insert(key, (content.into(), now));
        Ok(meta)
    }
    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
