mod lie;
mod listing;
mod reading;
mod writer;

pub use lie::Lie;

use async_trait::async_trait;
use backup_core::{
    Capabilities, Error, ErrorKind, Key, MAX_KEY_BYTES, ObjectMeta, ObjectWriter, Page, PutMode, PutOptions, Reader,
    Result, StorageDriver, StorageExt,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use writer::Liar;

/// A storage that breaks one rule of the contract and keeps the others.
#[derive(Clone, Debug)]
pub struct Lying {
    inner: Arc<dyn StorageDriver>,
    lie: Lie,
    memory: Arc<Mutex<Memory>>,
}

/// What some lies have to remember.
#[derive(Debug, Default)]
struct Memory {
    /// Objects whose writers were dropped.
    dropped: Vec<(Key, Bytes)>,
    /// The newest object, which listings do not show yet.
    newest: Option<Key>,
    /// Keys that were deleted once.
    deleted: BTreeSet<Key>,
    /// What all open writers have written.
    shared: Vec<u8>,
    open: usize,
    puts: u32,
}

impl Lying {
    /// Tells one lie about a storage.
    pub fn new(inner: Arc<dyn StorageDriver>, lie: Lie) -> Self {
        Lying { inner, lie, memory: Arc::default() }
    }

    fn tells(&self, lie: Lie) -> bool {
        self.lie == lie
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what dropped writers left.
    async fn catch_up(&self) -> Result<()> {
        let dropped = std::mem::take(&mut self.memory().dropped);
        for (key, content) in dropped {
            self.overwrite(&key, content).await?;
        }
        Ok(())
    }

    async fn overwrite(&self, key: &Key, content: Bytes) -> Result<ObjectMeta> {
        self.inner.put_bytes(key, content, &PutOptions::default().with_mode(PutMode::Replace)).await
    }

    /// The key under which an object really is.
    fn place(&self, key: &Key) -> Result<Key> {
        let text = key.as_str();
        match self.lie {
            Lie::DecodesPercents => Key::new(text.replace("%20", " ").replace("%2F", "-")),
            Lie::FoldsCase => Key::new(text.replace("UPPER", "upper")),
            Lie::CutsLongKeys if text.len() > MAX_KEY_BYTES / 2 => {
                Key::new(text.chars().take(MAX_KEY_BYTES / 2).collect::<String>().trim_end_matches('/'))
            }
            _ => Ok(key.clone()),
        }
    }

    /// Metadata with the times of this lie.
    fn meta(&self, mut meta: ObjectMeta) -> ObjectMeta {
        if self.tells(Lie::TimeOfStatDiffers) {
            meta.modified += Duration::from_secs(3600);
        }
        meta
    }
}

#[async_trait]
impl StorageDriver for Lying {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> String {
        match self.lie {
            Lie::ShowsSecret(secret) => format!("{}?secret={secret}", self.inner.location()),
            _ => self.inner.location(),
        }
    }

    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        self.catch_up().await?;
        let key = self.place(key)?;
        if self.tells(Lie::DeletedKeysStayTaken) && self.memory().deleted.contains(&key) {
            return Err(Error::new(ErrorKind::AlreadyExists, "the object exists").context("key", key));
        }
        let mut options = options.clone();
        match self.lie {
            // The classic: look, then act.
            Lie::TwoWinners if options.mode == PutMode::CreateOnly => {
                if self.inner.stat(&key).await.is_ok() {
                    return Err(Error::new(ErrorKind::AlreadyExists, "the object exists").context("key", key));
                }
                options.mode = PutMode::Replace;
            }
            Lie::CreateReplaces => options.mode = PutMode::Replace,
            Lie::ReplaceCreates => options.mode = PutMode::CreateOnly,
            _ => {}
        }
        Ok(Box::new(Liar::new(self.clone(), key, options)))
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        self.catch_up().await?;
        self.read(&self.place(key)?, range).await
    }

    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        self.catch_up().await?;
        let key = self.place(key)?;
        match self.inner.stat(&key).await {
            Err(missing) if missing.kind() == ErrorKind::NotFound && self.is_folder(&key).await? => {
                Ok(ObjectMeta::new(0, std::time::UNIX_EPOCH))
            }
            other => Ok(self.meta(other?)),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        self.catch_up().await?;
        self.page(prefix, after).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<()> {
        self.catch_up().await?;
        let keys = keys.iter().map(|key| self.place(key)).collect::<Result<Vec<_>>>()?;
        self.memory().deleted.extend(keys.iter().cloned());
        match self.lie {
            Lie::DeleteOfMissingFails => {
                for key in &keys {
                    self.inner.stat(key).await?;
                }
                self.inner.delete(&keys).await
            }
            Lie::DeletesAThousand => self.inner.delete(keys.get(..1000).unwrap_or(&keys)).await,
            Lie::DeletesTheFirst => self.inner.delete(keys.get(..1).unwrap_or(&keys)).await,
            _ => self.inner.delete(&keys).await,
        }
    }
}
