mod report;
mod stream;
mod verify;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::listing::{Listing, components};
use crate::paths::{is_inside, selection};
use crate::snapshots::Snapshots;
use backup_core::{Backup, Event, Failed, Observer, Pull as Builder, PullReport, Selection, SourceDriver};
use backup_drivers::{Files, FilesTarget, Local, Overwrite, Ownership};
use clap::{Args, ValueEnum};
use report::{Did, Report};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use verify::Verify;

/// Bring a snapshot back
///
/// Paths are reproduced below the target: /home/ann comes back as TARGET/home/ann. Only what differs is written.
///
/// Run again, a pull that was killed goes on from there. Files get their names when they are complete, but small new
/// ones, which are written in one piece: of these a few may have been left short, and until the next pull has mended them
/// their time of modification is not the stored one. (--overwrite never leaves them as they are.)
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Which snapshot
    snapshot: String,

    /// Only what is at these paths, as `ls` prints them, and below
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,

    /// The target: a directory, made if it is not there; or - to write the one file that was chosen to standard output
    #[arg(long, value_name = "DIR|-")]
    into: PathBuf,

    /// Leave out so many leading parts of each path; what is no directory and has no part left counts as not restored
    #[arg(long, value_name = "N", default_value_t = 0)]
    strip_components: usize,

    /// What happens to a file that is there already; if-changed goes by size and time of modification
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::IfChanged)]
    overwrite: When,

    /// Afterwards delete what the snapshot does not have, inside the directories that it has
    #[arg(long)]
    delete: bool,

    /// Whom files belong to: the stored numbers, the users and groups of the stored names, or the one who restores
    #[arg(long, value_name = "WHO", value_enum, default_value_t = Who::Numbers)]
    owner: Who,

    /// Only this component
    #[arg(long, value_name = "NAME")]
    component: Option<String>,

    /// Afterwards read everything back and name what is not as in the snapshot; with --dry-run nothing else is done
    #[arg(long)]
    verify: bool,

    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    Never,
    IfNewer,
    IfChanged,
    Always,
}

impl From<When> for Overwrite {
    fn from(when: When) -> Self {
        match when {
            When::Never => Overwrite::Never,
            When::IfNewer => Overwrite::IfNewer,
            When::IfChanged => Overwrite::IfChanged,
            When::Always => Overwrite::Always,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Who {
    Numbers,
    Names,
    Me,
}

impl From<Who> for Ownership {
    fn from(who: Who) -> Self {
        match who {
            Who::Numbers => Ownership::Numbers,
            Who::Names => Ownership::Names,
            Who::Me => Ownership::Restorer,
        }
    }
}

impl Pull {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let started = Instant::now();
        let selection = selection(&self.paths)?;
        let snapshots = Snapshots::open(context).await?;
        let backup = snapshots.backup(&self.snapshot).await?;
        let chosen = components(&*backup, self.component.as_deref())?;
        if self.into.as_os_str() == "-" {
            return stream::run(context, &*backup, &chosen, &selection).await;
        }
        let numbers: Vec<usize> = chosen.iter().map(|(number, _)| *number).collect();
        refuse_missing(context, &*backup, &numbers, &selection).await?;

        let names: Vec<String> = chosen.iter().map(|(_, component)| component.spec.name.clone()).collect();
        let restored = self.pour(context, &backup, &names, &selection, self.driver(&selection)).await;
        let report = Report {
            context,
            summary: backup.summary(),
            into: &self.into,
            did: if self.dry_run { Did::WouldRestore } else { Did::Restore },
            duration: started.elapsed(),
        };
        let exit = report.show(restored)?;
        if !self.verify || exit == Exit::Interrupted {
            return Ok(exit);
        }
        let verify = Verify { into: self.into.clone(), strip_components: self.strip_components };
        let verified = self.pour(context, &backup, &names, &selection, Arc::new(verify)).await;
        let report = Report { did: Did::Compare, duration: started.elapsed(), ..report };
        Ok(exit.and(report.show(verified)?))
    }

    /// Hands the chosen entries to a driver.
    async fn pour(
        &self,
        context: &Context,
        backup: &Arc<dyn Backup>,
        names: &[String],
        selection: &Selection,
        driver: Arc<dyn SourceDriver>,
    ) -> Result<PullReport, Failed<PullReport>> {
        let progress = context.screen().progress();
        if selection.paths.is_empty() && self.component.is_none() {
            let totals = backup.summary().totals;
            progress.event(Event::Found { files: totals.files, bytes: totals.size_bytes, done: true });
        }
        let pull = Builder::new()
            .from_backup(backup.clone())
            .with(driver, Local::new())
            .components(names.to_vec())
            .select(selection.clone())
            .observer(progress.clone())
            .stop(context.interrupt.stop());
        let ended = pull.run().await;
        progress.end();
        ended
    }

    fn driver(&self, selection: &Selection) -> Arc<dyn SourceDriver> {
        let target = FilesTarget::new(&self.into)
            .with_strip_components(self.strip_components)
            .with_overwrite(self.overwrite.into())
            .with_ownership(self.owner.into());
        let target = if self.delete { target.with_delete(selection.clone()) } else { target };
        Arc::new(Files::into_target(if self.dry_run { target.with_dry_run() } else { target }))
    }
}

/// Refuses, before anything is written, paths at which the snapshot has nothing.
async fn refuse_missing(
    context: &Context,
    backup: &dyn Backup,
    numbers: &[usize],
    selection: &Selection,
) -> Result<()> {
    for path in &selection.paths {
        let only = Selection { paths: vec![path.clone()] };
        let mut exit = Exit::NotFound;
        for number in numbers {
            let mut listing = Listing::open(context.screen(), backup, *number, &only).await?;
            while listing.entry().is_some_and(|entry| !is_inside(&entry.path, &only)) {
                listing.advance().await?;
            }
            // In a damaged listing nobody knows what is missing.
            if listing.entry().is_some() || listing.exit() == Exit::Damage {
                exit = Exit::Done;
                break;
            }
        }
        if exit == Exit::NotFound {
            return Err(Failure::new(Exit::NotFound, format!("the snapshot has no {path}"))
                .hint("`backup ls` shows what it has; nothing was restored"));
        }
    }
    Ok(())
}
