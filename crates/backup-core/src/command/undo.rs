use super::execution::{Execution, Outstanding};
use super::{ExecutionReport, Failure};
use crate::{Journal, Pending, Registry, Result, UndoRecord};

/// What [`undo_pending`] did.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct UndoReport {
    /// Each record that was tried, newest first, with what became of it. Those that failed are still in the journal.
    pub tried: Vec<(UndoRecord, Result<ExecutionReport, Failure>)>,
    /// Records that cannot be read. A person must look.
    pub unreadable: Vec<Failure>,
}

impl UndoReport {
    /// Whether nothing is left to undo.
    pub fn is_clean(&self) -> bool {
        let undone =
            |tried: &(_, Result<ExecutionReport, Failure>)| matches!(&tried.1, Ok(report) if report.result.is_ok());
        self.unreadable.is_empty() && self.tried.iter().all(undone)
    }
}

/// Takes back the side effects of runs that are over and did not do so themselves: they were killed, or their undo
/// failed. Those of runs still alive are left alone. One that fails does not keep the others from being tried.
///
/// # Errors
/// When the journal cannot be read.
pub async fn undo_pending(journal: &dyn Journal, registry: &Registry) -> Result<UndoReport> {
    let mut report = UndoReport::default();
    for pending in journal.pending().await?.into_iter().rev() {
        match pending {
            Pending::Unreadable(error) => report.unreadable.push(error.into()),
            Pending::Record(record, lease) => {
                let undo = registry
                    .chain(&record.chain)
                    .and_then(|chain| Ok(Execution { chain, action: registry.action(&record.undo)? }));
                let tried = match undo {
                    Ok(undo) => Ok(Outstanding::new(undo, lease).take_back().await),
                    Err(error) => Err(error.into()),
                };
                report.tried.push((record, tried));
            }
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::{Fault, Faults, Hop, Log, TestAction};
    use crate::{ActionSpec, MemoryJournal};
    use std::sync::Arc;

    #[tokio::test]
    async fn what_a_dead_run_left_is_undone_newest_first() {
        let log = Log::new();
        let mut registry = Registry::new();
        let hop = Hop { name: "app", log: log.clone(), faults: Faults::new() };
        registry.register_connection("app", move |_| Ok(Arc::new(hop.clone())));
        for (name, fault) in [("thaw", None), ("unlock", None), ("stuck", Some(Fault::Error))] {
            let faults = fault.map(|fault| ("execute", fault)).into_iter().collect();
            let action = TestAction { name, undo: None, log: log.clone(), faults };
            registry.register_action(name, move |_| Ok(Arc::new(action.clone())));
        }
        let journal = MemoryJournal::new();
        let mut alive = Vec::new();
        for kind in ["thaw", "stuck", "unknown", "unlock", "alive"] {
            let lease = journal.record(UndoRecord::new(vec!["app".into()], ActionSpec::new(kind))).await.unwrap();
            if kind == "alive" {
                alive.push(lease);
            }
        }
        let report = undo_pending(&journal, &registry).await.unwrap();
        assert!(!report.is_clean());
        let kinds: Vec<_> = report.tried.iter().map(|(record, _)| record.undo.kind.as_str()).collect();
        assert_eq!(kinds, ["unlock", "unknown", "stuck", "thaw"]);
        assert_eq!((log.count("thaw execute"), log.count("unlock execute"), log.count("app clean")), (1, 1, 3));

        let left: Vec<_> = journal
            .pending()
            .await
            .unwrap()
            .into_iter()
            .map(|pending| match pending {
                Pending::Record(record, _) => record.undo.kind,
                Pending::Unreadable(error) => panic!("{error:?}"),
            })
            .collect();
        assert_eq!(left, ["stuck", "unknown"]);
        drop(alive);
    }
}
