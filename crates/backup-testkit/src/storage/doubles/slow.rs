use super::call::{Counter, Rule};
use super::{Call, Method};
use async_trait::async_trait;
use backup_core::{Capabilities, Key, ObjectMeta, ObjectWriter, Page, PutOptions, Reader, Result, StorageDriver};
use bytes::Bytes;
use std::fmt::{self, Debug};
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long calls take. Time is tokio's, so a test with a paused clock does not wait.
#[derive(Clone)]
pub struct Pace {
    latency: Duration,
    bytes_per_second: Option<NonZeroU64>,
    rule: Rule,
}

impl Pace {
    /// Every call takes so much longer.
    pub fn latency(latency: Duration) -> Self {
        Pace { latency, bytes_per_second: None, rule: Arc::new(|_| true) }
    }

    /// Bytes written and read come no faster than this, each object by itself.
    #[must_use]
    pub fn with_rate(mut self, bytes_per_second: NonZeroU64) -> Self {
        self.bytes_per_second = Some(bytes_per_second);
        self
    }

    /// Slows only the calls that the rule picks.
    #[must_use]
    pub fn when(mut self, rule: impl Fn(&Call<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.rule = Arc::new(rule);
        self
    }

    fn for_bytes(&self, count: usize) -> Duration {
        self.bytes_per_second
            .map_or(Duration::ZERO, |rate| Duration::from_nanos((count as u64).saturating_mul(1_000_000_000) / rate))
    }
}

impl Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pace { latency, bytes_per_second, .. } = self;
        f.debug_struct("Pace")
            .field("latency", latency)
            .field("bytes_per_second", bytes_per_second)
            .finish_non_exhaustive()
    }
}

/// A storage far away.
#[derive(Debug)]
pub struct Slow {
    inner: Arc<dyn StorageDriver>,
    way: Way,
}

#[derive(Clone, Debug)]
struct Way {
    pace: Pace,
    calls: Arc<Counter>,
}

impl Way {
    /// Waits before a call; whether it was picked.
    async fn pass(&self, method: Method, key: &str, bytes: usize) -> bool {
        let picked = (self.pace.rule)(&self.calls.next(method, key));
        let time = self.pace.latency + self.pace.for_bytes(bytes);
        // Even the shortest sleep lasts until the timer's next tick.
        if picked && !time.is_zero() {
            sleep(time).await;
        }
        picked
    }
}

impl Slow {
    /// Puts a way before a storage.
    pub fn new(inner: Arc<dyn StorageDriver>, pace: Pace) -> Self {
        Slow { inner, way: Way { pace, calls: Arc::default() } }
    }
}

#[async_trait]
impl StorageDriver for Slow {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        self.way.pass(Method::Put, key.as_str(), 0).await;
        let inner = self.inner.put(key, options).await?;
        Ok(Box::new(SlowWriter { inner, key: key.clone(), way: self.way.clone() }))
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        let picked = self.way.pass(Method::Get, key.as_str(), 0).await;
        let inner = self.inner.get(key, range).await?;
        if !picked {
            return Ok(inner);
        }
        Ok(Box::new(SlowReader { inner, pace: self.way.pace.clone(), wait: Box::pin(sleep(Duration::ZERO)) }))
    }

    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        self.way.pass(Method::Stat, key.as_str(), 0).await;
        self.inner.stat(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        self.way.pass(Method::List, prefix, 0).await;
        self.inner.list(prefix, after).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<()> {
        self.way.pass(Method::Delete, keys.first().map_or("", Key::as_str), 0).await;
        self.inner.delete(keys).await
    }
}

struct SlowWriter {
    inner: Box<dyn ObjectWriter>,
    key: Key,
    way: Way,
}

#[async_trait]
impl ObjectWriter for SlowWriter {
    async fn write(&mut self, part: Bytes) -> Result<()> {
        self.way.pass(Method::Write, self.key.as_str(), part.len()).await;
        self.inner.write(part).await
    }

    async fn finish(self: Box<Self>) -> Result<ObjectMeta> {
        self.way.pass(Method::Finish, self.key.as_str(), 0).await;
        self.inner.finish().await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.way.pass(Method::Abort, self.key.as_str(), 0).await;
        self.inner.abort().await
    }
}

struct SlowReader {
    inner: Reader,
    pace: Pace,
    /// Until what was read last would have arrived.
    wait: Pin<Box<Sleep>>,
}

impl AsyncRead for SlowReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.wait.as_mut().poll(cx));
        let before = out.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, out))?;
        let until = Instant::now() + self.pace.for_bytes(out.filled().len() - before);
        self.wait.as_mut().reset(until);
        Poll::Ready(Ok(()))
    }
}
