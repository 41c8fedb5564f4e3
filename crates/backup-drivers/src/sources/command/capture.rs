use super::producer_failed;
use async_trait::async_trait;
use backup_core::{
    Batch, Capture, CommandSpec, Contents, Entry, Error, ErrorKind, Event, Observer, Outcome, Process, Result, Session,
    Wanted,
};
use std::sync::Arc;

/// A running program whose output is being stored. Dropping it ends the program.
pub(super) struct OutputCapture {
    program: CommandSpec,
    process: Box<dyn Process>,
    listing: Option<Arc<Batch>>,
    stored_bytes: Option<u64>,
}

impl OutputCapture {
    pub(super) async fn start(
        at: &dyn Session,
        program: &CommandSpec,
        entry: Entry,
        observer: Arc<dyn Observer>,
    ) -> Result<Self> {
        let process = at.run(program.clone()).await?;
        observer.event(Event::Found { files: 1, bytes: 0, done: true });
        let listing = Some(Arc::new(Batch { first: 0, entries: vec![entry] }));
        Ok(OutputCapture { program: program.clone(), process, listing, stored_bytes: None })
    }
}

#[async_trait]
impl Capture for OutputCapture {
    async fn list(&mut self) -> Result<Option<Arc<Batch>>> {
        Ok(self.listing.take())
    }

    async fn fetch(&mut self, wanted: Wanted, contents: &dyn Contents) -> Result<()> {
        for entry in wanted.0 {
            let output = self.process.stdout().ok_or_else(|| {
                Error::new(ErrorKind::Internal, "a program's output was asked for twice, and exists once")
            })?;
            self.stored_bytes = Some(contents.stream(entry, output).await?);
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Outcome> {
        let exit = self.process.wait().await?;
        if !exit.status.success() {
            return Err(producer_failed(&self.program, &exit));
        }
        let stored_bytes = self.stored_bytes.ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "a program's output was not stored, and cannot be taken from an earlier backup",
            )
        })?;
        let mut outcome = Outcome::default();
        outcome.counts.insert("bytes".into(), stored_bytes);
        Ok(outcome)
    }
}
