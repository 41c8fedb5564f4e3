use super::Failure;
use crate::chain::{ChainRun, Direction, Hop, no_session};
use crate::{Action, Chain, Error, ErrorKind, Journal, Lease, Result, Session, Stop, Trace, UndoRecord};
use async_trait::async_trait;
use std::sync::Arc;

/// What became of one action.
#[derive(Clone, Debug)]
pub struct ExecutionReport {
    /// The action, as it describes itself.
    pub action: String,
    /// What it said, or why it failed.
    pub result: Result<Vec<String>, Failure>,
    /// The letters of its run.
    pub trace: Trace,
    /// What could not be cleaned up behind it.
    pub left_behind: Vec<Failure>,
}

/// An action at the end of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) chain: Chain,
    pub(crate) action: Arc<dyn Action>,
}

/// A side effect that has happened, or may have, and is not yet taken back.
pub(crate) struct Outstanding {
    undo: Execution,
    lease: Box<dyn Lease>,
}

impl Execution {
    /// Runs it; its undo, if it has one, is in the journal before it begins and in the second result afterwards.
    pub(crate) async fn run(
        &self,
        journal: Option<&Arc<dyn Journal>>,
        stop: &Stop,
    ) -> (ExecutionReport, Option<Outstanding>) {
        let mut run = ChainRun::open(self.chain.hops(), Direction::InPlace, stop.clone()).await;
        let mut hop = ActionHop { execution: self, journal, at: None, said: Vec::new(), outstanding: None };
        run.innermost(&mut hop).await;
        let closed = run.close().await;
        let report = ExecutionReport {
            action: self.action.describe(),
            result: closed.error.map_or(Ok(hop.said), |error| Err(error.into())),
            trace: closed.trace,
            left_behind: closed.left.into_iter().map(Failure::from).collect(),
        };
        (report, hop.outstanding)
    }
}

impl Outstanding {
    pub(crate) fn new(undo: Execution, lease: Box<dyn Lease>) -> Self {
        Outstanding { undo, lease }
    }

    /// Takes the side effect back. Nothing can stop this; what fails stays in the journal.
    pub(crate) async fn take_back(self) -> ExecutionReport {
        let (mut report, _) = self.undo.run(None, &Stop::new()).await;
        if report.result.is_ok()
            && let Err(error) = self.lease.done().await
        {
            report.result = Err(error.into());
        }
        report
    }
}

struct ActionHop<'a> {
    execution: &'a Execution,
    /// None while undoing: an undo is not undone.
    journal: Option<&'a Arc<dyn Journal>>,
    at: Option<Arc<dyn Session>>,
    said: Vec<String>,
    outstanding: Option<Outstanding>,
}

#[async_trait]
impl Hop for ActionHop<'_> {
    fn name(&self) -> String {
        self.execution.action.describe()
    }

    async fn setup(&mut self, outer: Option<Arc<dyn Session>>) -> Result<Option<Arc<dyn Session>>> {
        if let (Some(journal), Some(undo)) = (self.journal, self.execution.action.undo()) {
            let chain = self.execution.chain.clone();
            let lease = journal.record(UndoRecord::new(chain.describe(), undo.spec)).await?;
            self.outstanding = Some(Outstanding::new(Execution { chain, action: undo.action }, lease));
        }
        self.at = outer;
        Ok(None)
    }

    async fn pass(&mut self) -> Result<()> {
        let at = self.at.clone().ok_or_else(no_session)?;
        self.said = self.execution.action.execute(at).await?;
        Ok(())
    }

    async fn clean(&mut self) -> Result<()> {
        self.at = None;
        Ok(())
    }
}

/// Refuses actions with side effects where nobody would remember them.
pub(crate) fn check_journal(action: &dyn Action, journal: Option<&Arc<dyn Journal>>) -> Result<()> {
    if journal.is_none() && action.undo().is_some() {
        return Err(Error::new(ErrorKind::InvalidInput, "an action with side effects needs a journal")
            .context("action", action.describe()));
    }
    Ok(())
}
