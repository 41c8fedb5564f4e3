use async_trait::async_trait;
use backup_core::{Batch, Contents, Entry, Error, ErrorKind, FileOpener, Reader, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncReadExt;

/// Takes the contents of one batch into memory, files on two threads.
#[derive(Debug, Clone)]
pub struct Collector {
    batch: Arc<Batch>,
    answers: Arc<Mutex<Answers>>,
}

/// What came, by number of the entry: each answer that was given.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) contents: BTreeMap<u64, Vec<(Entry, Vec<u8>)>>,
    pub(super) unreadable: BTreeMap<u64, Vec<String>>,
}

impl Collector {
    /// For the contents of this batch.
    pub fn new(batch: Arc<Batch>) -> Self {
        Collector { batch, answers: Arc::default() }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Answers {
        std::mem::take(&mut *self.answers())
    }

    fn listed(&self, number: u64) -> Result<&Entry> {
        self.batch.get(number).ok_or_else(|| Error::new(ErrorKind::InvalidInput, "content of an entry of no batch"))
    }

    fn file(&self, opener: &dyn FileOpener, number: u64) -> Result<()> {
        let listed = self.listed(number)?;
        let read = || -> Result<(Entry, Vec<u8>)> {
            let mut reader = opener.open(number)?;
            let opened = reader.opened(listed);
            // Odd, so that pieces and holes do not end together.
            let mut buffer = vec![0; 40_961];
            let mut content = Vec::new();
            loop {
                let got = reader.read(&mut buffer)?;
                content.extend_from_slice(buffer.get(..got).unwrap_or_default());
                if got == 0 {
                    break;
                }
            }
            let entry = reader.finish(listed, content.len() as u64)?;
            let told = (&opened.metadata, opened.size_bytes, &opened.holes);
            if !entry.changed_while_read && told != (&entry.metadata, entry.size_bytes, &entry.holes) {
                return Err(Error::new(ErrorKind::InvalidInput, "it was told otherwise when it was opened"));
            }
            Ok((entry, content))
        };
        match read() {
            Ok(answer) => self.answers().contents.entry(number).or_default().push(answer),
            Err(error) => self.answers().unreadable.entry(number).or_default().push(error.to_string()),
        }
        Ok(())
    }
}

#[async_trait]
impl Contents for Collector {
    async fn files(&self, opener: Arc<dyn FileOpener>, entries: &[u64]) -> Result<()> {
        let halves = entries.split_at(entries.len() / 2);
        let mut threads = Vec::new();
        for half in [halves.0, halves.1] {
            let (collector, opener, half) = (self.clone(), opener.clone(), half.to_vec());
            threads.push(tokio::task::spawn_blocking(move || {
                half.into_iter().try_for_each(|number| collector.file(&*opener, number))
            }));
        }
        for thread in threads {
            thread.await.map_err(|e| Error::new(ErrorKind::Internal, "a reading thread panicked").source(e))??;
        }
        Ok(())
    }

    async fn stream(&self, entry: u64, mut content: Reader) -> Result<u64> {
        let mut listed = self.listed(entry)?.clone();
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).await.map_err(|e| Error::io("cannot read an entry", e))?;
        let length = bytes.len() as u64;
        listed.size_bytes = Some(length);
        self.answers().contents.entry(entry).or_default().push((listed, bytes));
        Ok(length)
    }

    async fn unreadable(&self, entry: u64, reason: String) -> Result<()> {
        self.listed(entry)?;
        self.answers().unreadable.entry(entry).or_default().push(reason);
        Ok(())
    }
}
