//! Compares what stands in the target with the snapshot, byte by byte, and changes nothing.
//!
//! To the engine this is a driver that restores: it is handed every entry and all content, as one that writes them.

mod ground;
mod sink;

use async_trait::async_trait;
use backup_core::{
    Batch, Capture, Component, Error, ErrorKind, Observer, Outcome, Restore, Result, Session, SourceDescription,
    SourceDriver, Supply, Wanted,
};
use ground::Ground;
use sink::Sink;
use std::path::PathBuf;
use std::sync::Arc;

/// The target of a pull as something to compare with.
#[derive(Debug)]
pub(super) struct Verify {
    pub(super) into: PathBuf,
    pub(super) strip_components: usize,
}

#[async_trait]
impl SourceDriver for Verify {
    fn describe(&self) -> SourceDescription {
        SourceDescription::new("files")
    }

    async fn probe(&self, _: &dyn Session) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn capture(&self, _: Arc<dyn Session>, _: Arc<dyn Observer>) -> Result<Box<dyn Capture>> {
        Err(Error::new(ErrorKind::Unsupported, "a comparison captures nothing"))
    }

    async fn restore(
        &self,
        _: Arc<dyn Session>,
        _: &Component,
        observer: Arc<dyn Observer>,
    ) -> Result<Box<dyn Restore>> {
        let ground = Ground::open(&self.into, self.strip_components, observer)?;
        Ok(Box::new(Comparison { ground: Arc::new(ground), batch: Arc::default() }))
    }
}

struct Comparison {
    ground: Arc<Ground>,
    batch: Arc<Batch>,
}

#[async_trait]
impl Restore for Comparison {
    async fn begin(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        self.batch = batch.clone();
        let ground = self.ground.clone();
        let look = move || batch.numbered().filter(|(_, entry)| ground.look(entry)).map(|(number, _)| number).collect();
        let wanted = tokio::task::spawn_blocking(look).await;
        wanted.map(Wanted).map_err(|e| Error::new(ErrorKind::Internal, "the comparison panicked").source(e))
    }

    async fn put(&mut self, wanted: Wanted, supply: &dyn Supply) -> Result<()> {
        supply.files(Arc::new(Sink::new(self.ground.clone(), self.batch.clone())), &wanted.0).await
    }

    async fn finish(self: Box<Self>) -> Result<Outcome> {
        Ok(self.ground.outcome())
    }
}
