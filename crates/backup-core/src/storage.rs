use crate::{Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::{self, Debug};
use std::ops::Range;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A stream of bytes to read from.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// A stream of bytes to write to.
pub type Writer = Box<dyn tokio::io::AsyncWrite + Send + Unpin>;

/// The longest key, in bytes (the limit of S3).
pub const MAX_KEY_BYTES: usize = 1024;

/// The name of an object: UTF-8 components joined by `/`.
///
/// Every key is safe as a relative path: no component is empty, `.` or `..`, and there are no control characters.
/// Keys compare as whole strings of bytes, the order in which S3 lists.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// A checked key.
    ///
    /// # Errors
    /// `InvalidInput` when it breaks a rule above or is longer than [`MAX_KEY_BYTES`].
    pub fn new(key: impl Into<String>) -> Result<Self> {
        let key = key.into();
        let bad = key.len() > MAX_KEY_BYTES
            || key.chars().any(char::is_control)
            || key.split('/').any(|component| matches!(component, "" | "." | ".."));
        if bad {
            Err(Error::new(ErrorKind::InvalidInput, "not a valid object key").context("key", key))
        } else {
            Ok(Key(key))
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// What a storage knows of an object.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Length in bytes.
    pub size_bytes: u64,
    /// When it became visible, by the storage's clock.
    pub modified: SystemTime,
}

impl ObjectMeta {
    /// Metadata of an object.
    pub fn new(size_bytes: u64, modified: SystemTime) -> Self {
        ObjectMeta { size_bytes, modified }
    }
}

/// Whether a put may replace an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PutMode {
    /// Fail with `AlreadyExists` when the key is taken; of several racing puts one wins.
    #[default]
    CreateOnly,
    /// Replace what is there. No repository or archive is written so; `doctor` is.
    Replace,
}

/// How to put.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// Whether it may replace.
    pub mode: PutMode,
    /// The final length, where it is known before.
    pub size_hint_bytes: Option<u64>,
}

impl PutOptions {
    /// Sets the mode.
    #[must_use]
    pub fn with_mode(mut self, mode: PutMode) -> Self {
        self.mode = mode;
        self
    }

    /// Says how long the object will be.
    #[must_use]
    pub fn with_size_hint(mut self, size_bytes: u64) -> Self {
        self.size_hint_bytes = Some(size_bytes);
        self
    }
}

/// What a storage can do.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Create-only puts have exactly one winner.
    pub create_only: bool,
    /// A listing may miss objects younger than this; `None` when every listing shows every finished put.
    pub list_lag: Option<Duration>,
}

impl Capabilities {
    /// Everything the repository protocol wants.
    pub fn full() -> Self {
        Capabilities { create_only: true, list_lag: None }
    }

    /// Sets whether create-only puts have one winner.
    #[must_use]
    pub fn with_create_only(mut self, create_only: bool) -> Self {
        self.create_only = create_only;
        self
    }

    /// Sets how long a listing may lag.
    #[must_use]
    pub fn with_list_lag(mut self, list_lag: Option<Duration>) -> Self {
        self.list_lag = list_lag;
        self
    }
}

/// The most objects on one page of a listing.
pub const MAX_PAGE: usize = 1000;

/// One page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// At most [`MAX_PAGE`] objects in ascending order of their keys.
    pub objects: Vec<(Key, ObjectMeta)>,
    /// Whether objects after the last of these may exist. A page that is not the last holds at least one.
    pub more: bool,
}

/// A place where immutable named objects are kept.
///
/// Every method may be called from many tasks at once. A future that is dropped leaves either nothing or the whole
/// effect, never a part that another client can see.
#[async_trait]
pub trait StorageDriver: Debug + Send + Sync {
    /// What this storage can do; constant over its life.
    fn capabilities(&self) -> Capabilities;

    /// Where this is, for people: no secret in it.
    fn location(&self) -> String;

    /// Starts an object. Nobody sees it before [`ObjectWriter::finish`] has returned.
    ///
    /// # Errors
    /// `AlreadyExists` may come here already or only at the end; `AccessDenied`, `NoSpace`, `Unavailable`.
    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>>;

    /// The object's bytes, or those of `range` (offsets; an end past the object's is cut; a range that begins at or
    /// past the end, or is empty, gives no bytes and no error).
    ///
    /// # Errors
    /// `NotFound`, `AccessDenied`, `Unavailable`; later errors come out of the reader.
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader>;

    /// Size and time of one object.
    ///
    /// # Errors
    /// `NotFound`, `AccessDenied`, `Unavailable`.
    async fn stat(&self, key: &Key) -> Result<ObjectMeta>;

    /// Objects whose key begins with the bytes of `prefix` (any prefix, `""` for all), after `after`.
    /// A prefix under which nothing lies gives an empty page. Unfinished puts never appear.
    ///
    /// # Errors
    /// `AccessDenied`, `Unavailable`.
    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page>;

    /// Deletes objects. Deleting what does not exist succeeds. On an error some may be gone; calling again is safe.
    ///
    /// # Errors
    /// `AccessDenied` (object lock, policy), `Unavailable`.
    async fn delete(&self, keys: &[Key]) -> Result<()>;
}

