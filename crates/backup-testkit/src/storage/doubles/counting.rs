use super::Method;
use async_trait::async_trait;
use backup_core::{Capabilities, Key, ObjectMeta, ObjectWriter, Page, PutOptions, Reader, Result, StorageDriver};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// How often and with how much something was called.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls, also those that failed. A deletion counts once for each of its keys.
    pub calls: u64,
    /// Bytes written, or handed out by readers.
    pub bytes: u64,
    /// Different keys (of listings: prefixes).
    pub keys: u64,
}

/// Counts calls and bytes by method and key.
#[derive(Debug)]
pub struct Counting {
    inner: Arc<dyn StorageDriver>,
    tallies: Tallies,
}

#[derive(Clone, Debug, Default)]
struct Tallies(Arc<Mutex<BTreeMap<(Method, String), Tally>>>);

impl Tallies {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Method, String), Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, method: Method, key: &str, calls: u64, bytes: u64) {
        let mut tallies = self.lock();
        let tally = tallies.entry((method, key.to_owned())).or_default();
        tally.calls += calls;
        tally.bytes += bytes;
    }
}

impl Counting {
    /// Counts what goes to `inner` from now on.
    pub fn new(inner: Arc<dyn StorageDriver>) -> Self {
        Counting { inner, tallies: Tallies::default() }
    }

    /// All calls of a method.
    pub fn tally(&self, method: Method) -> Tally {
        self.tally_under(method, "")
    }

    /// The calls of a method on keys that begin with `prefix`; of listings, on such prefixes.
    pub fn tally_under(&self, method: Method, prefix: &str) -> Tally {
        let tallies = self.tallies.lock();
        let matching = tallies.iter().filter(|((called, key), _)| *called == method && key.starts_with(prefix));
        matching.fold(Tally::default(), |sum, (_, tally)| Tally {
            calls: sum.calls + tally.calls,
            bytes: sum.bytes + tally.bytes,
            keys: sum.keys + 1,
        })
    }

    /// Begins anew.
    pub fn reset(&self) {
        self.tallies.lock().clear();
    }
}

#[async_trait]
impl StorageDriver for Counting {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        self.tallies.add(Method::Put, key.as_str(), 1, 0);
        let inner = self.inner.put(key, options).await?;
        Ok(Box::new(CountingWriter { inner, key: key.clone(), tallies: self.tallies.clone() }))
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        self.tallies.add(Method::Get, key.as_str(), 1, 0);
        let inner = self.inner.get(key, range).await?;
        Ok(Box::new(CountingReader { inner, key: key.clone(), tallies: self.tallies.clone() }))
    }

    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        self.tallies.add(Method::Stat, key.as_str(), 1, 0);
        self.inner.stat(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        self.tallies.add(Method::List, prefix, 1, 0);
        self.inner.list(prefix, after).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<()> {
        for key in keys {
            self.tallies.add(Method::Delete, key.as_str(), 1, 0);
        }
        self.inner.delete(keys).await
    }
}

struct CountingWriter {
    inner: Box<dyn ObjectWriter>,
    key: Key,
    tallies: Tallies,
}

#[async_trait]
impl ObjectWriter for CountingWriter {
    async fn write(&mut self, part: Bytes) -> Result<()> {
        self.tallies.add(Method::Write, self.key.as_str(), 1, part.len() as u64);
        self.inner.write(part).await
    }

    async fn finish(self: Box<Self>) -> Result<ObjectMeta> {
        self.tallies.add(Method::Finish, self.key.as_str(), 1, 0);
        self.inner.finish().await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.tallies.add(Method::Abort, self.key.as_str(), 1, 0);
        self.inner.abort().await
    }
}

struct CountingReader {
    inner: Reader,
    key: Key,
    tallies: Tallies,
}

impl AsyncRead for CountingReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, out))?;
        let read = out.filled().len() - before;
        self.tallies.add(Method::Get, self.key.as_str(), 0, read as u64);
        Poll::Ready(Ok(()))
    }
}
