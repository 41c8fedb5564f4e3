use super::watch::Tally;
use super::{PullReport, PulledComponent};
use crate::chain::{ChainRun, Closed, Direction, Hop, no_session};
use crate::command::{Failed, Failure};
use crate::stop::cancelled;
use crate::{
    Backup, Chain, Component, Error, ErrorKind, Observer, Outcome, Restore, Result, Selection, Session, SourceDriver,
    Status, Stop,
};
use async_trait::async_trait;
use std::sync::Arc;

/// What the supervisor of a pull is handed.
pub(super) struct Job {
    pub(super) backup: Arc<dyn Backup>,
    pub(super) parts: Vec<Part>,
    pub(super) chain: Chain,
    pub(super) selection: Selection,
    pub(super) observer: Arc<dyn Observer>,
}

/// One component to restore, and the driver that does it.
pub(super) struct Part {
    pub(super) number: usize,
    pub(super) component: Component,
    pub(super) driver: Result<Arc<dyn SourceDriver>>,
}

/// Runs a pull from its first S to its last C. Nothing may drop this midway: the caller gives it a task of its own.
pub(super) async fn run(mut job: Job, stop: Stop) -> Result<PullReport, Failed<PullReport>> {
    let mut report = PullReport { backup: Some(job.backup.summary().clone()), components: Vec::new() };
    let mut first = None;
    for part in std::mem::take(&mut job.parts) {
        if stop.is_stopped() {
            break;
        }
        let (pulled, error) = restore(&job, part, &stop).await;
        report.components.push(pulled);
        first = first.or(error);
    }
    let nothing = !report.components.iter().any(|component| component.result.is_ok());
    match first {
        _ if stop.is_stopped() => Err(Failed { error: cancelled(), report: Box::new(report) }),
        Some(error) if nothing => Err(Failed { error, report: Box::new(report) }),
        _ => Ok(report),
    }
}

async fn restore(job: &Job, part: Part, stop: &Stop) -> (PulledComponent, Option<Error>) {
    let Part { number, component, driver } = part;
    let name = component.spec.name.clone();
    let mut tally = Tally::default();
    let mut outcome = None;
    let closed = match driver.and_then(|driver| if is_whole(&component) { Ok(driver) } else { Err(not_whole()) }) {
        Err(error) => Closed::before_it_began(error),
        Ok(driver) => {
            let mut run = ChainRun::open(job.chain.hops(), Direction::Inward, stop.clone()).await;
            let mut hop = RestoreHop { job, number, component, driver, tally, restore: None, outcome: None };
            run.innermost(&mut hop).await;
            (tally, outcome) = (hop.tally, hop.outcome);
            run.close().await
        }
    };
    let result = match (&closed.error, outcome) {
        (None, Some(outcome)) => Ok(outcome),
        (error, _) => Err(error.as_ref().map_or_else(|| no_session().into(), Failure::from)),
    };
    let pulled = PulledComponent {
        name,
        result,
        totals: tally.totals,
        written_bytes: tally.written_bytes(),
        entries_damaged: tally.entries_damaged(),
        damage: tally.damage.into_iter().map(Failure::from).collect(),
        trace: closed.trace,
        left_behind: closed.left.into_iter().map(Failure::from).collect(),
    };
    (pulled, closed.error)
}

fn is_whole(component: &Component) -> bool {
    component.status != Status::Incomplete
}

fn not_whole() -> Error {
    Error::new(ErrorKind::ProducerFailed, "this component's capture failed: the backup holds nothing of it")
}

struct RestoreHop<'a> {
    job: &'a Job,
    number: usize,
    component: Component,
    driver: Arc<dyn SourceDriver>,
    tally: Tally,
    restore: Option<Box<dyn Restore>>,
    outcome: Option<Outcome>,
}

#[async_trait]
impl Hop for RestoreHop<'_> {
    fn name(&self) -> String {
        self.component.spec.name.clone()
    }

    async fn setup(&mut self, outer: Option<Arc<dyn Session>>) -> Result<Option<Arc<dyn Session>>> {
        let at = outer.ok_or_else(no_session)?;
        self.restore = Some(self.driver.restore(at, &self.component, self.job.observer.clone()).await?);
        Ok(None)
    }

    async fn pass(&mut self) -> Result<()> {
        let mut restore = self.restore.take().ok_or_else(no_session)?;
        let mut entries = self.job.backup.entries(self.number, &self.job.selection)?;
        self.tally.pour(entries.as_mut(), restore.as_mut()).await?;
        let outcome = restore.finish().await?;
        if let Some(reason) = &outcome.fatal {
            return Err(Error::new(ErrorKind::ProducerFailed, reason.clone()));
        }
        self.outcome = Some(outcome);
        Ok(())
    }

    /// The restore itself ended with P, which owned it, or ends here if P never began.
    async fn clean(&mut self) -> Result<()> {
        self.restore = None;
        Ok(())
    }
}
