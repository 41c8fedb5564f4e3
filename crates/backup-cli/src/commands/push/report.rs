use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::place::Location;
use crate::screen::{bytes, count, duration};
use backup_core::{Committed, Component, DestinationReport, Failed, PushReport, PushStats, Status};
use serde_json::{Value, json};
use std::time::Duration;

/// The most unreadable entries that are named one by one, unless all are asked for.
const MAX_NAMED: usize = 20;

/// Says how a push ended.
pub(super) struct Report<'a> {
    pub(super) context: &'a Context,
    pub(super) not_opened: Vec<(Location, Failure)>,
    pub(super) duration: Duration,
}

impl Report<'_> {
    pub(super) fn show(self, ended: Result<PushReport, Failed<PushReport>>) -> Result<Exit> {
        let report = match ended {
            Ok(report) => report,
            Err(failed) => return Err(self.failed(failed)),
        };
        let screen = self.context.screen();
        for (name, component) in report.components.iter().filter_map(|c| Some((&c.name, c.failure.as_ref()?))) {
            screen.warn(format_args!("{name} is not in the snapshot: {component}"));
        }
        let taken = report.destinations.iter().find(|destination| destination.result.is_ok());
        let errors = taken.map_or(0, |destination| self.name_unreadable(&destination.components));
        self.name_lost(&report);
        if screen.is_json() {
            screen.json(&self.json(&report, errors))?;
        } else if !screen.is_quiet() {
            self.print(&report)?;
        }
        Ok(self.exit(&report, errors))
    }

    fn exit(&self, report: &PushReport, errors: u64) -> Exit {
        let all_there = self.not_opened.is_empty() && report.failed().next().is_none();
        match report.status() {
            Some(Status::Incomplete) | None => Exit::Failed,
            Some(_) if !all_there => Exit::Failed,
            Some(Status::Partial) => Exit::Unread,
            Some(Status::Complete) if errors > 0 => Exit::Unread,
            Some(Status::Complete) => Exit::Done,
        }
    }

    /// No repository has the snapshot.
    fn failed(&self, failed: Failed<PushReport>) -> Failure {
        let several = failed.report.destinations.len() + self.not_opened.len() > 1;
        if several {
            self.name_lost(&failed.report);
        }
        let failure = Failure::from(failed.error);
        if failure.exit == Exit::Interrupted {
            return failure.hint("no snapshot was made; those from before are as they were");
        }
        failure
    }

    /// Names the repositories that do not have the snapshot.
    fn name_lost(&self, report: &PushReport) {
        let screen = self.context.screen();
        for (location, failure) in &self.not_opened {
            screen.warn(format_args!("the snapshot is not in {location}: {failure}"));
        }
        for (label, failure) in report.failed() {
            screen.warn(format_args!("the snapshot is not in {label}: {failure}"));
        }
        for left in report.destinations.iter().flat_map(|destination| &destination.left_behind) {
            screen.warn(format_args!("could not be cleaned up: {left}"));
        }
    }

    /// Names what could not be read, and gives its number.
    fn name_unreadable(&self, components: &[Component]) -> u64 {
        let screen = self.context.screen();
        let limit = if screen.is_verbose() || screen.is_json() { usize::MAX } else { MAX_NAMED };
        let failures = components.iter().flat_map(|component| &component.outcome.failures);
        let total = components.iter().map(|component| component.outcome.failed()).sum();
        let mut named = 0;
        for failure in failures.take(limit) {
            screen.entry_failed(&failure.path, &failure.reason);
            named += 1;
        }
        if total > named {
            let hint = if screen.is_verbose() { "" } else { "; --verbose names more" };
            screen.warn(format_args!("{} more could not be read{hint}", count(total - named)));
        }
        total
    }

    fn print(&self, report: &PushReport) -> Result<()> {
        let mut out = self.context.screen().out();
        let paint = self.context.screen().out_paint;
        let several = report.destinations.len() > 1;
        for (label, committed) in report.committed() {
            let Committed { summary, stats, .. } = committed;
            let place = if several { format!(" in {label}") } else { String::new() };
            let heading = format!("snapshot {} of {}{place}", summary.id, crate::screen::tame(&summary.name));
            out.line(format_args!(
                "{}: {} in {}",
                paint.strong(&heading),
                summary.status.as_str(),
                duration(self.duration)
            ))?;
            for (what, text) in lines(stats, &summary.totals) {
                out.line(format_args!("  {what:<9} {text}"))?;
            }
        }
        out.done()
    }

    fn json(&self, report: &PushReport, errors: u64) -> Value {
        let mut first = report.committed();
        let mut object = match first.next() {
            Some((_, committed)) => committed_json(committed),
            None => json!({}),
        };
        if let Value::Object(object) = &mut object {
            object.insert("errors".into(), errors.into());
            object.insert("duration_seconds".into(), self.duration.as_secs_f64().into());
            if report.destinations.len() + self.not_opened.len() > 1 {
                let tried = report.destinations.iter().map(destination_json);
                let not_opened = self.not_opened.iter().map(
                    |(location, failure)| json!({ "repository": location.to_string(), "error": failure.to_string() }),
                );
                object.insert("repositories".into(), tried.chain(not_opened).collect());
            }
        }
        object
    }
}

fn lines(stats: &PushStats, totals: &backup_core::Totals) -> Vec<(&'static str, String)> {
    let PushStats { files_new, files_changed, files_unchanged, bytes_read, bytes_added, bytes_stored } = stats;
    let [new, changed, unchanged] = [files_new, files_changed, files_unchanged].map(|files| count(*files));
    vec![
        ("files", format!("{new} new · {changed} changed · {unchanged} unchanged")),
        ("size", bytes(totals.size_bytes)),
        ("read", bytes(*bytes_read)),
        ("added", format!("{} that no snapshot had", bytes(*bytes_added))),
        ("stored", format!("{} compressed and encrypted", bytes(*bytes_stored))),
    ]
}

fn committed_json(committed: &Committed) -> Value {
    let stats = &committed.stats;
    json!({
        "snapshot": committed.summary.id.0,
        "status": committed.summary.status.as_str(),
        "files_new": stats.files_new,
        "files_changed": stats.files_changed,
        "files_unchanged": stats.files_unchanged,
        "bytes_read": stats.bytes_read,
        "bytes_added": stats.bytes_added,
        "bytes_stored": stats.bytes_stored,
    })
}

fn destination_json(destination: &DestinationReport) -> Value {
    let mut object = match &destination.result {
        Ok(committed) => committed_json(committed),
        Err(failure) => json!({ "error": failure.message }),
    };
    if let Value::Object(object) = &mut object {
        object.insert("repository".into(), destination.label.clone().into());
    }
    object
}
