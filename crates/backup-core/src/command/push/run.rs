use super::capture::capture;
use super::lane::{Lane, WarningsOnly};
use super::step::Resolved;
use super::{ComponentReport, PushReport, Source};
use crate::command::execution::{Execution, Outstanding};
use crate::command::{ExecutionReport, Failed, Failure, Target};
use crate::stop::cancelled;
use crate::{ComponentSpec, Error, ErrorKind, Journal, Observer, Outcome, Result, Spec, Stop};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the supervisor of a push is handed.
pub(super) struct Job {
    pub(super) steps: Vec<Resolved>,
    pub(super) targets: Vec<Target>,
    pub(super) spec: Spec,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) journal: Option<Arc<dyn Journal>>,
}

struct Running {
    lanes: Vec<Lane>,
    /// By name.
    components: BTreeMap<String, Part>,
    executions: Vec<ExecutionReport>,
    outstanding: Vec<Outstanding>,
    observer: Arc<dyn Observer>,
    journal: Option<Arc<dyn Journal>>,
    stop: Stop,
    /// Ends the whole run: nothing is committed.
    broken: Option<Error>,
}

/// One component, over all of its passes.
struct Part {
    /// Its place among the components.
    order: usize,
    error: Option<Error>,
    report: ComponentReport,
}

/// Runs a push from its first S to its last C. Nothing may drop this midway: the caller gives it a task of its own.
pub(super) async fn run(job: Job, stop: Stop) -> Result<PushReport, Failed<PushReport>> {
    let Job { steps, targets, spec, observer, journal } = job;
    let lanes = join_all(targets.into_iter().enumerate().map(|(number, target)| {
        let observer = if number == 0 { observer.clone() } else { Arc::new(WarningsOnly(observer.clone())) };
        Lane::open(target, spec.clone(), observer, stop.clone())
    }))
    .await;
    let (components, executions, outstanding) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut run = Running { lanes, components, executions, outstanding, observer, journal, stop, broken: None };
    run.steps(steps).await;
    if !run.goes_on() {
        // What is undone next may be what they are reading from.
        run.lanes.iter_mut().for_each(Lane::give_up);
    }
    while let Some(outstanding) = run.outstanding.pop() {
        run.executions.push(outstanding.take_back().await);
    }
    run.commit().await;
    run.close().await
}

impl Running {
    fn goes_on(&self) -> bool {
        self.broken.is_none() && !self.stop.is_stopped() && self.lanes.iter().any(Lane::is_live)
    }

    /// Runs the steps. After an action that failed, no later step runs, and what they would have captured has failed.
    async fn steps(&mut self, steps: Vec<Resolved>) {
        let mut failed_action: Option<String> = None;
        for step in steps {
            if !self.goes_on() {
                return;
            }
            match (step, &failed_action) {
                (Resolved::Capture(_, spec), Some(action)) => self.skip(spec, action).await,
                (Resolved::Capture(source, spec), None) => self.capture(source, spec).await,
                (Resolved::Execute(execution), None) => failed_action = self.execute(execution).await,
                (Resolved::Undo, None) => {
                    if let Some(outstanding) = self.outstanding.pop() {
                        self.executions.push(outstanding.take_back().await);
                    }
                }
                (Resolved::Execute(_) | Resolved::Undo, Some(_)) => {}
            }
        }
    }

    async fn capture(&mut self, source: Source, spec: ComponentSpec) {
        let (outcome, closed) = capture(&source, &spec, &mut self.lanes, self.observer.clone(), &self.stop).await;
        let part = self.part(&spec);
        part.report.traces.push(closed.trace);
        part.report.left_behind.extend(closed.left.into_iter().map(Failure::from));
        part.end(closed.error);
        if closed.panicked {
            self.broken = self.part(&spec).error.take();
        }
        if self.goes_on() {
            self.accept(spec, outcome).await;
        }
    }

    async fn execute(&mut self, execution: Execution) -> Option<String> {
        let (report, outstanding) = execution.run(self.journal.as_ref(), &self.stop).await;
        let failed = report.result.is_err().then(|| report.action.clone());
        self.executions.push(report);
        self.outstanding.extend(outstanding);
        failed
    }

    async fn skip(&mut self, spec: ComponentSpec, action: &str) {
        let error = Error::new(ErrorKind::ProducerFailed, "not captured: an action before it failed");
        self.part(&spec).end(Some(error.context("action", action)));
        self.accept(spec, None).await;
    }

    /// Gives the outcome to the destinations; none stands for a component of which nothing may count.
    async fn accept(&mut self, spec: ComponentSpec, outcome: Option<Outcome>) {
        let outcome = outcome.unwrap_or_else(|| Outcome {
            fatal: self.part(&spec).report.failure.as_ref().map(|failure| failure.message.clone()),
            ..Outcome::default()
        });
        join_all(self.lanes.iter_mut().map(|lane| lane.accept(&spec, outcome.clone()))).await;
    }

    fn part(&mut self, spec: &ComponentSpec) -> &mut Part {
        let order = self.components.len();
        self.components.entry(spec.name.clone()).or_insert_with(|| Part::new(order, spec))
    }

    /// Commits where something is worth it; everywhere else the lanes learn why not.
    async fn commit(&mut self) {
        if self.broken.is_none() && self.stop.is_stopped() {
            self.broken = Some(cancelled());
        }
        let live = self.lanes.iter().any(Lane::is_live);
        if self.broken.is_none() && live && self.components.values().all(|part| part.error.is_some()) {
            let first = self.components.values_mut().min_by_key(|part| part.order);
            self.broken = first.and_then(|part| part.error.take());
        }
        match &self.broken {
            None => drop(join_all(self.lanes.iter_mut().map(Lane::commit)).await),
            Some(error) => {
                let failure = Failure::from(error);
                self.lanes.iter_mut().for_each(|lane| lane.fail(failure.to_error()));
            }
        }
    }

    async fn close(self) -> Result<PushReport, Failed<PushReport>> {
        let (destinations, errors): (Vec<_>, Vec<_>) =
            join_all(self.lanes.into_iter().map(Lane::close)).await.into_iter().unzip();
        let mut parts: Vec<Part> = self.components.into_values().collect();
        parts.sort_by_key(|part| part.order);
        let components = parts.into_iter().map(|part| part.report).collect();
        let report = PushReport { destinations, components, executions: self.executions };
        if report.committed().next().is_some() {
            return Ok(report);
        }
        let error = self.broken.or_else(|| errors.into_iter().flatten().next());
        Err(Failed { error: error.unwrap_or_else(cancelled), report: Box::new(report) })
    }
}

impl Part {
    fn new(order: usize, spec: &ComponentSpec) -> Self {
        let report = ComponentReport {
            name: spec.name.clone(),
            required: spec.required,
            failure: None,
            traces: Vec::new(),
            left_behind: Vec::new(),
        };
        Part { order, error: None, report }
    }

    /// How the latest pass ended: it alone counts.
    fn end(&mut self, error: Option<Error>) {
        self.report.failure = error.as_ref().map(Failure::from);
        self.error = error;
    }
}
