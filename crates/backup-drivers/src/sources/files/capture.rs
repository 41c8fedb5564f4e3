use super::report::Report;
use super::walk::{Item, Opener, Scope, Walk};
use async_trait::async_trait;
use backup_core::{Batch, Capture, Contents, Error, ErrorKind, FileOpener, Outcome, Result, Wanted};
use std::sync::Arc;

/// A tree of files being read. The walk runs on threads of its own; opening and reading is the destination's.
pub(crate) struct FilesCapture {
    walk: Walk,
    report: Arc<Report>,
    opener: Option<Arc<Opener>>,
    ended: bool,
}

impl FilesCapture {
    pub(crate) fn start(scope: Scope, report: Arc<Report>) -> Result<Self> {
        Ok(FilesCapture { walk: Walk::start(scope, report.clone())?, report, opener: None, ended: false })
    }
}

#[async_trait]
impl Capture for FilesCapture {
    async fn list(&mut self) -> Result<Option<Arc<Batch>>> {
        if self.ended {
            return Ok(None);
        }
        match self.walk.next().await {
            Some(Item::Batch(listed)) => {
                self.opener = Some(listed.opener);
                Ok(Some(listed.batch))
            }
            Some(Item::End) => {
                self.opener = None;
                self.ended = true;
                Ok(None)
            }
            Some(Item::Failed(error)) => Err(error),
            None => Err(Error::new(ErrorKind::ProducerFailed, "the walk over the files ended early")),
        }
    }

    async fn fetch(&mut self, wanted: Wanted, contents: &dyn Contents) -> Result<()> {
        let opener = self.opener.clone().ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "contents can be fetched only of a batch that was listed")
        })?;
        contents.files(opener as Arc<dyn FileOpener>, &wanted.0).await
    }

    async fn finish(self: Box<Self>) -> Result<Outcome> {
        if !self.ended {
            return Err(Error::new(ErrorKind::ProducerFailed, "the capture of files was ended before its listing"));
        }
        Ok(self.report.outcome())
    }
}
