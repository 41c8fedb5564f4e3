use super::call::{Counter, Rule};
use super::{Call, Method};
use async_trait::async_trait;
use backup_core::{
    Capabilities, Error, ErrorKind, Key, ObjectMeta, ObjectWriter, Page, PutOptions, Reader, Result, StorageDriver,
};
use bytes::Bytes;
use std::fmt::{self, Debug};
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// When in a call the fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The call has no effect.
    Before,
    /// The call has its effect, and its answer is lost. A get breaks off in the middle of its bytes.
    After,
}

/// Which calls fail, and how.
#[derive(Clone)]
pub struct FaultPlan {
    rule: Rule,
    kind: ErrorKind,
    moment: Moment,
}

impl FaultPlan {
    /// Fails each call that the rule picks, with `Unavailable`, before its effect.
    pub fn when(rule: impl Fn(&Call<'_>) -> bool + Send + Sync + 'static) -> Self {
        FaultPlan { rule: Arc::new(rule), kind: ErrorKind::Unavailable, moment: Moment::Before }
    }

    /// Fails no call; for counting them.
    pub fn never() -> Self {
        FaultPlan::when(|_| false)
    }

    /// Fails one call, counted from 1 over all methods.
    pub fn nth(number: u64) -> Self {
        FaultPlan::when(move |call| call.number == number)
    }

    /// Fails this call, counted from 1, and all behind it.
    pub fn from(number: u64) -> Self {
        FaultPlan::when(move |call| call.number >= number)
    }

    /// Fails no call; just before the first one that the rule picks, `then` happens, as if somebody else did it. It cannot
    /// wait: it is for storages in memory.
    pub fn meanwhile(
        rule: impl Fn(&Call<'_>) -> bool + Send + Sync + 'static,
        then: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let then = Mutex::new(Some(Box::pin(then)));
        FaultPlan::when(move |call| {
            let first = then.lock().unwrap_or_else(PoisonError::into_inner).take_if(|_| rule(call));
            if let Some(mut then) = first {
                assert!(then.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready(), "it waits");
            }
            false
        })
    }

    /// Sets the kind of the errors.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets when in a call they come.
    #[must_use]
    pub fn with_moment(mut self, moment: Moment) -> Self {
        self.moment = moment;
        self
    }
}

impl Debug for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaultPlan { kind, moment, .. } = self;
        f.debug_struct("FaultPlan").field("kind", kind).field("moment", moment).finish_non_exhaustive()
    }
}

/// Fails calls by plan.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn StorageDriver>,
    faults: Faults,
}

#[derive(Clone, Debug)]
struct Faults {
    plan: FaultPlan,
    calls: Arc<Counter>,
    failed: Arc<AtomicU64>,
}

impl Faulty {
    /// Puts a plan before a storage.
    pub fn new(inner: Arc<dyn StorageDriver>, plan: FaultPlan) -> Self {
        Faulty { inner, faults: Faults { plan, calls: Arc::default(), failed: Arc::default() } }
    }

    /// How many calls there were, those of writers included.
    pub fn calls(&self) -> u64 {
        self.faults.calls.so_far()
    }

    /// How many of them were made to fail.
    pub fn failed(&self) -> u64 {
        self.faults.failed.load(Relaxed)
    }
}

impl Faults {
    /// Counts a call; an error if it is to fail.
    fn next(&self, method: Method, key: &str) -> Option<Error> {
        let call = self.calls.next(method, key);
        (self.plan.rule)(&call).then(|| {
            self.failed.fetch_add(1, Relaxed);
            Error::new(self.plan.kind, "a planned fault")
                .context("method", format!("{method:?}"))
                .context("key", key)
                .context("call", call.number)
        })
    }

    /// Does a call, or its effect and then not, or nothing of it.
    async fn pass<T: Send>(
        &self,
        method: Method,
        key: &str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match (self.next(method, key), self.plan.moment) {
            (None, _) => call.await,
            (Some(fault), Moment::Before) => Err(fault),
            (Some(fault), Moment::After) => call.await.and(Err(fault)),
        }
    }
}

#[async_trait]
impl StorageDriver for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        let inner = self.faults.pass(Method::Put, key.as_str(), self.inner.put(key, options)).await?;
        Ok(Box::new(FaultyWriter { inner, key: key.clone(), faults: self.faults.clone() }))
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        let Some(fault) = self.faults.next(Method::Get, key.as_str()) else {
            return self.inner.get(key, range).await;
        };
        if self.faults.plan.moment == Moment::Before {
            return Err(fault);
        }
        let size_bytes = self.inner.stat(key).await?.size_bytes;
        let reader = self.inner.get(key, range.clone()).await?;
        let range = range.unwrap_or(0..size_bytes);
        let half = range.end.min(size_bytes).saturating_sub(range.start) / 2;
        Ok(Box::new(reader.take(half).chain(Break(Some(fault)))))
    }

    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        self.faults.pass(Method::Stat, key.as_str(), self.inner.stat(key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        self.faults.pass(Method::List, prefix, self.inner.list(prefix, after)).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<()> {
        let first = keys.first().map_or("", Key::as_str);
        self.faults.pass(Method::Delete, first, self.inner.delete(keys)).await
    }
}

struct FaultyWriter {
    inner: Box<dyn ObjectWriter>,
    key: Key,
    faults: Faults,
}

#[async_trait]
impl ObjectWriter for FaultyWriter {
    async fn write(&mut self, part: Bytes) -> Result<()> {
        self.faults.pass(Method::Write, self.key.as_str(), self.inner.write(part)).await
    }

    async fn finish(self: Box<Self>) -> Result<ObjectMeta> {
        self.faults.pass(Method::Finish, self.key.as_str(), self.inner.finish()).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.faults.pass(Method::Abort, self.key.as_str(), self.inner.abort()).await
    }
}

/// A reader that has nothing but an error.
struct Break(Option<Error>);

impl AsyncRead for Break {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.0.take() {
            Some(fault) => Err(fault.into()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }
}
