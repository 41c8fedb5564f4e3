use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::screen::{local_time, tame};
use crate::snapshots::Snapshots;
use backup_core::Summary;
use clap::Args;
use serde_json::json;
use std::collections::BTreeSet;

/// Remove snapshots
///
/// What no other snapshot uses stays in the repository until it is pruned.
#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// Which snapshots
    #[arg(required = true, value_name = "SNAPSHOT")]
    snapshots: Vec<String>,

    /// Only say which ones
    #[arg(long)]
    dry_run: bool,
}

impl Forget {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let snapshots = Snapshots::open(context).await?;
        // All references are clear before the first snapshot goes.
        let chosen =
            self.snapshots.iter().map(|reference| snapshots.resolve(reference)).collect::<Result<Vec<&Summary>>>()?;
        let mut seen = BTreeSet::new();
        let screen = context.screen();
        for snapshot in chosen.into_iter().filter(|snapshot| seen.insert(&snapshot.id)) {
            if !self.dry_run {
                snapshots.catalogue.forget(&snapshot.id).await?;
            }
            if screen.is_json() {
                screen.json(&json!({ "snapshot": snapshot.id.0, "forgotten": !self.dry_run }))?;
            } else {
                let verb = if self.dry_run { "would forget" } else { "forgot" };
                let (time, name) = (local_time(snapshot.time), tame(&snapshot.name).into_owned());
                screen.note(format_args!("{verb} {} ({name}, {time})", snapshots.short(snapshot)));
            }
        }
        Ok(Exit::Done)
    }
}
