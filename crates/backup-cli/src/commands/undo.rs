use crate::context::Context;
use crate::drivers::registry;
use crate::exit::Exit;
use crate::failure::Result;
use crate::place::journal;
use backup_core::{ExecutionReport, Failure, UndoRecord, UndoReport, undo_pending};
use clap::Args;
use serde_json::json;

/// Take back what runs that died have left behind
///
/// What a run does to the places that it backs up, like freezing an application, is written down before it happens, and
/// undone when the run ends. This undoes it for runs that were killed, or whose undo failed; those that are still alive
/// are left alone.
#[derive(Debug, Args)]
pub(crate) struct Undo {}

impl Undo {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let report = undo_pending(&journal()?, &registry()).await?;
        show(context, &report)?;
        Ok(if report.is_clean() { Exit::Done } else { Exit::Failed })
    }
}

/// Why an undo failed; none when it did not.
fn failure(tried: &Result<ExecutionReport, Failure>) -> Option<&Failure> {
    match tried {
        Ok(report) => report.result.as_ref().err(),
        Err(failure) => Some(failure),
    }
}

fn show(context: &Context, report: &UndoReport) -> Result<()> {
    let screen = context.screen();
    let each = || report.tried.iter().map(|(record, tried)| (record, failure(tried)));
    if screen.is_json() {
        let json = |(record, failure): (&UndoRecord, Option<&Failure>)| {
            let failure = failure.map(ToString::to_string);
            json!({ "chain": record.chain, "action": record.undo.to_string(), "failure": failure })
        };
        let unreadable: Vec<String> = report.unreadable.iter().map(ToString::to_string).collect();
        let tried: Vec<_> = each().map(json).collect();
        return screen.json(&json!({ "clean": report.is_clean(), "tried": tried, "unreadable": unreadable }));
    }
    for (record, failure) in each() {
        match failure {
            None => screen.note(format_args!("undid {record}")),
            Some(failure) => screen.warn(format_args!("could not undo {record}: {failure}")),
        }
    }
    for left in report.tried.iter().filter_map(|(_, tried)| tried.as_ref().ok()).flat_map(|tried| &tried.left_behind) {
        screen.warn(format_args!("could not be cleaned up: {left}"));
    }
    for unreadable in &report.unreadable {
        screen.warn(format_args!("an entry of the journal is left alone: {unreadable}"));
    }
    if report.tried.is_empty() && report.unreadable.is_empty() {
        screen.note("nothing to undo");
    }
    Ok(())
}
