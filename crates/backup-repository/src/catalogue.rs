use crate::check::check;
use crate::format::ids::SessionId;
use crate::pull::RepositoryBackup;
use crate::push::begin;
use crate::repository::Repository;
use crate::session::forget;
use async_trait::async_trait;
use backup_core::{
    Backup, BackupId, Catalogue, CheckOptions, Destination, Draft, Error, ErrorKind, Observer, Report, Result, Silent,
    Spec, Summary,
};
use std::sync::Arc;

#[async_trait]
impl Destination for Repository {
    async fn begin(&self, spec: Spec, observer: Arc<dyn Observer>) -> Result<Box<dyn Draft>> {
        Ok(Box::new(begin(self.0.clone(), spec, observer).await?))
    }
}

#[async_trait]
impl Catalogue for Repository {
    async fn list(&self) -> Result<Vec<Summary>> {
        let mut summaries = Vec::new();
        for id in self.0.snapshot_ids().await? {
            match self.0.head(&id).await {
                Ok(head) => summaries.push(head.summary(id)?),
                // One that is damaged does not hide the others; one that just went is no error.
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        summaries.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        Ok(summaries)
    }

    async fn open(&self, id: &BackupId) -> Result<Box<dyn Backup>> {
        let session = SessionId::from_hex(&id.0)?;
        let opened = RepositoryBackup::open(self.0.clone(), session, Arc::new(Silent)).await;
        Ok(Box::new(opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, "there is no such snapshot").context("snapshot", id).source(error)
            }
            _ => error,
        })?))
    }

    async fn forget(&self, id: &BackupId) -> Result<()> {
        let session = SessionId::from_hex(&id.0)?;
        // Only what is a snapshot of this repository may be forgotten.
        self.0.head(&session).await?;
        forget(&self.0, session).await
    }

    async fn check(&self, options: CheckOptions, observer: Arc<dyn Observer>) -> Result<Report> {
        check(self.0.clone(), options, observer).await
    }
}
