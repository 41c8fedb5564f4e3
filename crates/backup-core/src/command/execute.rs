use super::execution::{Execution, check_journal};
use super::supervise::supervise;
use super::{ExecutionReport, Failed, Failure, Missing, Plan, PlannedStep, Set};
use crate::chain::Direction;
use crate::{Action, Chain, Journal, Result, Stop, Trace};
use std::marker::PhantomData;
use std::sync::Arc;

/// Runs an action at the end of a chain. `run` exists once chain (`C`) and action (`A`) are set.
///
/// The side effect of an action that succeeds stays, and so does its record in the journal until it is undone. One
/// that fails is undone at once.
#[must_use = "nothing happens before run"]
#[derive(Debug)]
pub struct Execute<C = Missing, A = Missing> {
    chain: Option<Chain>,
    action: Option<Arc<dyn Action>>,
    journal: Option<Arc<dyn Journal>>,
    stop: Stop,
    slots: PhantomData<(C, A)>,
}

/// What an execute did.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ExecuteReport {
    /// The action.
    pub execution: ExecutionReport,
    /// Its undo, when it ran because the action failed.
    pub undo: Option<ExecutionReport>,
}

impl Execute {
    /// An execute with no slot filled.
    pub fn new() -> Self {
        Execute { chain: None, action: None, journal: None, stop: Stop::new(), slots: PhantomData }
    }
}

impl Default for Execute {
    fn default() -> Self {
        Execute::new()
    }
}

impl<C, A> Execute<C, A> {
    /// Where the action runs. Required.
    pub fn at(mut self, chain: impl Into<Chain>) -> Execute<Set, A> {
        self.chain = Some(chain.into());
        self.slots()
    }

    /// What runs there. Required.
    pub fn action(mut self, action: Arc<dyn Action>) -> Execute<C, Set> {
        self.action = Some(action);
        self.slots()
    }

    /// Where side effects are written down. Required for actions that have any.
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// A handle to stop the run with.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    fn slots<C2, A2>(self) -> Execute<C2, A2> {
        let Execute { chain, action, journal, stop, .. } = self;
        Execute { chain, action, journal, stop, slots: PhantomData }
    }
}

impl Execute<Set, Set> {
    fn execution(&self) -> Result<Execution> {
        let (Some(chain), Some(action)) = (self.chain.clone(), self.action.clone()) else {
            return Err(super::slot::unset());
        };
        check_journal(action.as_ref(), self.journal.as_ref())?;
        Ok(Execution { chain, action })
    }

    /// The resolved steps. Nothing happens.
    ///
    /// # Errors
    /// `InvalidInput` as from `run`.
    pub fn plan(&self) -> Result<Plan> {
        let Execution { chain, action } = self.execution()?;
        let step = PlannedStep::new("execute", action.describe(), Some(&chain), Direction::InPlace);
        Ok(Plan { title: "execute".into(), steps: vec![step], destinations: Vec::new() })
    }

    /// Runs the action. Dropping the future asks it to stop; the hops are closed all the same.
    ///
    /// # Errors
    /// What the chain or the action gave, `Cancelled`, or `InvalidInput` for side effects without a journal.
    pub async fn run(self) -> Result<ExecuteReport, Failed<ExecuteReport>> {
        let execution = match self.execution() {
            Ok(execution) => execution,
            Err(error) => return Err(ExecuteReport::not_begun(error)),
        };
        let journal = self.journal;
        let ended = supervise(&self.stop, |stop| async move {
            let (execution, outstanding) = execution.run(journal.as_ref(), &stop).await;
            let undo = match outstanding {
                Some(outstanding) if execution.result.is_err() => Some(outstanding.take_back().await),
                _ => None,
            };
            ExecuteReport { execution, undo }
        });
        match ended.await {
            Ok(report) => match &report.execution.result {
                Ok(_) => Ok(report),
                Err(failure) => Err(Failed { error: failure.to_error(), report: Box::new(report) }),
            },
            Err(error) => Err(ExecuteReport::not_begun(error)),
        }
    }
}

impl ExecuteReport {
    fn not_begun(error: crate::Error) -> Failed<ExecuteReport> {
        let execution = ExecutionReport {
            action: String::new(),
            result: Err(Failure::from(&error)),
            trace: Trace::default(),
            left_behind: Vec::new(),
        };
        Failed { error, report: Box::new(ExecuteReport { execution, undo: None }) }
    }
}
