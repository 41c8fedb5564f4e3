use super::log::{Log, call};
use super::{TestSource, name_of};
use crate::*;
use async_trait::async_trait;
use std::sync::Arc;

pub(super) struct TestRestore {
    source: TestSource,
    batch: Arc<Batch>,
}

impl TestRestore {
    pub(super) fn new(source: TestSource) -> Self {
        TestRestore { source, batch: Arc::default() }
    }
}

#[async_trait]
impl Restore for TestRestore {
    async fn begin(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        self.batch = batch;
        Ok(Wanted(self.batch.numbered().filter(|(_, e)| e.has_content()).map(|(number, _)| number).collect()))
    }
    async fn put(&mut self, wanted: Wanted, supply: &dyn Supply) -> Result<()> {
        call(&self.source.log, &self.source.faults, self.source.name, "put").await?;
        let in_bulk = |entry: &u64| name_of(&self.batch, *entry).starts_with('f');
        let (files, streams): (Vec<u64>, Vec<u64>) = wanted.0.into_iter().partition(in_bulk);
        supply.files(Arc::new(TestSink(self.source.log.clone())), &files).await?;
        for entry in streams {
            match read_entry(supply, entry, 1 << 20).await {
                Ok(bytes) => self.source.log.add(format!("wrote {} {}", name_of(&self.batch, entry), bytes.len())),
                Err(error) => self.source.log.add(format!("lost {} {error}", name_of(&self.batch, entry))),
            }
        }
        Ok(())
    }
    async fn finish(self: Box<Self>) -> Result<Outcome> {
        call(&self.source.log, &self.source.faults, self.source.name, "finish").await?;
        Ok(Outcome::default())
    }
}

struct TestSink(Log);

impl FileSink for TestSink {
    fn write(&self, _: u64, _: u64, data: &[u8]) -> Result<()> {
        self.0.add(format!("sink {}", data.len()));
        Ok(())
    }
    fn finish(&self, _: u64, result: Result<()>) -> bool {
        result.is_ok()
    }
}
