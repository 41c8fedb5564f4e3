use crate::check::check;
use crate::format::ids::SessionId;
use crate::format::snapshot::to_ms;
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
use std::time::SystemTime;

#[async_trait]
impl Destination for Repository {
    async fn begin(&self, spec: Spec, observer: Arc<dyn Observer>) -> Result<Box<dyn Draft>> {
        self.0.may_push(&spec.name, to_ms(SystemTime::now()))?;
        Ok(Box::new(begin(self.0.clone(), spec, observer).await?))
    }
}

#[async_trait]
impl Catalogue for Repository {
    async fn list(&self) -> Result<Vec<Summary>> {
        let mut summaries = Vec::new();
        for id in self.0.snapshot_ids().await? {
            match self.0.snapshot(&id).await {
                Ok(snapshot) => summaries.push(snapshot.head.summary(id)?),
                // One that is damaged or signed by nobody who may does not hide the others; one that just went, or is
                // of another domain than a writer's, is no error.
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
        self.0.need_owner("forget a snapshot")?;
        match self.0.snapshot(&session).await {
            // One that does not count goes, too: it would hold up every prune.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Damaged => {}
            Err(error) => return Err(error),
        }
        forget(&self.0, session).await
    }

    async fn check(&self, options: CheckOptions, observer: Arc<dyn Observer>) -> Result<Report> {
        check(self.0.clone(), options, observer).await
    }
}
