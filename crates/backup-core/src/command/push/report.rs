use crate::{Committed, Component, ExecutionReport, Failure, Result, Status, Trace};

/// What a push did.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct PushReport {
    /// Each destination, in the order given.
    pub destinations: Vec<DestinationReport>,
    /// Each component, in the order of its first capture.
    pub components: Vec<ComponentReport>,
    /// The actions and undos that ran, in order.
    pub executions: Vec<ExecutionReport>,
}

/// What became of one destination.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct DestinationReport {
    /// Its label.
    pub label: String,
    /// The backup that is visible there now, or why there is none.
    pub result: Result<Committed, Failure>,
    /// The components it took, with the entries that could not be read. Of use after a failure only for people.
    pub components: Vec<Component>,
    /// The letters of its run.
    pub trace: Trace,
    /// What could not be cleaned up behind it.
    pub left_behind: Vec<Failure>,
}

/// What became of one component at its source.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ComponentReport {
    /// Its name.
    pub name: String,
    /// Whether the backup is incomplete without it.
    pub required: bool,
    /// Why it is in no backup, if it is not.
    pub failure: Option<Failure>,
    /// The letters of its captures, one run for each pass.
    pub traces: Vec<Trace>,
    /// What could not be cleaned up behind it.
    pub left_behind: Vec<Failure>,
}

impl PushReport {
    /// The destinations that have the backup now.
    pub fn committed(&self) -> impl Iterator<Item = (&str, &Committed)> {
        self.destinations.iter().filter_map(|d| Some((d.label.as_str(), d.result.as_ref().ok()?)))
    }

    /// The destinations that do not.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &Failure)> {
        self.destinations.iter().filter_map(|d| Some((d.label.as_str(), d.result.as_ref().err()?)))
    }

    /// How the backup ended where it was committed; where that differs, the worst.
    pub fn status(&self) -> Option<Status> {
        self.committed().map(|(_, committed)| committed.summary.status).reduce(Status::and)
    }

    /// Whether everything went as asked: all destinations, a complete backup, nothing left behind or still to undo.
    pub fn is_flawless(&self) -> bool {
        let left = self.destinations.iter().map(|d| &d.left_behind);
        let left = left.chain(self.components.iter().map(|c| &c.left_behind));
        let mut left = left.chain(self.executions.iter().map(|e| &e.left_behind));
        self.failed().next().is_none()
            && self.status() == Some(Status::Complete)
            && self.components.iter().all(|component| component.failure.is_none())
            && self.executions.iter().all(|execution| execution.result.is_ok())
            && left.all(Vec::is_empty)
    }
}
