use crate::check::check;
use crate::format::ids::SessionId;
use crate::format::snapshot::to_ms;
use crate::notes;
use crate::pull::RepositoryBackup;
use crate::push::begin;
use crate::repository::Repository;
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
        Ok(self.listing().await?.snapshots)
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
        notes::forget(&self.0, session).await
    }

    async fn check(&self, options: CheckOptions, observer: Arc<dyn Observer>) -> Result<Report> {
        check(self.0.clone(), options, observer).await
    }
}
