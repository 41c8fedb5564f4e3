//! Objects in memory, with a clock that only moves when it is told to.

mod writer;

use async_trait::async_trait;
use backup_core::{
    Capabilities, Error, ErrorKind, Key, MAX_PAGE, ObjectMeta, ObjectWriter, Page, PutOptions, Reader, Result,
    StorageDriver,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::io::Cursor;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use writer::Draft;

/// Where the clock of a new storage stands: 2026-01-01T00:00:00Z.
const START: Duration = Duration::from_secs(1_767_225_600);

/// A storage in memory: the reference for what a storage does, and deterministic.
///
/// Clones share the objects; [`Memory::fork`] copies them. Time is the storage's own: it begins at
/// 2026-01-01T00:00:00Z and moves by [`Memory::set_time`] and [`Memory::advance`] only.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct State {
    now: SystemTime,
    /// By the text of the key, so that a walk can begin at any prefix.
    objects: BTreeMap<String, Object>,
}

#[derive(Clone)]
struct Object {
    key: Key,
    content: Bytes,
    modified: SystemTime,
}

impl Object {
    fn meta(&self) -> ObjectMeta {
        ObjectMeta::new(self.content.len() as u64, self.modified)
    }
}

impl Memory {
    /// An empty storage.
    pub fn new() -> Self {
        Memory::from(State { now: UNIX_EPOCH + START, objects: BTreeMap::new() })
    }

    /// A separate storage with the same objects at the same time. Unfinished puts are not in it.
    #[must_use]
    pub fn fork(&self) -> Self {
        Memory::from(self.state().clone())
    }

    /// The storage's time.
    pub fn now(&self) -> SystemTime {
        self.state().now
    }

    /// Sets the storage's time, also backwards.
    pub fn set_time(&self, now: SystemTime) {
        self.state().now = now;
    }

    /// Moves the storage's time forward.
    pub fn advance(&self, by: Duration) {
        self.state().now += by;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one call that leaves it whole, so a panic elsewhere harms nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &Key) -> Result<Object> {
        let found = self.state().objects.get(key.as_str()).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such object").context("key", key))
    }
}

impl From<State> for Memory {
    fn from(state: State) -> Self {
        Memory { state: Arc::new(Mutex::new(state)) }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Memory::new()
    }
}

impl Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("objects", &self.state().objects.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl StorageDriver for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities::full()
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        Ok(Box::new(Draft::new(self.clone(), key.clone(), options.mode)))
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        let content = self.find(key)?.content;
        let length = content.len();
        let offset = |wanted: u64| usize::try_from(wanted).map_or(length, |offset| offset.min(length));
        let part = match range {
            None => content,
            Some(range) if range.is_empty() => Bytes::new(),
            Some(range) => content.slice(offset(range.start)..offset(range.end)),
        };
        Ok(Box::new(Cursor::new(part)))
    }

    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        Ok(self.find(key)?.meta())
    }

    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        let state = self.state();
        let from = match after.map(Key::as_str) {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut found = state
            .objects
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(_, object)| (object.key.clone(), object.meta()))
            .take_while(|(key, _)| key.as_str().starts_with(prefix));
        let objects = found.by_ref().take(MAX_PAGE).collect();
        Ok(Page { objects, more: found.next().is_some() })
    }

    async fn delete(&self, keys: &[Key]) -> Result<()> {
        let mut state = self.state();
        for key in keys {
            state.objects.remove(key.as_str());
        }
        Ok(())
    }
}
