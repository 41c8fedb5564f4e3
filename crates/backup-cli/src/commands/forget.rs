use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::place::{chosen, open};
use crate::screen::tame;
use crate::snapshots::Snapshots;
use backup_core::{BackupId, Catalogue, ErrorKind};
use backup_repository::Repository;
use clap::Args;
use serde_json::json;

/// Somebody was faster with a hold, or this is no owner.
const HINT: &str = "`backup release` lets a held snapshot go; forgetting is for owners";

/// Remove snapshots
///
/// What no other snapshot uses stays in the repository until it is pruned. A snapshot that is held is refused.
#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// Which snapshots
    #[arg(required = true, value_name = "SNAPSHOT")]
    snapshots: Vec<String>,

    /// Only say which ones
    #[arg(long)]
    dry_run: bool,

    /// These snapshots are gone from the storage, and that is as it should be: nobody shall miss them any more. Takes
    /// whole ids, as `backup check` names them
    #[arg(long)]
    missing: bool,
}

impl Forget {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        if self.missing {
            return self.missing(context).await;
        }
        let snapshots = Snapshots::open(context).await?;
        // What cannot be read is in no list, and goes by its whole id.
        let is_listed = |id: &str| snapshots.all.iter().any(|snapshot| snapshot.id.0 == id);
        let (unlisted, listed): (Vec<String>, Vec<String>) =
            self.snapshots.iter().cloned().partition(|id| is_whole_id(id) && !is_listed(&id.to_ascii_lowercase()));
        let chosen = snapshots.resolve_all(&listed)?;
        // Nothing goes unless everything may.
        if let Some(held) = chosen.iter().find(|snapshot| snapshot.held) {
            let id = snapshots.short(held);
            return Err(Failure::new(Exit::NoAccess, format!("the snapshot {id} is held"))
                .hint(format!("`backup release {id}` lets it go")));
        }
        if !self.dry_run {
            record_receipts(context, &snapshots.repository).await;
        }
        for snapshot in chosen {
            if !self.dry_run {
                let forgotten = snapshots.repository.forget(&snapshot.id).await;
                forgotten.map_err(|error| Failure::from(error).hint_on(Exit::NoAccess, HINT))?;
            }
            self.say(context, &snapshot.id, &snapshots.title(snapshot))?;
        }
        for id in unlisted {
            let id = BackupId(id.to_ascii_lowercase());
            if !self.dry_run {
                snapshots.repository.forget(&id).await?;
            }
            self.say(context, &id, &id.0)?;
        }
        Ok(Exit::Done)
    }

    async fn missing(self, context: &Context) -> Result<Exit> {
        let repository = open(&context.settings, &chosen(context)?).await?;
        for id in &self.snapshots {
            let id = BackupId(id.to_ascii_lowercase());
            if !self.dry_run {
                repository.forget_missing(&id).await?;
            }
            self.say(context, &id, &id.0)?;
        }
        Ok(Exit::Done)
    }

    fn say(&self, context: &Context, id: &BackupId, title: &str) -> Result<()> {
        let screen = context.screen();
        if screen.is_json() {
            return screen.json(&json!({ "snapshot": id.0, "forgotten": !self.dry_run }));
        }
        let verb = if self.dry_run { "would forget" } else { "forgot" };
        screen.note(format_args!("{verb} {}", tame(title)));
        Ok(())
    }
}

/// An owner who forgets has seen what there is.
async fn record_receipts(context: &Context, repository: &Repository) {
    match repository.record_receipts().await {
        // Who may not is told by what comes next.
        Err(error) if error.kind() != ErrorKind::AccessDenied => {
            context.screen().warn(format_args!("cannot record when snapshots came: {}", Failure::from(error)));
        }
        _ => {}
    }
}

fn is_whole_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
