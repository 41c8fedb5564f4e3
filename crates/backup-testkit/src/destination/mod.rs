//! A destination in memory: what pipelines, sources and front ends are tried against where no repository is at hand.
//!
//! It keeps the contracts of [`Destination`] and [`Catalogue`]
//! without deduplicating, sealing or persisting anything.

mod backup;
mod draft;

use async_trait::async_trait;
use backup::MemoryBackup;
use backup_core::{
    Backup, BackupId, Catalogue, CheckOptions, Destination, Draft, Error, ErrorKind, Finding, Observer, Report, Result,
    Spec, Summary,
};
use draft::MemoryDraft;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Backups in memory. Clones show the same ones.
#[derive(Clone, Debug, Default)]
pub struct MemoryDestination(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    backups: BTreeMap<BackupId, MemoryBackup>,
}

impl MemoryDestination {
    /// Without any backup.
    pub fn new() -> Self {
        MemoryDestination::default()
    }

    /// Lets reading the content of an entry, by its slashed path, fail as damaged in every backup.
    pub fn damage(&self, path: &[u8]) {
        for backup in self.state().backups.values_mut() {
            backup.parts = backup.parts.iter().map(|kept| Arc::new(kept.damaged(path))).collect();
        }
    }

    /// Holds a backup, or releases it.
    pub fn hold(&self, id: &BackupId, held: Held) {
        if let Some(backup) = self.state().backups.get_mut(id) {
            backup.summary.held = held == Held::Yes;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reserve(&self) -> BackupId {
        let mut state = self.state();
        state.next += 1;
        BackupId(format!("{:08}", state.next))
    }

    fn publish(&self, backup: MemoryBackup) {
        self.state().backups.insert(backup.summary.id.clone(), backup);
    }
}

/// Whether a backup must not be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It must not.
    Yes,
    /// It may.
    No,
}

#[async_trait]
impl Destination for MemoryDestination {
    async fn begin(&self, spec: Spec, _: Arc<dyn Observer>) -> Result<Box<dyn Draft>> {
        Ok(Box::new(MemoryDraft::new(self.clone(), self.reserve(), spec)))
    }
}

fn not_found(id: &BackupId) -> Error {
    Error::new(ErrorKind::NotFound, "no such backup").context("id", id)
}

#[async_trait]
impl Catalogue for MemoryDestination {
    async fn list(&self) -> Result<Vec<Summary>> {
        let mut summaries: Vec<_> = self.state().backups.values().map(|backup| backup.summary.clone()).collect();
        summaries.sort_by_key(|summary| summary.time);
        Ok(summaries)
    }

    async fn open(&self, id: &BackupId) -> Result<Box<dyn Backup>> {
        let backup = self.state().backups.get(id).cloned();
        Ok(Box::new(backup.ok_or_else(|| not_found(id))?))
    }

    async fn forget(&self, id: &BackupId) -> Result<()> {
        let mut state = self.state();
        match state.backups.get(id) {
            None => Err(not_found(id)),
            Some(backup) if backup.summary.held => {
                Err(Error::new(ErrorKind::AccessDenied, "the backup is held").context("id", id))
            }
            Some(_) => {
                state.backups.remove(id);
                Ok(())
            }
        }
    }

    async fn check(&self, _: CheckOptions, _: Arc<dyn Observer>) -> Result<Report> {
        let mut report = Report::default();
        for (id, backup) in &self.state().backups {
            let damaged = backup.parts.iter().flat_map(|kept| kept.entries.iter().filter(|entry| entry.damaged));
            report.findings.extend(damaged.map(|entry| Finding {
                object: entry.entry.path.to_string(),
                problem: "damaged on purpose".into(),
                affects: vec![id.clone()],
            }));
        }
        Ok(report)
    }
}
