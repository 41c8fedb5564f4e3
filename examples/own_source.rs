//! A source of one's own: the records of some application, an entry each.

use async_trait::async_trait;
use backup_core::*;
use backup_drivers::Local;
use backup_repository::{Repository, RepositoryOptions, new_identity};
use backup_storage::Memory;
use std::sync::Arc;

#[derive(Debug)]
struct Records(Vec<(&'static str, &'static str)>);

#[async_trait]
impl SourceDriver for Records {
    fn describe(&self) -> SourceDescription {
        SourceDescription::new("records")
    }

    async fn probe(&self, _: &dyn Session) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn capture(&self, _: Arc<dyn Session>, _: Arc<dyn Observer>) -> Result<Box<dyn Capture>> {
        let entry = |(name, _): &(&str, &str)| Ok(Entry::new(TreePath::from_components([name])?, EntryKind::Stream));
        let batch = Batch { first: 0, entries: self.0.iter().map(entry).collect::<Result<_>>()? };
        let contents = self.0.iter().map(|(_, content)| *content).collect();
        Ok(Box::new(Reading { batch: Some(Arc::new(batch)), contents }))
    }

    async fn restore(&self, _: Arc<dyn Session>, _: &Component, _: Arc<dyn Observer>) -> Result<Box<dyn Restore>> {
        Err(Error::new(ErrorKind::Unsupported, "records are only backed up in this example"))
    }
}

struct Reading {
    batch: Option<Arc<Batch>>,
    contents: Vec<&'static str>,
}

#[async_trait]
impl Capture for Reading {
    async fn list(&mut self) -> Result<Option<Arc<Batch>>> {
        Ok(self.batch.take())
    }

    async fn fetch(&mut self, wanted: Wanted, contents: &dyn Contents) -> Result<()> {
        for (number, content) in (0..).zip(&self.contents).filter(|(number, _)| wanted.0.contains(number)) {
            contents.stream(number, Box::new(content.as_bytes())).await?;
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        outcome.counts.insert("records".into(), self.contents.len() as u64);
        Ok(outcome)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let (_, recipient) = new_identity();
    let repository =
        Arc::new(Repository::create(Arc::new(Memory::new()), &[recipient], RepositoryOptions::default()).await?);
    // Sorted: entries are listed in the order of their paths.
    let records = Records(vec![("ann", "plays chess"), ("bob", "collects stamps")]);
    let push = Push::new().capture(Source::new(Arc::new(records), Local::new())).spec(Spec::new("people", "app"));
    push.to(Target::new("memory", repository.clone())).run().await?;

    let summary = repository.list().await?.remove(0);
    let backup = Catalogue::open(&*repository, &summary.id).await?;
    assert_eq!(backup.components().first().and_then(|component| component.outcome.counts.get("records")), Some(&2));
    assert_eq!(summary.totals.size_bytes, 26);
    Ok(())
}
