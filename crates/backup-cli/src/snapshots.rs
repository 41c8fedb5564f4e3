use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::place::{chosen, open};
use crate::screen::{local_time, tame};
use backup_core::{Backup, BackupId, Catalogue, Summary};
use backup_repository::{Missing, Names, Note, Repository};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// An id is never shown shorter, so that ids of different days look alike.
const SHORT_ID: usize = 12;
const HINT: &str = "`backup list` shows what there is";

/// The snapshots of the one repository that a command works on.
#[derive(Debug)]
pub(crate) struct Snapshots<'a> {
    context: &'a Context,
    pub(crate) repository: Repository,
    /// Listed when they are asked for.
    names: OnceCell<Names>,
}

impl<'a> Snapshots<'a> {
    pub(crate) async fn open(context: &'a Context) -> Result<Self> {
        let repository = open(&context.settings, &chosen(context)?).await?;
        Ok(Snapshots { context, repository, names: OnceCell::new() })
    }

    /// All of them, read, oldest first.
    pub(crate) async fn all(&self) -> Result<Vec<Summary>> {
        list(self.context, &self.repository).await
    }

    /// The snapshot that a reference on the command line means. A whole id means itself.
    pub(crate) async fn resolve(&self, reference: &str) -> Result<BackupId> {
        if is_whole_id(reference) {
            return Ok(BackupId(reference.to_ascii_lowercase()));
        }
        let names = self.names().await?;
        let resolved = names.resolve(reference).await;
        let id = resolved.map_err(|error| Failure::from(error).hint_on(Exit::NotFound, HINT))?;
        if reference.starts_with("latest")
            && let Some(warning) = names.ahead(&id)
        {
            self.context.screen().warn(warning);
        }
        Ok(id)
    }

    /// The same, opened.
    pub(crate) async fn backup(&self, reference: &str) -> Result<Arc<dyn Backup>> {
        let id = self.resolve(reference).await?;
        let opened = Catalogue::open(&self.repository, &id).await;
        Ok(Arc::from(opened.map_err(|error| Failure::from(error).hint_on(Exit::NotFound, HINT))?))
    }

    /// The ids that several references mean, each once. All are clear before anything is done to the first.
    pub(crate) async fn resolve_all(&self, references: &[String]) -> Result<Vec<BackupId>> {
        let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
        for reference in references {
            let id = self.resolve(reference).await?;
            if seen.insert(id.0.clone()) {
                all.push(id);
            }
        }
        Ok(all)
    }

    /// Changes what is noted of snapshots, and says what holds of each then.
    pub(crate) async fn change_notes(
        &self,
        references: &[String],
        change: impl Fn(&mut Note) + Send + Sync,
        says: impl Fn(&Note) -> String,
    ) -> Result<Exit> {
        let screen = self.context.screen();
        let mut snapshots = Vec::new();
        for id in self.resolve_all(references).await? {
            snapshots.push(self.repository.summary(&id).await?);
        }
        for snapshot in snapshots {
            let note = self.repository.change_note(&snapshot.id, &change).await?;
            if screen.is_json() {
                let (id, held) = (&snapshot.id.0, note.hold.is_some());
                screen.json(&json!({ "snapshot": id, "tags": note.tags, "held": held, "hold_reason": note.hold }))?;
            } else {
                screen.note(format_args!("{}: {}", self.title(&snapshot).await?, tame(&says(&note))));
            }
        }
        Ok(Exit::Done)
    }

    /// A snapshot as people know it.
    pub(crate) async fn title(&self, snapshot: &Summary) -> Result<String> {
        let id = short(&snapshot.id, self.names().await?.ids());
        Ok(format!("{id} ({}, {})", tame(&snapshot.name), local_time(snapshot.time)))
    }

    async fn names(&self) -> Result<&Names> {
        let listed = async {
            let names = self.repository.names().await?;
            warn_of(self.context, &names.missing);
            Ok(names)
        };
        self.names.get_or_try_init(|| listed).await
    }
}

/// All snapshots, oldest first; says so if the storage shows an older state than this machine has seen.
pub(crate) async fn list(context: &Context, repository: &Repository) -> Result<Vec<Summary>> {
    let listing = repository.listing().await?;
    warn_of(context, &listing.missing);
    for newer in &listing.newer {
        context.screen().warn(newer);
    }
    Ok(listing.snapshots)
}

/// As much of an id as tells it from all others.
pub(crate) fn short(id: &BackupId, all: impl Iterator<Item = BackupId>) -> &str {
    let shared = all.filter(|other| other != id).map(|other| common(&id.0, &other.0) + 1).max().unwrap_or(0);
    id.0.get(..shared.max(SHORT_ID)).unwrap_or(&id.0)
}

pub(crate) fn warn_of(context: &Context, missing: &[Missing]) {
    for missing in missing {
        context.screen().warn(format_args!("{missing}; `backup forget --missing` says that this is as it should be"));
    }
}

fn is_whole_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}
