use super::log::{Faults, Log, call};
use super::name_of;
use crate::*;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncReadExt;

/// What a destination holds: by component, by entry.
pub(crate) type Stored = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

#[derive(Clone, Debug)]
pub(crate) struct TestDestination {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    /// Names it has already and does not want.
    pub(crate) has: Vec<&'static str>,
    pub(crate) visible: Arc<Mutex<Option<Stored>>>,
}

#[async_trait]
impl Destination for TestDestination {
    async fn begin(&self, _: Spec, _: Arc<dyn Observer>) -> Result<Box<dyn Draft>> {
        call(&self.log, &self.faults, self.name, "begin").await?;
        Ok(Box::new(TestDraft { to: self.clone(), parts: Vec::new(), stored: Stored::new() }))
    }
}

struct TestDraft {
    to: TestDestination,
    parts: Vec<Component>,
    stored: Stored,
}

#[async_trait]
impl Draft for TestDraft {
    async fn component(&mut self, component: ComponentSpec) -> Result<Box<dyn Ingest>> {
        call(&self.to.log, &self.to.faults, self.to.name, "component").await?;
        let contents = TestContents { to: self.to.clone(), batch: Mutex::default(), got: Mutex::default() };
        Ok(Box::new(TestIngest { spec: component, contents }))
    }
    async fn accept(&mut self, ingest: Box<dyn Ingest>, outcome: Outcome) -> Result<Component> {
        call(&self.to.log, &self.to.faults, self.to.name, "accept").await?;
        let ingest: Box<TestIngest> = ingest.into_any().downcast().unwrap();
        let status = if outcome.fatal.is_some() { Status::Incomplete } else { Status::Complete };
        let got = if outcome.fatal.is_some() { BTreeMap::new() } else { ingest.contents.got.into_inner().unwrap() };
        self.stored.insert(ingest.spec.name.clone(), got);
        let component = Component::new(ingest.spec, status, outcome, Totals::default());
        self.parts.retain(|part| part.spec.name != component.spec.name);
        self.parts.push(component.clone());
        Ok(component)
    }
    async fn commit(self: Box<Self>) -> Result<Committed> {
        call(&self.to.log, &self.to.faults, self.to.name, "commit").await?;
        *self.to.visible.lock().unwrap() = Some(self.stored);
        let mut summary = Summary::new(BackupId("1".into()), "n", "h", std::time::SystemTime::UNIX_EPOCH);
        let counts = self.parts.iter().filter(|part| part.spec.required).map(|part| part.status);
        summary.status = counts.fold(Status::Complete, Status::and);
        Ok(Committed::new(summary, PushStats::default()))
    }
    async fn abort(self: Box<Self>) -> Result<()> {
        call(&self.to.log, &self.to.faults, self.to.name, "abort").await
    }
}

struct TestIngest {
    spec: ComponentSpec,
    contents: TestContents,
}

struct TestContents {
    to: TestDestination,
    batch: Mutex<Arc<Batch>>,
    got: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl TestContents {
    fn got(&self, entry: u64, bytes: Vec<u8>) {
        let name = name_of(&self.batch.lock().unwrap(), entry);
        assert!(self.got.lock().unwrap().insert(name, bytes).is_none(), "an entry was answered twice");
    }
}

#[async_trait]
impl Ingest for TestIngest {
    async fn want(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        let to = &self.contents.to;
        call(&to.log, &to.faults, to.name, "want").await?;
        *self.contents.batch.lock().unwrap() = batch.clone();
        let wanted = batch.numbered().filter(|(n, _)| !to.has.contains(&name_of(&batch, *n).as_str()));
        Ok(Wanted(wanted.map(|(number, _)| number).collect()))
    }
    fn contents(&self) -> &dyn Contents {
        &self.contents
    }
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
}

#[async_trait]
impl Contents for TestContents {
    async fn files(&self, opener: Arc<dyn FileOpener>, entries: &[u64]) -> Result<()> {
        call(&self.to.log, &self.to.faults, self.to.name, "files").await?;
        for entry in entries {
            let (mut reader, mut bytes, mut buffer) = (opener.open(*entry)?, Vec::new(), [0; 4096]);
            loop {
                match reader.read(&mut buffer)? {
                    0 => break,
                    read => bytes.extend_from_slice(&buffer[..read]),
                }
            }
            self.got(*entry, bytes);
        }
        Ok(())
    }
    async fn stream(&self, entry: u64, mut content: Reader) -> Result<u64> {
        call(&self.to.log, &self.to.faults, self.to.name, "stream").await?;
        let mut bytes = Vec::new();
        if self.to.faults.contains_key("stream midway") {
            content.read_exact(&mut [0; 10]).await.unwrap();
            call(&self.to.log, &self.to.faults, self.to.name, "stream midway").await?;
        }
        if self.to.faults.contains_key("stream short") {
            content.read_exact(&mut [0; 1]).await.unwrap();
            return Ok(1);
        }
        content.read_to_end(&mut bytes).await.map_err(|e| Error::io("cannot read", e))?;
        let length = bytes.len() as u64;
        self.got(entry, bytes);
        Ok(length)
    }
    async fn unreadable(&self, _: u64, _: String) -> Result<()> {
        call(&self.to.log, &self.to.faults, self.to.name, "unreadable").await
    }
}
