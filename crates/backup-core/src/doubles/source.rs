use super::log::{Faults, Log, call};
use super::target::TestRestore;
use super::{name_of, path, torn_by};
use crate::*;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

/// A source of named contents, in batches of two; those whose name begins with `s` come as streams.
#[derive(Clone, Debug)]
pub(crate) struct TestSource {
    pub(crate) name: &'static str,
    pub(crate) contents: Arc<BTreeMap<&'static str, Vec<u8>>>,
    /// Streams that break after their bytes.
    pub(crate) broken: Vec<&'static str>,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
}

#[async_trait]
impl SourceDriver for TestSource {
    fn describe(&self) -> SourceDescription {
        SourceDescription::new("test")
    }
    async fn probe(&self, _: &dyn Session) -> Result<Vec<String>> {
        unreachable!()
    }
    async fn capture(&self, _: Arc<dyn Session>, _: Arc<dyn Observer>) -> Result<Box<dyn Capture>> {
        call(&self.log, &self.faults, self.name, "capture").await?;
        Ok(Box::new(TestCapture { source: self.clone(), next: 0, batch: Arc::default() }))
    }
    async fn restore(
        &self,
        _: Arc<dyn Session>,
        component: &Component,
        _: Arc<dyn Observer>,
    ) -> Result<Box<dyn Restore>> {
        call(&self.log, &self.faults, self.name, "restore").await?;
        self.log.add(format!("{} restores {}", self.name, component.spec.name));
        Ok(Box::new(TestRestore::new(self.clone())))
    }
}

struct TestCapture {
    source: TestSource,
    next: usize,
    batch: Arc<Batch>,
}

impl Drop for TestCapture {
    fn drop(&mut self) {
        self.source.log.add(format!("{} capture dropped", self.source.name));
    }
}

struct Opener(Arc<BTreeMap<&'static str, Vec<u8>>>, Arc<Batch>);

impl FileOpener for Opener {
    fn open(&self, entry: u64) -> Result<Box<dyn FileReader>> {
        let name = name_of(&self.1, entry);
        Ok(Box::new(Open(Cursor::new(self.0[name.as_str()].clone()))))
    }
}

struct Open(Cursor<Vec<u8>>);

impl FileReader for Open {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        std::io::Read::read(&mut self.0, buffer).map_err(|e| Error::io("read", e))
    }
    fn opened(&mut self, listed: &Entry) -> Entry {
        listed.clone()
    }

    fn finish(self: Box<Self>, listed: &Entry, _: u64) -> Result<Entry> {
        Ok(listed.clone())
    }
}

#[async_trait]
impl Capture for TestCapture {
    async fn list(&mut self) -> Result<Option<Arc<Batch>>> {
        call(&self.source.log, &self.source.faults, self.source.name, "list").await?;
        let names = self.source.contents.keys().skip(self.next).take(2);
        let entries: Vec<_> = names.map(|n| Entry::new(path(n), EntryKind::File)).collect();
        self.batch = Arc::new(Batch { first: self.next as u64, entries });
        self.next += self.batch.entries.len();
        Ok((!self.batch.entries.is_empty()).then(|| self.batch.clone()))
    }
    async fn fetch(&mut self, wanted: Wanted, contents: &dyn Contents) -> Result<()> {
        call(&self.source.log, &self.source.faults, self.source.name, "fetch").await?;
        let is_stream = |entry: &u64| name_of(&self.batch, *entry).starts_with('s');
        let (streams, files): (Vec<u64>, Vec<u64>) = wanted.0.into_iter().partition(is_stream);
        contents.files(Arc::new(Opener(self.source.contents.clone(), self.batch.clone())), &files).await?;
        for entry in streams {
            let name = name_of(&self.batch, entry);
            let bytes = self.source.contents[name.as_str()].clone();
            let length = bytes.len() as u64;
            if self.source.broken.contains(&name.as_str()) {
                let torn = torn_by(bytes, || Error::new(ErrorKind::ProducerFailed, "torn"));
                assert!(contents.stream(entry, torn).await.is_err());
            } else {
                assert_eq!(contents.stream(entry, Box::new(Cursor::new(bytes))).await?, length);
            }
        }
        Ok(())
    }
    async fn finish(self: Box<Self>) -> Result<Outcome> {
        call(&self.source.log, &self.source.faults, self.source.name, "finish").await?;
        Ok(Outcome::default())
    }
}
