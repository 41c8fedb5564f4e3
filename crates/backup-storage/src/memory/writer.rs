use super::{Memory, Object};
use async_trait::async_trait;
use backup_core::{Error, ErrorKind, Key, ObjectMeta, ObjectWriter, PutMode, Result};
use bytes::Bytes;
use std::collections::btree_map::Entry;

/// An object that is not visible yet.
pub(super) struct Draft {
    memory: Memory,
    key: Key,
    mode: PutMode,
    content: Vec<u8>,
}

impl Draft {
    pub(super) fn new(memory: Memory, key: Key, mode: PutMode) -> Self {
        Draft { memory, key, mode, content: Vec::new() }
    }
}

#[async_trait]
impl ObjectWriter for Draft {
    async fn write(&mut self, part: Bytes) -> Result<()> {
        self.content.extend_from_slice(&part);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<ObjectMeta> {
        let Draft { memory, key, mode, content } = *self;
        let mut state = memory.state();
        let object = Object { key: key.clone(), content: content.into(), modified: state.now };
        let meta = object.meta();
        match (state.objects.entry(key.as_str().to_owned()), mode) {
            (Entry::Occupied(_), PutMode::CreateOnly) => {
                return Err(Error::new(ErrorKind::AlreadyExists, "the object exists").context("key", key));
            }
            (Entry::Occupied(mut taken), PutMode::Replace) => {
                taken.insert(object);
            }
            (Entry::Vacant(free), _) => {
                free.insert(object);
            }
        }
        Ok(meta)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
