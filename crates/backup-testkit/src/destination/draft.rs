use super::MemoryDestination;
use super::backup::{Kept, KeptEntry, MemoryBackup};
use async_trait::async_trait;
use backup_core::{
    BackupId, Batch, Committed, Component, ComponentSpec, Contents, Draft, Entry, Error, ErrorKind, FileOpener, Ingest,
    Outcome, PushStats, Reader, Result, Spec, Status, Summary, Totals, TreePath, Wanted,
};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::AsyncReadExt;

pub(super) struct MemoryDraft {
    to: MemoryDestination,
    id: BackupId,
    spec: Spec,
    parts: Vec<(Component, Arc<Kept>)>,
    read_bytes: u64,
}

impl MemoryDraft {
    pub(super) fn new(to: MemoryDestination, id: BackupId, spec: Spec) -> Self {
        MemoryDraft { to, id, spec, parts: Vec::new(), read_bytes: 0 }
    }
}

#[async_trait]
impl Draft for MemoryDraft {
    async fn component(&mut self, component: ComponentSpec) -> Result<Box<dyn Ingest>> {
        Ok(Box::new(MemoryIngest { spec: component, arriving: Arriving::default() }))
    }

    async fn accept(&mut self, ingest: Box<dyn Ingest>, mut outcome: Outcome) -> Result<Component> {
        let ingest = ingest.into_any().downcast::<MemoryIngest>();
        let ingest = ingest.map_err(|_| Error::new(ErrorKind::Internal, "another destination's component"))?;
        let MemoryIngest { spec, arriving } = *ingest;
        let state = arriving.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut kept = Kept::default();
        if outcome.fatal.is_none() {
            for (path, answer) in state.answers {
                match answer {
                    Answer::Content(entry, content) => {
                        kept.entries.push(KeptEntry { entry: *entry, content, damaged: false })
                    }
                    Answer::Unreadable(reason) => outcome.fail(path, reason),
                    Answer::Awaited => {
                        return Err(
                            Error::new(ErrorKind::Internal, "a wanted entry was never answered").context("path", path)
                        );
                    }
                }
            }
        }
        let mut totals = Totals::default();
        for KeptEntry { entry, content, .. } in &kept.entries {
            let files = u64::from(entry.has_content());
            totals += Totals { entries: 1, files, size_bytes: content.len() as u64 };
        }
        self.read_bytes += totals.size_bytes;
        let status = match &outcome {
            Outcome { fatal: Some(_), .. } => Status::Incomplete,
            outcome if outcome.failed() > 0 => Status::Partial,
            _ => Status::Complete,
        };
        let component = Component::new(spec, status, outcome, totals);
        self.parts.retain(|(other, _)| other.spec.name != component.spec.name);
        self.parts.push((component.clone(), Arc::new(kept)));
        Ok(component)
    }

    async fn commit(self: Box<Self>) -> Result<Committed> {
        let Spec { name, host, tags, started, .. } = self.spec;
        let mut summary = Summary::new(self.id, name, host, started.unwrap_or_else(SystemTime::now));
        summary.duration = Duration::ZERO;
        summary.tags = tags;
        let mut stats = PushStats { bytes_read: self.read_bytes, ..PushStats::default() };
        let (mut components, mut parts) = (Vec::new(), Vec::new());
        for (component, kept) in self.parts {
            if component.spec.required || component.status == Status::Partial {
                summary.status = summary.status.and(component.status);
            }
            summary.components.push(component.spec.name.clone());
            summary.totals += component.totals;
            stats.files_new += component.totals.files;
            components.push(component);
            parts.push(kept);
        }
        (stats.bytes_added, stats.bytes_stored) = (self.read_bytes, self.read_bytes);
        self.to.publish(MemoryBackup { summary: summary.clone(), components, parts });
        Ok(Committed::new(summary, stats))
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct MemoryIngest {
    spec: ComponentSpec,
    arriving: Arriving,
}

#[derive(Default)]
struct Arriving {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    batch: Arc<Batch>,
    answers: BTreeMap<TreePath, Answer>,
}

enum Answer {
    Awaited,
    Content(Box<Entry>, Vec<u8>),
    Unreadable(String),
}

impl Arriving {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listed(&self, entry: u64) -> Result<Entry> {
        let listed = self.state().batch.get(entry).cloned();
        listed.ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "no entry of the batch listed last").context("entry", entry)
        })
    }

    fn answer(&self, path: TreePath, answer: Answer) -> Result<()> {
        match self.state().answers.get_mut(&path) {
            Some(awaited @ Answer::Awaited) => *awaited = answer,
            _ => {
                return Err(
                    Error::new(ErrorKind::InvalidInput, "an answer that nobody waits for").context("path", path)
                );
            }
        }
        Ok(())
    }

    fn read(&self, opener: &dyn FileOpener, entry: u64) -> Result<()> {
        let listed = self.listed(entry)?;
        let read = || -> Result<Answer> {
            let mut file = opener.open(entry)?;
            let (mut content, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    read => content.extend(buffer.iter().take(read)),
                }
            }
            let entry = file.finish(&listed, content.len() as u64)?;
            Ok(Answer::Content(Box::new(entry), content))
        };
        let answer = read().unwrap_or_else(|error| Answer::Unreadable(error.to_string()));
        self.answer(listed.path, answer)
    }
}

#[async_trait]
impl Ingest for MemoryIngest {
    async fn want(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        let mut state = self.arriving.state();
        let mut wanted = Vec::new();
        for (number, entry) in batch.numbered() {
            if state.answers.last_key_value().is_some_and(|(last, _)| *last >= entry.path) {
                return Err(Error::new(ErrorKind::InvalidInput, "a listing is not in canonical order")
                    .context("path", &entry.path));
            }
            let answer = if entry.has_content() {
                wanted.push(number);
                Answer::Awaited
            } else {
                Answer::Content(Box::new(entry.clone()), Vec::new())
            };
            state.answers.insert(entry.path.clone(), answer);
        }
        state.batch = batch;
        Ok(Wanted(wanted))
    }

    fn contents(&self) -> &dyn Contents {
        &self.arriving
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

#[async_trait]
impl Contents for Arriving {
    async fn files(&self, opener: Arc<dyn FileOpener>, entries: &[u64]) -> Result<()> {
        entries.iter().try_for_each(|entry| self.read(opener.as_ref(), *entry))
    }

    async fn stream(&self, entry: u64, mut content: Reader) -> Result<u64> {
        let mut listed = self.listed(entry)?;
        let mut bytes = Vec::new();
        if let Err(e) = content.read_to_end(&mut bytes).await {
            let error = Error::io("cannot read the content to store", e);
            self.answer(listed.path, Answer::Unreadable(error.to_string()))?;
            return Err(error);
        }
        let length = bytes.len() as u64;
        listed.size_bytes = Some(length);
        self.answer(listed.path.clone(), Answer::Content(Box::new(listed), bytes))?;
        Ok(length)
    }

    async fn unreadable(&self, entry: u64, reason: String) -> Result<()> {
        let listed = self.listed(entry)?;
        self.answer(listed.path, Answer::Unreadable(reason))
    }
}
