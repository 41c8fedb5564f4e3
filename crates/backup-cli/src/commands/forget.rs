use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::place::{Opened, chosen, open};
use crate::screen::tame;
use crate::snapshots::Snapshots;
use backup_core::{BackupId, ErrorKind};
use backup_repository::Repository;
use clap::Args;
use serde_json::json;

/// Somebody was faster with a hold, or this is no owner.
const HINT: &str = "`backup release` lets a held snapshot go; forgetting is for owners";

/// Remove snapshots
///
/// What no other snapshot uses stays in the repository until it is pruned; an archive is gone at once, and takes its whole
/// name. What is held is refused.
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
        let mut chosen = Vec::new();
        for id in snapshots.resolve_all(&self.snapshots).await? {
            match snapshots.summary(&id).await {
                Ok(snapshot) => chosen.push((id, Some(snapshot))),
                // What cannot be read, or only by a newer version, goes by its whole id; what is not there is told by forget.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported | ErrorKind::NotFound)
                        && self.names_whole(&id) =>
                {
                    chosen.push((id, None));
                }
                Err(error) => return Err(error.into()),
            }
        }
        // One that others need goes after them.
        chosen.sort_by(|(a, _), (b, _)| b.0.cmp(&a.0));
        // Nothing goes unless everything may.
        if let Some((_, Some(held))) = chosen.iter().find(|(_, snapshot)| snapshot.as_ref().is_some_and(|s| s.held)) {
            let title = snapshots.title(held).await?;
            return Err(Failure::new(Exit::NoAccess, format!("the snapshot {title} is held"))
                .hint(format!("`backup release {}` lets it go", held.id)));
        }
        if !self.dry_run
            && let Opened::Repository(repository) = &snapshots.place
        {
            record_receipts(context, repository).await;
        }
        for (id, snapshot) in chosen {
            if !self.dry_run {
                let forgotten = snapshots.catalogue().forget(&id).await;
                forgotten.map_err(|error| Failure::from(error).hint_on(Exit::NoAccess, HINT))?;
            }
            let title = match snapshot {
                Some(snapshot) => snapshots.title(&snapshot).await?,
                None => id.0.clone(),
            };
            self.say(context, &id, &title)?;
        }
        Ok(Exit::Done)
    }

    fn names_whole(&self, id: &BackupId) -> bool {
        self.snapshots.iter().any(|named| named.eq_ignore_ascii_case(&id.0))
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
