use super::blocking::blocking;
use super::publish::publish;
use super::root::Root;
use super::temporary::Temporary;
use async_trait::async_trait;
use backup_core::{Error, ErrorKind, Key, ObjectMeta, ObjectWriter, PutMode, Result};
use bytes::Bytes;
use std::io::Write;
use std::sync::Arc;

/// Parts are gathered until so many bytes are there: a change of threads costs more than copying less.
const GATHER_BYTES: usize = 1 << 20;
/// A part of this length is written as it is.
const LARGE_BYTES: usize = 256 << 10;

/// An object that is being written.
pub(super) struct Writer {
    root: Arc<Root>,
    key: Key,
    mode: PutMode,
    /// Gone while a write runs, and for good when it failed or its future was dropped: some bytes are missing then.
    draft: Option<Draft>,
}

struct Draft {
    temporary: Temporary,
    gathered: Vec<u8>,
    length: u64,
}

impl Writer {
    pub(super) fn new(root: Arc<Root>, key: Key, mode: PutMode, temporary: Temporary) -> Self {
        let draft = Draft { temporary, gathered: Vec::new(), length: 0 };
        Writer { root, key, mode, draft: Some(draft) }
    }

    fn take(&mut self) -> Result<Draft> {
        self.draft.take().ok_or_else(|| {
            Error::new(ErrorKind::Cancelled, "an earlier write of this object failed or was dropped")
                .context("key", &self.key)
        })
    }
}

impl Draft {
    /// Writes what was gathered, then `part`.
    fn flush(&mut self, key: &Key, part: &[u8]) -> Result<()> {
        let mut file = &self.temporary.file;
        let written = file.write_all(&self.gathered).and_then(|()| file.write_all(part));
        written.map_err(|e| Error::io("cannot write an object", e).context("key", key))?;
        self.gathered.clear();
        Ok(())
    }
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn write(&mut self, part: Bytes) -> Result<()> {
        let mut draft = self.take()?;
        draft.length += part.len() as u64;
        let fits = draft.gathered.len() + part.len() < GATHER_BYTES;
        self.draft = Some(if fits && part.len() < LARGE_BYTES {
            draft.gathered.extend_from_slice(&part);
            draft
        } else {
            let key = self.key.clone();
            blocking(move || draft.flush(&key, &part).map(|()| draft)).await?
        });
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<ObjectMeta> {
        let mut draft = self.take()?;
        blocking(move || {
            draft.flush(&self.key, &[])?;
            publish(&self.root, &self.key, self.mode, draft.temporary, draft.length)
        })
        .await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        // After a failed write the file is gone already.
        let Some(draft) = self.draft.take() else { return Ok(()) };
        blocking(move || draft.temporary.remove()).await
    }
}
