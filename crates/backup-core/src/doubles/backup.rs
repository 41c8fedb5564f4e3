use super::{name_of, path, torn_by};
use crate::*;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

/// A backup of one entry list per component. Entries whose name ends with `damaged` fail when read, and `hole` in the listing fails.
#[derive(Clone, Debug)]
pub(crate) struct TestBackup {
    pub(crate) summary: Summary,
    pub(crate) components: Vec<Component>,
    pub(crate) contents: Arc<BTreeMap<&'static str, Vec<u8>>>,
}

#[async_trait]
impl Catalogue for TestBackup {
    async fn list(&self) -> Result<Vec<Summary>> {
        Ok(vec![self.summary.clone()])
    }
    async fn open(&self, id: &BackupId) -> Result<Box<dyn Backup>> {
        if *id == self.summary.id { Ok(Box::new(self.clone())) } else { Err(Error::new(ErrorKind::NotFound, "no")) }
    }
    async fn forget(&self, _: &BackupId) -> Result<()> {
        unreachable!()
    }
    async fn check(&self, _: CheckOptions, _: Arc<dyn Observer>) -> Result<Report> {
        unreachable!()
    }
}

impl Backup for TestBackup {
    fn summary(&self) -> &Summary {
        &self.summary
    }
    fn components(&self) -> &[Component] {
        &self.components
    }
    fn entries(&self, _: usize, selection: &Selection) -> Result<Box<dyn Entries>> {
        let names = self.contents.keys().copied().filter(|name| selection.takes(&path(name))).collect();
        Ok(Box::new(TestEntries {
            names,
            supply: TestSupply { contents: self.contents.clone(), batch: Arc::default(), accepted: Mutex::default() },
        }))
    }
}

struct TestEntries {
    names: std::collections::VecDeque<&'static str>,
    supply: TestSupply,
}

type Accepted = (Arc<dyn FileSink>, u64, String);

struct TestSupply {
    contents: Arc<BTreeMap<&'static str, Vec<u8>>>,
    batch: Arc<Batch>,
    /// Accepted and not written yet: nothing is, before it settles.
    accepted: Mutex<Vec<Accepted>>,
}

#[async_trait]
impl Entries for TestEntries {
    async fn next(&mut self) -> Result<Option<Arc<Batch>>> {
        let Some(name) = self.names.pop_front() else { return Ok(None) };
        if name == "hole" {
            return Err(Error::new(ErrorKind::Damaged, "a part of the listing"));
        }
        let mut entry = Entry::new(path(name), EntryKind::File);
        entry.size_bytes = Some(self.supply.contents[name].len() as u64);
        self.supply.batch = Arc::new(Batch { first: self.supply.batch.first + 1, entries: vec![entry] });
        Ok(Some(self.supply.batch.clone()))
    }
    fn supply(&self) -> &dyn Supply {
        &self.supply
    }
}

#[async_trait]
impl Supply for TestSupply {
    async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()> {
        let accepted = entries.iter().map(|entry| (sink.clone(), *entry, name_of(&self.batch, *entry)));
        self.accepted.lock().unwrap().extend(accepted);
        Ok(())
    }
    async fn settle(&self) -> Result<()> {
        for (sink, entry, name) in std::mem::take(&mut *self.accepted.lock().unwrap()) {
            sink.write(entry, 0, &self.contents[name.as_str()])?;
            let damaged = || Err(Error::new(ErrorKind::Damaged, "a chunk"));
            sink.finish(entry, if name.ends_with("damaged") { damaged() } else { Ok(()) });
        }
        Ok(())
    }
    async fn stream(&self, entry: u64) -> Result<Reader> {
        let name = name_of(&self.batch, entry);
        let bytes = Cursor::new(self.contents[name.as_str()].clone());
        if name.ends_with("damaged") {
            return Ok(torn_by(bytes.into_inner(), || Error::new(ErrorKind::Damaged, "a chunk")));
        }
        Ok(Box::new(bytes))
    }
}
