//! Files written back below one directory.
//!
//! Directories, links and devices are made as their entries come, contents by the engine's threads in between,
//! metadata of directories at the end. Names are looked up in open directories only, one component at a time and never
//! through a symbolic link, so neither a stored path nor a link in the target leads outside.

mod counts;
mod directories;
mod ground;
mod late;
mod leaves;
mod links;
mod metadata;
mod record;
mod remove;
mod sink;
mod slot;
mod special;
mod spool;
mod sweep;
mod tree;
mod verdict;
mod work;

use super::report::Report;
use super::scratch::Scratch;
use super::sys::dir::{Dir, OpenDirs};
use super::sys::{blocking, defect};
use super::target::FilesTarget;
use async_trait::async_trait;
use backup_core::{Batch, Component, Error, Outcome, Restore, Result, Supply, Wanted};
use ground::Ground;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::sync::Arc;
use sweep::{Doomed, Scope};
use tree::Place;
use work::Work;

/// A restore into a directory of this host.
pub(crate) struct FilesRestore {
    /// Away while a thread for blocking calls has it.
    work: Option<Box<Work>>,
    batch: Option<Arc<Batch>>,
}

impl FilesRestore {
    pub(crate) async fn start(
        target: FilesTarget,
        component: &Component,
        scratch: Scratch,
        report: Arc<Report>,
    ) -> Result<Self> {
        let doomed = match &target.delete {
            Some(selection) => Some(Doomed::new(Scope::new(component, selection.clone())?, scratch.clone())),
            None => None,
        };
        let work = blocking(move || {
            let ground = Ground::new(&target, report);
            Work::new(&target, scratch, ground, doomed)
        })
        .await?;
        Ok(FilesRestore { work: Some(Box::new(work)), batch: None })
    }

    /// Runs a step on a thread that may block.
    async fn step<T: Send + 'static>(
        &mut self,
        step: impl FnOnce(&mut Work) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut work = self.work.take().ok_or_else(|| defect("a step of a restore that was cancelled"))?;
        let (work, result) = blocking(move || {
            let result = step(&mut work);
            Ok((work, result))
        })
        .await?;
        self.work = Some(work);
        result
    }
}

#[async_trait]
impl Restore for FilesRestore {
    async fn begin(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        self.batch = Some(batch.clone());
        self.step(move |work| work.begin(&batch)).await
    }

    async fn put(&mut self, mut wanted: Wanted, supply: &dyn Supply) -> Result<()> {
        let batch = self.batch.clone().ok_or_else(|| defect("contents of no batch"))?;
        while !wanted.is_empty() {
            let of = batch.clone();
            let (sink, has_links) = self.step(move |work| Ok((work.sink(&of), work.has_links()))).await?;
            supply.files(sink.clone(), &wanted.0).await?;
            if !has_links {
                return Ok(());
            }
            // Further names can only be given to a file that is there.
            supply.settle().await?;
            let of = batch.clone();
            wanted = self.step(move |work| work.link(&of, &sink)).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Outcome> {
        let work = self.work.take().ok_or_else(|| defect("the end of a restore that was cancelled"))?;
        let ground = blocking(move || work.finish()).await?;
        Ok(ground.report.outcome())
    }
}

/// Opens the target, or makes it; a dry run does not.
fn open_target(ground: &Ground, target: &FilesTarget) -> Result<(Place, Option<Arc<Dir>>)> {
    let failed =
        |message: &'static str, e: std::io::Error| Error::io(message, e).context("path", target.into.display());
    let there = target.into.try_exists().map_err(|e| failed("cannot look at the target", e))?;
    if !there && ground.dry_run {
        return Ok((Place::Imagined, None));
    }
    std::fs::create_dir_all(&target.into).map_err(|e| failed("cannot make the target", e))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let descriptor = openat(CWD, &target.into, flags, Mode::empty())
        .map_err(|errno| failed("cannot open the target", errno.into()))?;
    let top = Dir::root(descriptor, OpenDirs::new());
    let place = tree::target(ground, top.clone(), !there)
        .map_err(|reason| Error::new(backup_core::ErrorKind::AccessDenied, reason))?;
    Ok((place, Some(top)))
}
