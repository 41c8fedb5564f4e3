use super::DestinationReport;
use crate::chain::{ChainRun, Direction, Hop};
use crate::command::{Failure, Target};
use crate::{
    Batch, Committed, Component, ComponentSpec, Contents, Draft, Error, ErrorKind, Event, Ingest, Observer, Outcome,
    Result, Session, Spec, Stop, Wanted,
};
use async_trait::async_trait;
use std::sync::Arc;

/// One destination during a push: its hops stay open, its draft takes components, and a failure is its own.
pub(super) struct Lane {
    run: ChainRun,
    driver: DraftHop,
    /// The driver's P, once it has begun.
    pass: Option<usize>,
    ingest: Option<Box<dyn Ingest>>,
    components: Vec<Component>,
    committed: Option<Committed>,
}

impl Lane {
    pub(super) async fn open(target: Target, spec: Spec, observer: Arc<dyn Observer>, stop: Stop) -> Self {
        let mut run = ChainRun::open(target.hops(), Direction::Inward, stop).await;
        let mut driver = DraftHop { target, spec, observer, draft: None };
        let ready = run.set_up_innermost(&mut driver).await;
        let pass = ready.then(|| run.begin_innermost(driver.name()));
        Lane { run, driver, pass, ingest: None, components: Vec::new(), committed: None }
    }

    /// Whether it still takes part.
    pub(super) fn is_live(&self) -> bool {
        self.pass.is_some() && self.run.is_sound()
    }

    /// Takes no further part, because of this.
    pub(super) fn fail(&mut self, error: Error) {
        self.run.fail(error);
        self.give_up();
    }

    /// Nothing more of the component that was started is wanted.
    pub(super) fn give_up(&mut self) {
        self.ingest = None;
    }

    pub(super) async fn start(&mut self, spec: &ComponentSpec) {
        self.give_up();
        if let (true, Some(draft)) = (self.is_live(), &mut self.driver.draft) {
            self.ingest = self.run.part(draft.component(spec.clone())).await;
        }
    }

    /// What it wants of a batch; nothing after a failure.
    pub(super) async fn want(&mut self, batch: Arc<Batch>) -> Option<Wanted> {
        let wanted = self.run.part(self.ingest.as_mut()?.want(batch)).await;
        if wanted.is_none() {
            self.give_up();
        }
        wanted
    }

    /// Where wanted content goes.
    pub(super) fn contents(&self) -> Option<&dyn Contents> {
        Some(self.ingest.as_ref()?.contents())
    }

    /// Ends the component that was started, or records one that could not even be started.
    pub(super) async fn accept(&mut self, spec: &ComponentSpec, outcome: Outcome) {
        if self.ingest.is_none() {
            self.start(spec).await;
        }
        if let (true, Some(ingest), Some(draft)) = (self.is_live(), self.ingest.take(), &mut self.driver.draft)
            && let Some(component) = self.run.stoppable_part(draft.accept(ingest, outcome)).await
        {
            self.components.retain(|other| other.spec.name != component.spec.name);
            self.components.push(component);
        }
    }

    pub(super) async fn commit(&mut self) {
        if self.is_live()
            && let Some(draft) = self.driver.draft.take()
        {
            self.committed = self.run.part(draft.commit()).await;
        }
    }

    /// Closes the lane: a draft that was not committed is aborted.
    pub(super) async fn close(mut self) -> (DestinationReport, Option<Error>) {
        self.give_up();
        if let Some(pass) = self.pass {
            self.run.end_innermost(pass, &mut self.driver).await;
        }
        let closed = self.run.close().await;
        let failure = closed.error.as_ref().map(Failure::from);
        let report = DestinationReport {
            label: self.driver.target.label().to_owned(),
            result: self.committed.ok_or_else(|| failure.unwrap_or_else(|| not_committed().into())),
            components: self.components,
            trace: closed.trace,
            left_behind: closed.left.into_iter().map(Failure::from).collect(),
        };
        (report, closed.error)
    }
}

fn not_committed() -> Error {
    Error::new(ErrorKind::Internal, "a destination was neither committed nor failed")
}

/// The destination's driver as a hop: S begins the draft, C aborts what was not committed.
struct DraftHop {
    target: Target,
    spec: Spec,
    observer: Arc<dyn Observer>,
    draft: Option<Box<dyn Draft>>,
}

#[async_trait]
impl Hop for DraftHop {
    fn name(&self) -> String {
        self.target.label().to_owned()
    }

    async fn setup(&mut self, outer: Option<Arc<dyn Session>>) -> Result<Option<Arc<dyn Session>>> {
        let destination = self.target.open(outer).await?;
        self.draft = Some(destination.begin(self.spec.clone(), self.observer.clone()).await?);
        Ok(None)
    }

    /// The lane runs its P part by part.
    async fn pass(&mut self) -> Result<()> {
        Ok(())
    }

    async fn clean(&mut self) -> Result<()> {
        match self.draft.take() {
            Some(draft) => draft.abort().await,
            None => Ok(()),
        }
    }
}

/// The observer of every destination but the first: what is counted once must not be counted again.
#[derive(Debug)]
pub(super) struct WarningsOnly(pub(super) Arc<dyn Observer>);

impl Observer for WarningsOnly {
    fn event(&self, event: Event) {
        if matches!(event, Event::Warning(_)) {
            self.0.event(event);
        }
    }
}
