use super::prune::duration;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::place::{chosen, open};
use crate::screen::{Screen, counted};
use backup_repository::RepairReport;
use clap::{Args, Subcommand};
use serde_json::json;
use std::time::Duration;

/// Mend what can be made again
#[derive(Debug, Args)]
pub(crate) struct Repair {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make the index again where it was lost or damaged
    ///
    /// Lists packs that stand in no index run that can be read. Waits until the pushes that are under way are over. Runs
    /// that cannot be read are taken away by the next prune.
    Index {
        /// How long to wait for other sessions: `10min`, `0`
        #[arg(long, value_name = "DURATION", default_value = "10min", value_parser = duration)]
        wait: Duration,
    },
}

impl Repair {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let What::Index { wait } = self.what;
        let repository = open(&context.settings, &chosen(context)?).await?;
        let progress = context.screen().progress();
        let report = repository.repair_index(wait, progress.clone(), &context.interrupt.stop()).await;
        progress.end();
        let report = report?;
        show(context.screen(), &report)?;
        Ok(if report.packs_unreadable.is_empty() { Exit::Done } else { Exit::Damage })
    }
}

fn show(screen: &Screen, report: &RepairReport) -> Result<()> {
    if screen.is_json() {
        return screen.json(&json!({
            "packs_listed": report.packs_listed,
            "chunks_listed": report.chunks_listed,
            "runs_unreadable": report.runs_unreadable,
            "packs_unreadable": report.packs_unreadable,
        }));
    }
    let (packs, chunks) = (counted(report.packs_listed, "packs"), counted(report.chunks_listed, "chunks"));
    match report.packs_listed {
        0 => screen.note("every pack that can be read is in the index"),
        _ => screen.note(format_args!("listed {packs} with {chunks} again")),
    }
    if !report.runs_unreadable.is_empty() {
        let runs = counted(report.runs_unreadable.len() as u64, "index runs");
        screen.note(format_args!("{runs} cannot be read; the next prune takes such away"));
    }
    if !report.packs_unreadable.is_empty() {
        let packs = counted(report.packs_unreadable.len() as u64, "packs");
        screen.note(format_args!("{packs} cannot be read: `backup check` says which snapshots that affects"));
    }
    Ok(())
}
