use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::screen::{bytes, count, duration, tame};
use backup_core::{ErrorKind, Failed, Outcome, PullReport, Summary, Totals};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The most entries that are named one by one, unless all are asked for.
const MAX_NAMED: usize = 20;

/// What was done with the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    Restore,
    WouldRestore,
    Compare,
}

impl Did {
    fn verb(self) -> &'static str {
        match self {
            Did::Restore => "restored",
            Did::WouldRestore => "would restore",
            Did::Compare => "compared",
        }
    }
}

/// Says how a pull ended.
pub(super) struct Report<'a> {
    pub(super) context: &'a Context,
    pub(super) summary: &'a Summary,
    pub(super) into: &'a Path,
    pub(super) did: Did,
    pub(super) duration: Duration,
}

impl Report<'_> {
    pub(super) fn show(&self, ended: Result<PullReport, Failed<PullReport>>) -> Result<Exit> {
        let report = match ended {
            Ok(report) => report,
            Err(failed) => {
                self.name_failures(&failed.report, Some(failed.error.kind()));
                let failure = Failure::from(failed.error);
                return Err(if failure.exit == Exit::Interrupted {
                    failure.hint(format!(
                        "what was restored stays in {}; run again, it goes on from there",
                        self.into.display()
                    ))
                } else {
                    failure
                });
            }
        };
        self.name_failures(&report, None);
        let screen = self.context.screen();
        if screen.is_json() {
            self.json(&report)?;
        } else if !screen.is_quiet() {
            self.print(&report)?;
        }
        Ok(self.exit(&report))
    }

    fn exit(&self, report: &PullReport) -> Exit {
        if report.is_damaged() {
            return Exit::Damage;
        }
        if let Some((_, failure)) = report.failed().next() {
            return Exit::from(failure.kind);
        }
        let left_behind = report.components.iter().any(|component| !component.left_behind.is_empty());
        match report.entries_failed() {
            0 if left_behind => Exit::Failed,
            0 => Exit::Done,
            _ => Exit::Unread,
        }
    }

    /// `ends_with` is what the whole failed with: of one component, that need not be said twice.
    fn name_failures(&self, report: &PullReport, ends_with: Option<ErrorKind>) {
        let screen = self.context.screen();
        let limit = if screen.is_verbose() || screen.is_json() { usize::MAX } else { MAX_NAMED };
        for component in &report.components {
            for damage in &component.damage {
                screen.warn(format_args!("a part of the listing of {} is damaged: {damage}", component.name));
            }
            for left in &component.left_behind {
                screen.warn(format_args!("could not be cleaned up: {left}"));
            }
            match &component.result {
                Ok(outcome) => {
                    let named = outcome.failures.iter().take(limit);
                    named.clone().for_each(|failure| screen.entry_failed(&failure.path, &failure.reason));
                    let more = outcome.failed().saturating_sub(named.count() as u64);
                    if more > 0 {
                        screen.warn(format_args!(
                            "{} more{}",
                            count(more),
                            if screen.is_verbose() { "" } else { "; --verbose names them" }
                        ));
                    }
                }
                Err(failure) if report.components.len() == 1 && ends_with == Some(failure.kind) => {}
                Err(failure) => screen.warn(format_args!("{} did not come to its end: {failure}", component.name)),
            }
        }
    }

    fn print(&self, report: &PullReport) -> Result<()> {
        let screen = self.context.screen();
        let mut out = screen.out();
        let (id, name) = (&self.summary.id, tame(&self.summary.name));
        let heading = screen.out_paint.strong(&format!("{} {id} of {name}", self.did.verb()));
        let (into, into_or_with) = (self.into.display(), if self.did == Did::Compare { "with" } else { "into" });
        out.line(format_args!("{heading} {into_or_with} {into} in {}", duration(self.duration)))?;
        let totals = totals(report);
        out.line(format_args!("  {:<9} {}", "files", count(totals.files)))?;
        out.line(format_args!("  {:<9} {}", "size", bytes(totals.size_bytes)))?;
        let written = report.components.iter().map(|component| component.written_bytes).sum();
        out.line(format_args!(
            "  {:<9} {}",
            if self.did == Did::Compare { "read" } else { "written" },
            bytes(written)
        ))?;
        for (what, number) in counts(report) {
            out.line(format_args!("  {:<9} {}", what.replace('_', " "), count(number)))?;
        }
        out.done()
    }

    fn json(&self, report: &PullReport) -> Result<()> {
        let totals = totals(report);
        self.context.screen().json(&json!({
            "snapshot": self.summary.id.0,
            "into": self.into.display().to_string(),
            "did": self.did.verb(),
            "entries": totals.entries,
            "files": totals.files,
            "size_bytes": totals.size_bytes,
            "bytes_written": report.components.iter().map(|component| component.written_bytes).sum::<u64>(),
            "counts": counts(report),
            "errors": report.entries_failed(),
            "damaged": report.is_damaged(),
            "duration_seconds": self.duration.as_secs_f64(),
        }))
    }
}

fn totals(report: &PullReport) -> Totals {
    let mut totals = Totals::default();
    report.components.iter().for_each(|component| totals += component.totals);
    totals
}

/// What the drivers counted.
fn counts(report: &PullReport) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let outcomes = report.components.iter().filter_map(|component| component.result.as_ref().ok());
    for (name, number) in outcomes.flat_map(|Outcome { counts, .. }| counts) {
        *counts.entry(name.clone()).or_default() += number;
    }
    counts
}
