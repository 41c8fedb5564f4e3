use crate::suite::{broken, ensure};
use backup_core::{
    Error, ErrorKind, Key, MAX_PAGE, ObjectMeta, ObjectWriter, PutMode, PutOptions, Result, StorageDriver, StorageExt,
};
use bytes::Bytes;
use std::fmt::{self, Debug};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// The longest object that a case reads back whole.
const LIMIT_BYTES: u64 = 64 << 20;

/// A storage under test and where in it the cases may write.
#[derive(Clone)]
pub struct Subject {
    pub(super) storage: Arc<dyn StorageDriver>,
    pub(super) prefix: String,
    pub(super) canary: Option<String>,
}

impl Subject {
    /// Cases write below `conformance-<random>/`.
    pub fn new(storage: Arc<dyn StorageDriver>) -> Self {
        let random = RandomState::new().hash_one(std::process::id());
        Subject { storage, prefix: format!("conformance-{random:016x}/"), canary: None }
    }

    /// Sets the prefix below which cases write: components with a `/` behind each, or `""`. Nothing else may use it.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Gives the secret that the storage was set up with, so that a case can look for leaks of it.
    #[must_use]
    pub fn with_canary(mut self, secret: impl Into<String>) -> Self {
        self.canary = Some(secret.into());
        self
    }

    pub(super) fn below(&self, case: &str) -> Self {
        let mut subject = self.clone();
        subject.prefix = format!("{}{case}/", self.prefix);
        subject
    }

    pub(super) fn key(&self, name: &str) -> Result<Key> {
        Key::new(format!("{}{name}", self.prefix))
    }

    /// Starts a create-only put.
    pub(super) async fn open(&self, name: &str) -> Result<Box<dyn ObjectWriter>> {
        self.storage.put(&self.key(name)?, &PutOptions::default()).await
    }

    pub(super) async fn put(&self, name: &str, content: impl Into<Bytes>) -> Result<ObjectMeta> {
        self.storage.put_bytes(&self.key(name)?, content.into(), &PutOptions::default()).await
    }

    pub(super) async fn replace(&self, name: &str, content: impl Into<Bytes>) -> Result<ObjectMeta> {
        let options = PutOptions::default().with_mode(PutMode::Replace);
        self.storage.put_bytes(&self.key(name)?, content.into(), &options).await
    }

    /// The object is there and has this content and length.
    pub(super) async fn expect(&self, name: &str, content: &[u8]) -> Result<()> {
        let key = self.key(name)?;
        let there = self.storage.get_bytes(&key, LIMIT_BYTES).await?;
        ensure!(there == content, "{key} has other content than was put: {}", difference(&there, content));
        let size_bytes = self.storage.stat(&key).await?.size_bytes;
        ensure!(size_bytes == content.len() as u64, "stat gives {size_bytes} bytes for {key} of {}", content.len());
        Ok(())
    }

    /// Neither get nor stat nor a listing know the object.
    pub(super) async fn expect_missing(&self, name: &str) -> Result<()> {
        let key = self.key(name)?;
        expect_kind(ErrorKind::NotFound, &format!("get of the missing {key}"), self.read(&key, None).await)?;
        expect_kind(ErrorKind::NotFound, &format!("stat of the missing {key}"), self.storage.stat(&key).await)?;
        let listed = self.names().await?;
        ensure!(listed.iter().all(|listed| listed != name), "{key} is listed but not there");
        Ok(())
    }

    /// What comes out of a get.
    pub(super) async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let reader = self.storage.get(key, range).await?;
        let mut content = Vec::new();
        let read = reader.take(LIMIT_BYTES).read_to_end(&mut content).await;
        read.map_err(|e| Error::io("cannot read an object", e).context("key", key))?;
        Ok(content)
    }

    /// Waits until listings show what was done so far.
    pub(super) async fn settle(&self) {
        if let Some(lag) = self.storage.capabilities().list_lag {
            tokio::time::sleep(lag).await;
        }
    }

    /// The names of all objects of this case, as listed.
    pub(super) async fn names(&self) -> Result<Vec<String>> {
        self.settle().await;
        self.pages(&self.prefix, None).await?.into_iter().map(|(key, _)| self.name(&key)).collect()
    }

    /// The key without this case's prefix.
    pub(super) fn name(&self, key: &Key) -> Result<String> {
        let name = key.as_str().strip_prefix(self.prefix.as_str());
        name.map(str::to_owned).ok_or_else(|| broken(format!("{key} is listed but has another prefix")))
    }

    /// All pages of a listing, each held to the contract.
    pub(super) async fn pages(&self, prefix: &str, after: Option<Key>) -> Result<Vec<(Key, ObjectMeta)>> {
        let mut objects: Vec<(Key, ObjectMeta)> = Vec::new();
        loop {
            let after = objects.last().map(|(key, _)| key).or(after.as_ref()).cloned();
            let page = self.storage.list(prefix, after.as_ref()).await?;
            ensure!(page.objects.len() <= MAX_PAGE, "a page has {} objects", page.objects.len());
            ensure!(!page.more || !page.objects.is_empty(), "a page that is not the last is empty");
            let mut last = after;
            for (key, meta) in page.objects {
                ensure!(last.as_ref().is_none_or(|last| *last < key), "{key} is listed behind {last:?}");
                ensure!(key.as_str().starts_with(prefix), "{key} is listed under {prefix}");
                last = Some(key.clone());
                objects.push((key, meta));
            }
            if !page.more {
                return Ok(objects);
            }
        }
    }

    pub(super) async fn clean(&self) -> Result<()> {
        self.settle().await;
        let left: Vec<Key> = self.storage.list_all(&self.prefix).await?.into_iter().map(|(key, _)| key).collect();
        self.storage.delete(&left).await.map_err(|e| e.context("during", "cleaning up"))
    }
}

impl From<Arc<dyn StorageDriver>> for Subject {
    fn from(storage: Arc<dyn StorageDriver>) -> Self {
        Subject::new(storage)
    }
}

impl Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("storage", &self.storage).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// A call has failed with this kind of error.
pub(super) fn expect_kind<T>(kind: ErrorKind, what: &str, result: Result<T>) -> Result<()> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(broken(format!("{what} gave {:?} instead of {kind:?}", error.kind())).source(error)),
        Ok(_) => Err(broken(format!("{what} succeeded, {kind:?} was expected"))),
    }
}

/// Bytes that do not repeat, the same for the same seed.
pub(super) fn pattern(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

fn difference(there: &[u8], wanted: &[u8]) -> String {
    let common = there.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    format!("{} bytes instead of {}, equal up to {common}", there.len(), wanted.len())
}