/// An object being written. Dropping it is an abort.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Appends. Any number of parts of any length.
    ///
    /// # Errors
    /// `NoSpace`, `Unavailable`; the writer is of no use afterwards.
    async fn write(&mut self, part: Bytes) -> Result<()>;

    /// Makes the object visible, durable, and gives its metadata with the storage's time.
    ///
    /// # Errors
    /// `AlreadyExists` when the key is taken and the mode is create-only. After `Unavailable` the object may or may
    /// not be there; a create-only put that is tried again and finds its own bytes has succeeded.
    async fn finish(self: Box<Self>) -> Result<ObjectMeta>;

    /// Gives up: nothing of it stays.
    ///
    /// # Errors
    /// When leftovers could not be removed; they are never visible as objects.
    async fn abort(self: Box<Self>) -> Result<()>;
}

/// What every storage can do with the five calls of its driver.
#[async_trait]
pub trait StorageExt: StorageDriver {
    /// Puts a whole object in one call.
    ///
    /// # Errors
    /// As [`StorageDriver::put`] and [`ObjectWriter::finish`].
    async fn put_bytes(&self, key: &Key, content: Bytes, options: &PutOptions) -> Result<ObjectMeta> {
        let options = options.clone().with_size_hint(content.len() as u64);
        let mut writer = self.put(key, &options).await?;
        writer.write(content).await?;
        writer.finish().await
    }

    /// Creates an object; finding one with the very same bytes counts as success (a lost answer).
    ///
    /// # Errors
    /// `AlreadyExists` when somebody else's object stands there.
    async fn create(&self, key: &Key, content: Bytes) -> Result<ObjectMeta> {
        match self.put_bytes(key, content.clone(), &PutOptions::default()).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let there = self.get_bytes(key, content.len() as u64 + 1).await;
                if matches!(there, Ok(bytes) if bytes == content) { self.stat(key).await } else { Err(error) }
            }
            other => other,
        }
    }

    /// A whole object of at most `limit_bytes`.
    ///
    /// # Errors
    /// `Damaged` when it is longer; else as [`StorageDriver::get`].
    async fn get_bytes(&self, key: &Key, limit_bytes: u64) -> Result<Bytes> {
        let reader = self.get(key, None).await?;
        let mut content = Vec::new();
        reader
            .take(limit_bytes.saturating_add(1))
            .read_to_end(&mut content)
            .await
            .map_err(|e| Error::io("cannot read an object", e).context("key", key))?;
        if content.len() as u64 > limit_bytes {
            return Err(Error::new(ErrorKind::Damaged, "an object is longer than it can be")
                .context("key", key)
                .context("limit_bytes", limit_bytes));
        }
        Ok(content.into())
    }

    /// Exactly the bytes of `range`, in fresh memory. The caller bounds its length.
    ///
    /// # Errors
    /// As [`StorageExt::read_range`].
    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        self.read_range(key, range, Vec::new()).await
    }

    /// Exactly the bytes of `range`, in the memory of `buffer`, whatever that holds: for who reads much. The caller bounds
    /// the range's length.
    ///
    /// # Errors
    /// `Damaged` when the object ends before the range does; else as [`StorageDriver::get`].
    async fn read_range(&self, key: &Key, range: Range<u64>, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        let length = range.end.saturating_sub(range.start);
        let reader = self.get(key, Some(range.clone())).await?;
        buffer.clear();
        buffer.reserve(usize::try_from(length).unwrap_or(0).min(64 << 20));
        reader
            .take(length)
            .read_to_end(&mut buffer)
            .await
            .map_err(|e| Error::io("cannot read an object", e).context("key", key))?;
        if buffer.len() as u64 != length {
            return Err(Error::new(ErrorKind::Damaged, "an object is shorter than it must be")
                .context("key", key)
                .context("range", format!("{}..{}", range.start, range.end))
                .context("got_bytes", buffer.len()));
        }
        Ok(buffer)
    }

    /// Every object under a prefix, page after page.
    ///
    /// # Errors
    /// As [`StorageDriver::list`]; `Damaged` when the storage's pages do not advance.
    async fn list_all(&self, prefix: &str) -> Result<Vec<(Key, ObjectMeta)>> {
        let mut objects: Vec<(Key, ObjectMeta)> = Vec::new();
        loop {
            let after = objects.last().map(|(key, _)| key.clone());
            let page = self.list(prefix, after.as_ref()).await?;
            let advanced = match (page.objects.first(), &after) {
                (Some((first, _)), Some(after)) => first > after,
                (Some(_), None) => true,
                (None, _) => !page.more,
            };
            if !advanced {
                return Err(
                    Error::new(ErrorKind::Damaged, "the storage's listing does not advance").context("prefix", prefix)
                );
            }
            objects.extend(page.objects);
            if !page.more {
                return Ok(objects);
            }
        }
    }
}

impl<S: StorageDriver + ?Sized> StorageExt for S {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_safe_relative_paths() {
        for good in ["a", "packs/0f/x-1", "ä b/..c/.d", "a..b"] {
            assert!(Key::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", ".", "a/../b", "a\nb", "a\0b"] {
            assert_eq!(Key::new(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
        assert!(Key::new("x".repeat(MAX_KEY_BYTES + 1)).is_err());
    }
}
