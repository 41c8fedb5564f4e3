use crate::{Entries, Entry, Error, ErrorKind, FileSink, Reader, Restore, Result, Supply, Totals};
use async_trait::async_trait;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// What passes from a backup to a driver, counted on the way: drivers need not tell damage from other failures.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) totals: Totals,
    pub(super) damage: Vec<Error>,
    content: Arc<Content>,
}

#[derive(Debug, Default)]
struct Content {
    written_bytes: AtomicU64,
    entries_damaged: AtomicU64,
}

impl Content {
    fn note(&self, error: &Error) {
        if error.kind() == ErrorKind::Damaged {
            self.entries_damaged.fetch_add(1, Relaxed);
        }
    }
}

impl Tally {
    pub(super) fn written_bytes(&self) -> u64 {
        self.content.written_bytes.load(Relaxed)
    }

    pub(super) fn entries_damaged(&self) -> u64 {
        self.content.entries_damaged.load(Relaxed)
    }

    /// Restores every entry of the walk, up to where only the restore's end is left. Damaged parts of the listing are noted
    /// and passed over.
    pub(super) async fn pour(&mut self, entries: &mut dyn Entries, restore: &mut dyn Restore) -> Result<()> {
        loop {
            match entries.next().await {
                Ok(Some(batch)) => {
                    batch.entries.iter().for_each(|entry| self.count(entry));
                    let wanted = restore.begin(batch).await?;
                    if !wanted.is_empty() {
                        let supply = Watched { supply: entries.supply(), content: self.content.clone() };
                        restore.put(wanted, &supply).await?;
                    }
                }
                Ok(None) => return entries.supply().settle().await,
                Err(error) if error.kind() == ErrorKind::Damaged => self.damage.push(error),
                Err(error) => return Err(error),
            }
        }
    }

    fn count(&mut self, entry: &Entry) {
        self.totals += Totals {
            entries: 1,
            files: u64::from(entry.has_content()),
            size_bytes: if entry.has_content() { entry.size_bytes.unwrap_or(0) } else { 0 },
        };
    }
}

struct Watched<'a> {
    supply: &'a dyn Supply,
    content: Arc<Content>,
}

#[async_trait]
impl Supply for Watched<'_> {
    async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()> {
        self.supply.files(Arc::new(WatchedSink { sink, content: self.content.clone() }), entries).await
    }

    async fn settle(&self) -> Result<()> {
        self.supply.settle().await
    }

    async fn stream(&self, entry: u64) -> Result<Reader> {
        let reader = self.supply.stream(entry).await.inspect_err(|error| self.content.note(error))?;
        Ok(Box::new(WatchedReader { reader, content: self.content.clone() }))
    }
}

struct WatchedSink {
    sink: Arc<dyn FileSink>,
    content: Arc<Content>,
}

impl FileSink for WatchedSink {
    fn write(&self, entry: u64, offset: u64, data: &[u8]) -> Result<()> {
        self.sink.write(entry, offset, data)?;
        self.content.written_bytes.fetch_add(data.len() as u64, Relaxed);
        Ok(())
    }

    fn finish(&self, entry: u64, result: Result<()>) -> bool {
        if let Err(error) = &result {
            self.content.note(error);
        }
        self.sink.finish(entry, result)
    }
}

struct WatchedReader {
    reader: Reader,
    content: Arc<Content>,
}

impl AsyncRead for WatchedReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let polled = Pin::new(&mut self.reader).poll_read(cx, out);
        match &polled {
            Poll::Ready(Ok(())) => {
                let read = out.filled().len().saturating_sub(before);
                self.content.written_bytes.fetch_add(read as u64, Relaxed);
            }
            Poll::Ready(Err(error)) => {
                if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                    self.content.note(error);
                }
            }
            Poll::Pending => {}
        }
        polled
    }
}
