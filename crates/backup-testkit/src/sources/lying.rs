use async_trait::async_trait;
use backup_core::{
    Batch, Capture, Component, Contents, Entry, Error, ErrorKind, FileOpener, FileReader, Observer, Outcome, Reader,
    Restore, Result, Session, SourceDescription, SourceDriver, Supply, Wanted,
};
use std::sync::Arc;

/// A rule of the contract that a [`Lying`] source breaks.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// The last two entries of a batch change places.
    Unordered,
    /// Numbers begin with one.
    Misnumbered,
    /// One entry is listed with a hole behind its end.
    HoleBehindEnd,
    /// The last wanted entry of a batch is not answered.
    Unanswered,
    /// What is not wanted is delivered too.
    Overzealous,
    /// It fails unless something is fetched.
    Demanding,
    /// Files end before their end.
    CutShort,
    /// A capture that has not listed anything is finished with success.
    EmptySuccess,
    /// Something holds on after a capture was dropped.
    Lingering,
    /// The last entry of a batch is not restored.
    ForgetsLast,
    /// Damaged content is taken for whole.
    TakesDamaged,
}

impl Lie {
    /// All of them.
    pub const ALL: &[Lie] = &[
        Lie::Unordered,
        Lie::Misnumbered,
        Lie::HoleBehindEnd,
        Lie::Unanswered,
        Lie::Overzealous,
        Lie::Demanding,
        Lie::CutShort,
        Lie::EmptySuccess,
        Lie::Lingering,
        Lie::ForgetsLast,
        Lie::TakesDamaged,
    ];
}

/// A source of the same entries that breaks one rule: the suite must notice.
#[derive(Debug)]
pub struct Lying {
    inner: Arc<dyn SourceDriver>,
    lie: Lie,
}

impl Lying {
    /// Lies about what `inner` does.
    pub fn new(inner: Arc<dyn SourceDriver>, lie: Lie) -> Self {
        Lying { inner, lie }
    }
}

#[async_trait]
impl SourceDriver for Lying {
    fn describe(&self) -> SourceDescription {
        self.inner.describe()
    }

    async fn probe(&self, at: &dyn Session) -> Result<Vec<String>> {
        self.inner.probe(at).await
    }

    async fn capture(&self, at: Arc<dyn Session>, observer: Arc<dyn Observer>) -> Result<Box<dyn Capture>> {
        if self.lie == Lie::Lingering {
            std::mem::forget(observer.clone());
        }
        let inner = self.inner.capture(at, observer).await?;
        Ok(Box::new(LyingCapture { inner, lie: self.lie, batch: Arc::default(), fetched: false }))
    }

    async fn restore(
        &self,
        at: Arc<dyn Session>,
        component: &Component,
        observer: Arc<dyn Observer>,
    ) -> Result<Box<dyn Restore>> {
        Ok(Box::new(LyingRestore { inner: self.inner.restore(at, component, observer).await?, lie: self.lie }))
    }
}

struct LyingCapture {
    inner: Box<dyn Capture>,
    lie: Lie,
    batch: Arc<Batch>,
    fetched: bool,
}

#[async_trait]
impl Capture for LyingCapture {
    async fn list(&mut self) -> Result<Option<Arc<Batch>>> {
        let Some(batch) = self.inner.list().await? else { return Ok(None) };
        let mut told = (*batch).clone();
        match self.lie {
            Lie::Unordered => {
                let last = told.entries.len().saturating_sub(2);
                if let Some([before, after]) = told.entries.get_mut(last..) {
                    std::mem::swap(before, after);
                }
            }
            Lie::Misnumbered => told.first += 1,
            Lie::HoleBehindEnd => {
                if let Some(entry) = told.entries.iter_mut().find(|entry| entry.has_content()) {
                    let offset = entry.size_bytes.unwrap_or(0);
                    entry.holes.push(backup_core::Hole { offset, length: 1 });
                }
            }
            _ => {}
        }
        self.batch = Arc::new(told);
        Ok(Some(self.batch.clone()))
    }

    async fn fetch(&mut self, mut wanted: Wanted, contents: &dyn Contents) -> Result<()> {
        self.fetched = true;
        match self.lie {
            Lie::Misnumbered => wanted.0.iter_mut().for_each(|number| *number -= 1),
            Lie::Unanswered => drop(wanted.0.pop()),
            Lie::Overzealous => {
                let with_content = self.batch.numbered().filter(|(_, entry)| entry.has_content());
                wanted.0 = with_content.map(|(number, _)| number).collect();
            }
            Lie::CutShort => return self.inner.fetch(wanted, &Cutting(contents)).await,
            _ => {}
        }
        self.inner.fetch(wanted, contents).await
    }

    async fn finish(self: Box<Self>) -> Result<Outcome> {
        if self.lie == Lie::Demanding && !self.fetched {
            return Err(Error::new(ErrorKind::ProducerFailed, "nothing was fetched"));
        }
        match self.inner.finish().await {
            Err(_) if self.lie == Lie::EmptySuccess => Ok(Outcome::default()),
            finished => finished,
        }
    }
}

/// Contents whose files end after one piece.
struct Cutting<'a>(&'a dyn Contents);

#[async_trait]
impl Contents for Cutting<'_> {
    async fn files(&self, opener: Arc<dyn FileOpener>, entries: &[u64]) -> Result<()> {
        self.0.files(Arc::new(CuttingOpener(opener)), entries).await
    }

    async fn stream(&self, entry: u64, content: Reader) -> Result<u64> {
        self.0.stream(entry, content).await
    }

    async fn unreadable(&self, entry: u64, reason: String) -> Result<()> {
        self.0.unreadable(entry, reason).await
    }
}

struct CuttingOpener(Arc<dyn FileOpener>);

impl FileOpener for CuttingOpener {
    fn open(&self, entry: u64) -> Result<Box<dyn FileReader>> {
        Ok(Box::new(CuttingReader { inner: self.0.open(entry)?, read: 0 }))
    }
}

struct CuttingReader {
    inner: Box<dyn FileReader>,
    read: u64,
}

impl FileReader for CuttingReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.read > 0 {
            // Read it, so that the end is told as if all had come.
            while self.inner.read(buffer)? > 0 {}
            return Ok(0);
        }
        let got = self.inner.read(buffer.get_mut(..1).unwrap_or_default())?;
        self.read += got as u64;
        Ok(got)
    }

    fn opened(&mut self, listed: &Entry) -> Entry {
        self.inner.opened(listed)
    }

    fn finish(self: Box<Self>, listed: &Entry, _: u64) -> Result<Entry> {
        let mut entry = listed.clone();
        entry.changed_while_read = false;
        Ok(entry)
    }
}

struct LyingRestore {
    inner: Box<dyn Restore>,
    lie: Lie,
}

#[async_trait]
impl Restore for LyingRestore {
    async fn begin(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        if self.lie != Lie::ForgetsLast {
            return self.inner.begin(batch).await;
        }
        let mut kept = (*batch).clone();
        kept.entries.pop();
        self.inner.begin(Arc::new(kept)).await
    }

    async fn put(&mut self, wanted: Wanted, supply: &dyn Supply) -> Result<()> {
        self.inner.put(wanted, supply).await
    }

    async fn finish(self: Box<Self>) -> Result<Outcome> {
        let mut outcome = self.inner.finish().await?;
        if self.lie == Lie::TakesDamaged {
            outcome.failures.clear();
        }
        Ok(outcome)
    }
}
