use async_trait::async_trait;
use backup_core::{
    Backup, Batch, Component, Entries, Entry, Error, ErrorKind, FileSink, MAX_BATCH, Reader, Result, Selection,
    Summary, Supply,
};
use std::io::Cursor;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, empty};

#[derive(Clone, Debug)]
pub(super) struct MemoryBackup {
    pub(super) summary: Summary,
    pub(super) components: Vec<Component>,
    pub(super) parts: Vec<Arc<Kept>>,
}

/// One component's entries in canonical order.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) entries: Vec<KeptEntry>,
}

#[derive(Clone, Debug)]
pub(super) struct KeptEntry {
    pub(super) entry: Entry,
    /// Data bytes in order, holes left out.
    pub(super) content: Vec<u8>,
    pub(super) damaged: bool,
}

impl Kept {
    pub(super) fn damaged(&self, path: &[u8]) -> Self {
        let mut kept = self.clone();
        kept.entries.iter_mut().filter(|e| e.entry.path.to_slashed() == path).for_each(|e| e.damaged = true);
        kept
    }
}

impl Backup for MemoryBackup {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn components(&self) -> &[Component] {
        &self.components
    }

    fn entries(&self, component: usize, selection: &Selection) -> Result<Box<dyn Entries>> {
        let kept = self.parts.get(component);
        let kept =
            kept.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such component").context("number", component))?;
        let taken = kept.entries.iter().filter(|kept| selection.takes(&kept.entry.path)).cloned().collect();
        Ok(Box::new(MemoryEntries { supply: MemorySupply(taken), next: 0 }))
    }
}

struct MemoryEntries {
    supply: MemorySupply,
    next: usize,
}

/// The entries that were selected; their numbers are their places here.
struct MemorySupply(Vec<KeptEntry>);

#[async_trait]
impl Entries for MemoryEntries {
    async fn next(&mut self) -> Result<Option<Arc<Batch>>> {
        let entries: Vec<Entry> =
            self.supply.0.iter().skip(self.next).take(MAX_BATCH).map(|e| e.entry.clone()).collect();
        let batch = Batch { first: self.next as u64, entries };
        self.next += batch.entries.len();
        Ok((!batch.entries.is_empty()).then(|| Arc::new(batch)))
    }

    fn supply(&self) -> &dyn Supply {
        &self.supply
    }
}

fn damaged(kept: &KeptEntry) -> Error {
    Error::new(ErrorKind::Damaged, "damaged on purpose").context("path", &kept.entry.path)
}

impl MemorySupply {
    fn kept(&self, entry: u64) -> Result<&KeptEntry> {
        let kept = usize::try_from(entry).ok().and_then(|entry| self.0.get(entry));
        kept.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "no such entry").context("entry", entry))
    }
}

#[async_trait]
impl Supply for MemorySupply {
    async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()> {
        for number in entries {
            let kept = self.kept(*number)?;
            let written = if kept.damaged { Err(damaged(kept)) } else { write(sink.as_ref(), *number, kept) };
            sink.finish(*number, written);
        }
        Ok(())
    }

    async fn settle(&self) -> Result<()> {
        Ok(())
    }

    async fn stream(&self, entry: u64) -> Result<Reader> {
        let kept = self.kept(entry)?;
        if kept.damaged {
            // The first half is fine: whoever takes it for the whole has not looked at the error.
            let half = kept.content.iter().take(kept.content.len() / 2).copied().collect::<Vec<u8>>();
            return Ok(Box::new(Cursor::new(half).chain(Breaks(Some(damaged(kept))))));
        }
        let mut reader: Reader = Box::new(empty());
        for (data, zeros) in runs(kept) {
            reader = Box::new(reader.chain(Cursor::new(data)).chain(tokio::io::repeat(0).take(zeros)));
        }
        Ok(reader)
    }
}

fn write(sink: &dyn FileSink, number: u64, kept: &KeptEntry) -> Result<()> {
    let mut offset = 0;
    for (data, zeros) in runs(kept) {
        if !data.is_empty() {
            sink.write(number, offset, &data)?;
        }
        offset += data.len() as u64 + zeros;
    }
    Ok(())
}

/// Runs of data, each with the length of the hole behind it.
fn runs(kept: &KeptEntry) -> Vec<(Vec<u8>, u64)> {
    let (mut data, mut at, mut runs) = (kept.content.iter().copied(), 0, Vec::new());
    for hole in &kept.entry.holes {
        let before = usize::try_from(hole.offset.saturating_sub(at)).unwrap_or(usize::MAX);
        runs.push((data.by_ref().take(before).collect(), hole.length));
        at = hole.offset + hole.length;
    }
    runs.push((data.collect(), 0));
    runs
}

/// An error instead of an end.
struct Breaks(Option<Error>);

impl tokio::io::AsyncRead for Breaks {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let error = self.0.take().unwrap_or_else(|| Error::new(ErrorKind::Damaged, "damaged on purpose"));
        std::task::Poll::Ready(Err(error.into()))
    }
}
