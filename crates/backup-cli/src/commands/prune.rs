use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::place::{chosen, open};
use crate::screen::{Screen, bytes, counted, tame};
use backup_repository::{NoSnapshots, PruneOptions, PruneReport};
use clap::Args;
use serde_json::json;
use std::time::Duration;

const HINT: &str = "`backup check` says more";
/// Where the index is full and no snapshot is listed.
const NONE_LEFT: &str =
    "`backup check` says more; if no snapshot is left and that is as it should be: `--no-snapshots`";

/// Free what no snapshot needs any more
///
/// May run at any time, beside pushes and other prunes. Garbage is condemned first; it is deleted by a later prune, once the
/// grace has passed and the pushes that were under way are over. With `--grace 0`, and nobody pushing, both happen at once.
///
/// Needs a little free space, for its records and for what it rewrites, before it frees any; so does forget.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Only say what would be done
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,

    /// How long garbage stays after it was condemned: `24h`, `7d`, `0`
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    grace: Duration,

    /// Wait until all garbage is deleted
    #[arg(long)]
    wait: bool,

    /// No snapshot is left, and that is as it should be: free everything, though snapshots were seen that nobody forgot
    #[arg(long)]
    no_snapshots: bool,
}

impl Prune {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let repository = open(&context.settings, &chosen(context)?).await?;
        let options = PruneOptions::default().with_dry_run(self.dry_run).with_grace(self.grace).with_wait(self.wait);
        let options = options.with_believe_empty(self.no_snapshots);
        let progress = context.screen().progress();
        let report = repository.prune(&options, progress.clone(), &context.interrupt.stop()).await;
        progress.end();
        let report = report.map_err(|error| {
            let is_empty = std::error::Error::source(&error).is_some_and(|source| source.is::<NoSnapshots>());
            Failure::from(error).hint_on(Exit::Damage, if is_empty { NONE_LEFT } else { HINT })
        })?;
        show(context.screen(), &report, self.dry_run)?;
        Ok(if report.damaged.is_empty() { Exit::Done } else { Exit::Damage })
    }
}

fn show(screen: &Screen, report: &PruneReport, is_dry: bool) -> Result<()> {
    if screen.is_json() {
        return screen.json(&json!({
            "dry_run": is_dry,
            "finished": report.is_finished(),
            "passes": report.passes,
            "snapshots": report.snapshots,
            "packs": report.packs,
            "size_bytes": report.bytes,
            "packs_deleted": report.packs_deleted,
            "bytes_deleted": report.bytes_deleted,
            "packs_condemned": report.packs_condemned,
            "bytes_condemned": report.bytes_condemned,
            "packs_copied": report.packs_copied,
            "bytes_copied": report.bytes_copied,
            "packs_left": report.packs_left,
            "runs_merged": report.runs_merged,
            "sessions_ended": report.sessions_ended,
            "refused": report.refused,
            "waiting": report.waiting,
            "damaged": report.damaged,
        }));
    }
    let would = if is_dry { "would have " } else { "" };
    let mut done = Vec::new();
    for (what, packs, size) in [
        ("deleted", report.packs_deleted, report.bytes_deleted),
        ("condemned", report.packs_condemned, report.bytes_condemned),
    ] {
        if packs > 0 {
            done.push(format!("{what} {} ({})", counted(packs, "packs"), bytes(size)));
        }
    }
    if report.packs_copied > 0 {
        done.push(format!("rewrote {}", counted(report.packs_copied, "packs")));
    }
    if report.runs_merged > 0 {
        done.push(format!("merged {}", counted(report.runs_merged, "index runs")));
    }
    match done.is_empty() {
        true => screen.note("nothing to free"),
        false => screen.note(format_args!("{would}{}", done.join(", "))),
    }
    for session in &report.sessions_ended {
        screen.note(format_args!("ended session {session}, which was dead"));
    }
    if report.refused > 0 {
        let objects = counted(report.refused, "objects");
        screen.note(format_args!("the storage refused to delete {objects}, still condemned"));
    }
    for line in &report.damaged {
        screen.warn(tame(line));
    }
    for line in &report.waiting {
        screen.note(tame(line));
    }
    let (snapshots, packs) = (counted(report.snapshots, "snapshots"), counted(report.packs, "packs"));
    screen.note(format_args!("there: {snapshots}, {packs} ({}), with what is condemned", bytes(report.bytes)));
    Ok(())
}

/// A time with its unit, or 0.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = |_| "give a time with its unit, like 24h, 7d or 90min".to_owned();
    let span: jiff::Span = text.parse().map_err(wrong)?;
    let time = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(wrong)?;
    Duration::try_from(time).map_err(|_| "it cannot be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3600));
        assert_eq!(
            (duration("24h"), duration("7d"), duration("0"), duration("0s")),
            (hours(24), hours(7 * 24), hours(0), hours(0))
        );
        assert_eq!(duration("90min"), Ok(Duration::from_secs(5400)));
        for wrong in ["", "24", "-1h", "soon", "1y"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
