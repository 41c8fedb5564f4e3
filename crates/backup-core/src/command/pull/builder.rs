use super::PullReport;
use super::run::{Job, Part, run};
use crate::chain::Direction;
use crate::command::supervise::supervise;
use crate::command::{Failed, Missing, Plan, PlannedStep, Set, slot};
use crate::{
    Backup, BackupId, Catalogue, Chain, Component, Error, ErrorKind, Observer, Result, Selection, Silent, SourceDriver,
    Stop,
};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Brings components of a backup back. `run` and `plan` exist once the backup (`B`) and the driver (`T`) are set.
///
/// ```no_run
/// # use backup_core::*;
/// # use std::sync::Arc;
/// # async fn example(catalogue: Arc<dyn Catalogue>, id: BackupId, files: Arc<dyn SourceDriver>, local: Chain) -> Result<()> {
/// let report = Pull::new().from(catalogue, id).with(files, local).run().await?;
/// assert!(report.is_flawless());
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens before run"]
#[derive(Debug)]
pub struct Pull<B = Missing, T = Missing> {
    slots: Slots,
    set: PhantomData<(B, T)>,
}

#[derive(Debug)]
struct Slots {
    backup: Option<From>,
    target: Option<(Chain, Drivers)>,
    components: Option<Vec<String>>,
    selection: Selection,
    observer: Arc<dyn Observer>,
    stop: Stop,
}

#[derive(Debug)]
enum From {
    Catalogue(Arc<dyn Catalogue>, BackupId),
    Open(Arc<dyn Backup>),
}

type Choose = dyn Fn(&Component) -> Result<Arc<dyn SourceDriver>> + Send + Sync;

struct Drivers(Box<Choose>);

impl fmt::Debug for Drivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drivers")
    }
}

impl Pull {
    /// A pull with no slot filled.
    pub fn new() -> Self {
        let slots = Slots {
            backup: None,
            target: None,
            components: None,
            selection: Selection::default(),
            observer: Arc::new(Silent),
            stop: Stop::new(),
        };
        Pull { slots, set: PhantomData }
    }
}

impl Default for Pull {
    fn default() -> Self {
        Pull::new()
    }
}

impl<B, T> Pull<B, T> {
    /// Which backup, by its id in a catalogue. This or [`from_backup`](Pull::from_backup) is required.
    pub fn from(mut self, catalogue: Arc<dyn Catalogue>, id: BackupId) -> Pull<Set, T> {
        self.slots.backup = Some(From::Catalogue(catalogue, id));
        self.mark()
    }

    /// Which backup, open already.
    pub fn from_backup(mut self, backup: Arc<dyn Backup>) -> Pull<Set, T> {
        self.slots.backup = Some(From::Open(backup));
        self.mark()
    }

    /// One driver for all components, and the chain at whose end it works: `Unsupported` for components of another
    /// kind. This or [`with_each`](Pull::with_each) is required.
    pub fn with(self, driver: Arc<dyn SourceDriver>, chain: impl Into<Chain>) -> Pull<B, Set> {
        self.with_each(chain, move |_| Ok(driver.clone()))
    }

    /// A driver for each component, made from its record, and the chain at whose end they all work. A component for
    /// which there is none fails alone.
    pub fn with_each(
        mut self,
        chain: impl Into<Chain>,
        driver: impl Fn(&Component) -> Result<Arc<dyn SourceDriver>> + Send + Sync + 'static,
    ) -> Pull<B, Set> {
        self.slots.target = Some((chain.into(), Drivers(Box::new(driver))));
        self.mark()
    }

    /// Only these components, by name; all when it is not called.
    pub fn components(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.slots.components = Some(names.into_iter().collect());
        self
    }

    /// Only these entries of each component; all when it is not called.
    pub fn select(mut self, selection: Selection) -> Self {
        self.slots.selection = selection;
        self
    }

    /// Who hears how it goes.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.slots.observer = observer;
        self
    }

    /// A handle to stop the run with.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.slots.stop = stop;
        self
    }

    fn mark<B2, T2>(self) -> Pull<B2, T2> {
        Pull { slots: self.slots, set: PhantomData }
    }
}

impl Pull<Set, Set> {
    /// The resolved steps. The backup is opened for it; nothing else happens.
    ///
    /// # Errors
    /// As [`run`](Pull::run) before it begins.
    pub async fn plan(&self) -> Result<Plan> {
        let backup = self.slots.open().await?;
        let (chain, _) = self.slots.target.as_ref().ok_or_else(slot::unset)?;
        let step = |part: Part| -> Result<PlannedStep> {
            part.driver?;
            let what = format!("{} ({})", part.component.spec.name, part.component.spec.source.kind);
            Ok(PlannedStep::new("restore", what, Some(chain), Direction::Inward))
        };
        let summary = backup.summary();
        Ok(Plan {
            title: format!("pull {} of {} from host {}", summary.id, summary.name, summary.host),
            steps: self.slots.parts(backup.as_ref())?.into_iter().map(step).collect::<Result<_>>()?,
            destinations: Vec::new(),
        })
    }

    /// Runs the pull in a task of its own; needs a tokio runtime. Dropping the future asks it to stop: the hops are
    /// closed all the same, as long as the runtime lives. What was written until then stays.
    ///
    /// Succeeds when at least one component came to its end; [`PullReport::failed`] names the others, and each
    /// component's outcome names the entries that could not be restored.
    ///
    /// # Errors
    /// The first error when no component came to its end, `Cancelled` after a stop, `NotFound` for a backup or a
    /// component that is not there, and what opening the backup gives.
    pub async fn run(self) -> Result<PullReport, Failed<PullReport>> {
        let not_begun = |error| Failed { error, report: Box::default() };
        let backup = self.slots.open().await.map_err(not_begun)?;
        let parts = self.slots.parts(backup.as_ref()).map_err(not_begun)?;
        let Slots { target, selection, observer, stop, .. } = self.slots;
        let (chain, _) = target.ok_or_else(slot::unset).map_err(not_begun)?;
        let job = Job { backup, parts, chain, selection, observer };
        supervise(&stop, |stop| run(job, stop)).await.unwrap_or_else(|error| Err(not_begun(error)))
    }
}

impl Slots {
    async fn open(&self) -> Result<Arc<dyn Backup>> {
        match &self.backup {
            Some(From::Open(backup)) => Ok(backup.clone()),
            Some(From::Catalogue(catalogue, id)) => Ok(Arc::from(catalogue.open(id).await?)),
            None => Err(slot::unset()),
        }
    }

    fn parts(&self, backup: &dyn Backup) -> Result<Vec<Part>> {
        let there = backup.components();
        for name in self.components.iter().flatten() {
            if !there.iter().any(|component| component.spec.name == *name) {
                return Err(Error::new(ErrorKind::NotFound, "the backup has no such component")
                    .context("component", name)
                    .context("backup", &backup.summary().id));
            }
        }
        let (_, Drivers(choose)) = self.target.as_ref().ok_or_else(slot::unset)?;
        let asked = |name: &String| self.components.as_ref().is_none_or(|names| names.contains(name));
        let part = |(number, component): (usize, &Component)| Part {
            number,
            component: component.clone(),
            driver: choose(component),
        };
        Ok(there.iter().enumerate().filter(|(_, component)| asked(&component.spec.name)).map(part).collect())
    }
}
