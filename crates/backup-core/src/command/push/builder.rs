use super::run::{Job, run};
use super::step::{Resolved, Step, resolve};
use super::{PushReport, Source};
use crate::command::execution::Execution;
use crate::command::supervise::supervise;
use crate::command::{Failed, Missing, Plan, PlannedStep, Set, Target};
use crate::{Action, Chain, Error, ErrorKind, Journal, Observer, Result, Silent, Spec, Stop};
use std::marker::PhantomData;
use std::sync::Arc;

/// Captures components and stores them in one or several destinations.
///
/// Required slots: at least one [`capture`](Push::capture), at least one [`to`](Push::to), and the
/// [`spec`](Push::spec); `run` and `plan` exist once all three are set. Captures and actions run in the order in which
/// they were added; the order of the other slots changes nothing.
///
/// A component may be captured twice: the second pass takes the first one's listing as the previous one, and only the
/// second counts. So an application need only be frozen for the second, short one:
///
/// ```no_run
/// # use backup_core::*;
/// # use std::sync::Arc;
/// # async fn example(
/// #     driver: Arc<dyn SourceDriver>, local: Chain, freeze: Arc<dyn Action>, repository: Arc<dyn Destination>,
/// #     journal: Arc<dyn Journal>,
/// # ) -> Result<()> {
/// let shop = Source::new(driver, local.clone()).named("shop");
/// let push = Push::new()
///     .capture(shop.clone())
///     .execute(local, freeze)
///     .capture(shop)
///     .undo()
///     .to(Target::new("/srv/backups", repository))
///     .spec(Spec::new("shop", "db1"))
///     .journal(journal);
/// println!("{}", push.plan()?);
/// let report = push.run().await?;
/// for (destination, committed) in report.committed() {
///     println!("{destination}: {}", committed.summary.id);
/// }
/// # Ok(())
/// # }
/// ```
///
/// Without a destination there is no `run`:
///
/// ```compile_fail,E0599
/// # use backup_core::*;
/// # fn example(source: Source) {
/// Push::new().capture(source).spec(Spec::new("shop", "db1")).run();
/// # }
/// ```
#[must_use = "nothing happens before run"]
#[derive(Debug)]
pub struct Push<C = Missing, D = Missing, S = Missing> {
    slots: Slots,
    set: PhantomData<(C, D, S)>,
}

#[derive(Debug)]
struct Slots {
    steps: Vec<Step>,
    targets: Vec<Target>,
    spec: Spec,
    observer: Arc<dyn Observer>,
    journal: Option<Arc<dyn Journal>>,
    stop: Stop,
}

impl Push {
    /// A push with no slot filled.
    pub fn new() -> Self {
        let slots = Slots {
            steps: Vec::new(),
            targets: Vec::new(),
            spec: Spec::default(),
            observer: Arc::new(Silent),
            journal: None,
            stop: Stop::new(),
        };
        Push { slots, set: PhantomData }
    }
}

impl Default for Push {
    fn default() -> Self {
        Push::new()
    }
}

impl<C, D, S> Push<C, D, S> {
    /// Adds the step that captures a component. Required at least once.
    pub fn capture(mut self, source: Source) -> Push<Set, D, S> {
        self.slots.steps.push(Step::Capture(source));
        self.mark()
    }

    /// Adds the step that runs an action at the end of a chain. Its undo, if it has one, runs at an
    /// [`undo`](Push::undo) step, at the latest when the steps are over, whatever happened to them. After an action that
    /// fails no later step runs.
    pub fn execute(mut self, chain: impl Into<Chain>, action: Arc<dyn Action>) -> Self {
        self.slots.steps.push(Step::Execute(Execution { chain: chain.into(), action }));
        self
    }

    /// Adds the step that takes back the latest side effect that is still there.
    pub fn undo(mut self) -> Self {
        self.slots.steps.push(Step::Undo);
        self
    }

    /// Adds a destination. Required at least once. Each may fail on its own: the others go on.
    pub fn to(mut self, target: Target) -> Push<C, Set, S> {
        self.slots.targets.push(target);
        self.mark()
    }

    /// What the backup is called. Required.
    pub fn spec(mut self, spec: Spec) -> Push<C, D, Set> {
        self.slots.spec = spec;
        self.mark()
    }

    /// Who hears how it goes. With several destinations, progress is that of the first.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.slots.observer = observer;
        self
    }

    /// Where side effects are written down. Required for actions that have any.
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.slots.journal = Some(journal);
        self
    }

    /// A handle to stop the run with.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.slots.stop = stop;
        self
    }

    fn mark<C2, D2, S2>(self) -> Push<C2, D2, S2> {
        Push { slots: self.slots, set: PhantomData }
    }
}

impl Push<Set, Set, Set> {
    fn resolve(&self) -> Result<Vec<Resolved>> {
        let mut labels: Vec<&str> = self.slots.targets.iter().map(Target::label).collect();
        labels.sort_unstable();
        if labels.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(Error::new(ErrorKind::InvalidInput, "two destinations have the same label"));
        }
        resolve(&self.slots.steps, self.slots.journal.as_ref())
    }

    /// The resolved steps. Nothing happens.
    ///
    /// # Errors
    /// `InvalidInput` as from [`run`](Push::run).
    pub fn plan(&self) -> Result<Plan> {
        let Spec { name, host, tags, .. } = &self.slots.spec;
        let tags = if tags.is_empty() { String::new() } else { format!(", tags {}", tags.join(" ")) };
        Ok(Plan {
            title: format!("push {name} from host {host}{tags}"),
            steps: self.resolve()?.iter().map(Resolved::planned).collect(),
            destinations: self.slots.targets.iter().map(PlannedStep::store).collect(),
        })
    }

    /// Runs the push in a task of its own; needs a tokio runtime. Dropping the future asks it to stop: hops are closed
    /// and side effects undone all the same, as long as the runtime lives.
    ///
    /// Succeeds when at least one destination has the backup; [`PushReport::failed`] names the others. A component that
    /// failed is recorded as failed, and with it the backup is incomplete unless the component is optional. When no
    /// component is left, nothing is committed.
    ///
    /// # Errors
    /// The first error when no destination has the backup, `Cancelled` after a stop, `InvalidInput` for two components
    /// or destinations of the same name, for side effects without a journal, and for an `undo` step without a side
    /// effect before it.
    pub async fn run(self) -> Result<PushReport, Failed<PushReport>> {
        let not_begun = |error| Failed { error, report: Box::default() };
        let steps = self.resolve().map_err(not_begun)?;
        let Slots { targets, spec, observer, journal, stop, .. } = self.slots;
        let job = Job { steps, targets, spec, observer, journal };
        supervise(&stop, |stop| run(job, stop)).await.unwrap_or_else(|error| Err(not_begun(error)))
    }
}
