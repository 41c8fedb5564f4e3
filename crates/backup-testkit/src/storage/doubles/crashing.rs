use async_trait::async_trait;
use backup_core::{
    Capabilities, Error, ErrorKind, Key, ObjectMeta, ObjectWriter, Page, PutOptions, Reader, Result, StorageDriver,
};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Dies after some effects, as if the process that uses the storage had been killed.
///
/// An effect is the finish of a put or the deletion of one key (so a deletion of many can be cut short), also a refused
/// one. The last effect happens, but neither its answer nor that of any later call arrives: all fail with `Cancelled`, and unfinished puts
/// never become visible. The storage beneath shows what another process would find.
#[derive(Debug)]
pub struct Crashing {
    inner: Arc<dyn StorageDriver>,
    life: Life,
}

#[derive(Clone, Debug)]
struct Life {
    limit: u64,
    effects: Arc<AtomicU64>,
}

impl Life {
    /// `Ok` while alive.
    fn check(&self) -> Result<()> {
        if self.effects.load(SeqCst) >= self.limit { Err(dead()) } else { Ok(()) }
    }

    /// Has an effect, if it is not beyond the last, and its answer, if it is not the last.
    async fn effect<T: Send>(&self, effect: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let number = self.effects.fetch_add(1, SeqCst) + 1;
        if number > self.limit {
            return Err(dead());
        }
        let answer = effect.await?;
        if number == self.limit { Err(dead()) } else { Ok(answer) }
    }
}

fn dead() -> Error {
    Error::new(ErrorKind::Cancelled, "the process has crashed")
}

impl Crashing {
    /// Dies with its `effects`th effect; with 0 it is dead from the start.
    pub fn after(inner: Arc<dyn StorageDriver>, effects: u64) -> Self {
        Crashing { inner, life: Life { limit: effects, effects: Arc::default() } }
    }

    /// How many effects there were; once [`Crashing::is_dead`] those that were tried count too.
    pub fn effects(&self) -> u64 {
        self.life.effects.load(SeqCst)
    }

    /// Whether it died.
    pub fn is_dead(&self) -> bool {
        self.life.check().is_err()
    }
}

#[async_trait]
impl StorageDriver for Crashing {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        self.life.check()?;
        let inner = self.inner.put(key, options).await?;
        Ok(Box::new(CrashingWriter { inner, life: self.life.clone() }))
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        self.life.check()?;
        self.inner.get(key, range).await
    }

    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        self.life.check()?;
        self.inner.stat(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        self.life.check()?;
        self.inner.list(prefix, after).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<()> {
        self.life.check()?;
        for key in keys {
            self.life.effect(self.inner.delete(std::slice::from_ref(key))).await?;
        }
        Ok(())
    }
}

struct CrashingWriter {
    inner: Box<dyn ObjectWriter>,
    life: Life,
}

#[async_trait]
impl ObjectWriter for CrashingWriter {
    async fn write(&mut self, part: Bytes) -> Result<()> {
        self.life.check()?;
        self.inner.write(part).await
    }

    async fn finish(self: Box<Self>) -> Result<ObjectMeta> {
        self.life.effect(self.inner.finish()).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.life.check()?;
        self.inner.abort().await
    }
}
