use super::Source;
use crate::chain::Direction;
use crate::command::PlannedStep;
use crate::command::execution::{Execution, check_journal};
use crate::{ComponentSpec, Error, ErrorKind, Journal, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A step as the builder was told it.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Capture(Source),
    Execute(Execution),
    /// Takes back the latest side effect that is still there.
    Undo,
}

/// A step with all names resolved and checked.
pub(super) enum Resolved {
    Capture(Source, ComponentSpec),
    Execute(Execution),
    Undo,
}

/// Names the components and refuses what could not run.
pub(super) fn resolve(steps: &[Step], journal: Option<&Arc<dyn Journal>>) -> Result<Vec<Resolved>> {
    let mut sources: BTreeMap<String, &Source> = BTreeMap::new();
    let mut undoable = 0_usize;
    let mut resolved = Vec::with_capacity(steps.len());
    for step in steps {
        resolved.push(match step {
            Step::Capture(source) => {
                let spec = source.spec();
                if sources.insert(spec.name.clone(), source).is_some_and(|other| !other.is(source)) {
                    return Err(Error::new(ErrorKind::InvalidInput, "two components have the same name")
                        .context("name", spec.name));
                }
                Resolved::Capture(source.clone(), spec)
            }
            Step::Execute(execution) => {
                check_journal(execution.action.as_ref(), journal)?;
                undoable += usize::from(execution.action.undo().is_some());
                Resolved::Execute(execution.clone())
            }
            Step::Undo => {
                undoable = undoable.checked_sub(1).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidInput, "an undo step has no side effect before it to take back")
                })?;
                Resolved::Undo
            }
        });
    }
    Ok(resolved)
}

impl Resolved {
    pub(super) fn planned(&self) -> PlannedStep {
        match self {
            Resolved::Capture(source, spec) => {
                let kind =
                    if spec.name == spec.source.kind { String::new() } else { format!(" ({})", spec.source.kind) };
                let optional = if spec.required { "" } else { ", optional" };
                let what = format!("{}{kind}{optional}", spec.name);
                PlannedStep::new("capture", what, Some(&source.chain), Direction::Outward)
            }
            Resolved::Execute(Execution { chain, action }) => {
                PlannedStep::new("execute", action.describe(), Some(chain), Direction::InPlace)
            }
            Resolved::Undo => PlannedStep {
                verb: "undo",
                what: "the latest side effect".into(),
                chain: Vec::new(),
                letters: String::new(),
            },
        }
    }
}
