use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::snapshots::Snapshots;
use backup_repository::Note;
use clap::Args;

/// Keep snapshots from being forgotten
///
/// Until it is released, no rule of retention drops a held snapshot, and forget refuses it.
#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// Which snapshots
    #[arg(required = true, value_name = "SNAPSHOT")]
    snapshots: Vec<String>,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Hold {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let snapshots = Snapshots::open(context).await?;
        // Who holds it once more and says nothing leaves the reason that there is.
        let hold = |note: &mut Note| {
            note.hold = Some(self.reason.clone().or_else(|| note.hold.take()).unwrap_or_default());
        };
        snapshots.change_notes(&self.snapshots, hold, says).await
    }
}

fn says(note: &Note) -> String {
    match note.hold.as_deref().unwrap_or_default() {
        "" => "held".to_owned(),
        reason => format!("held, {reason}"),
    }
}
