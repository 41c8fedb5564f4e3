use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::snapshots::Snapshots;
use clap::Args;

/// Let held snapshots go
///
/// From then on they can be forgotten, by hand or by retention.
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// Which snapshots
    #[arg(required = true, value_name = "SNAPSHOT")]
    snapshots: Vec<String>,
}

impl Release {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let snapshots = Snapshots::open(context).await?;
        let says = |_: &_| "not held".to_owned();
        snapshots.change_notes(&self.snapshots, |note| note.hold = None, says).await
    }
}
