use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::place::{chosen, open};
use crate::reference::resolve;
use crate::screen::{local_time, tame};
use backup_core::{Backup, Catalogue, Summary};
use backup_repository::{Note, Repository};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An id is never shown shorter, so that ids of different days look alike.
const SHORT_ID: usize = 12;

/// The snapshots of the one repository that a command works on.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub(crate) repository: Repository,
    /// Oldest first.
    pub(crate) all: Vec<Summary>,
}

impl Snapshots {
    pub(crate) async fn open(context: &Context) -> Result<Self> {
        let repository = open(&context.settings, &chosen(context)?).await?;
        let all = list(context, &repository).await?;
        Ok(Snapshots { repository, all })
    }

    /// The snapshot that a reference on the command line means.
    pub(crate) fn resolve(&self, reference: &str) -> Result<&Summary> {
        resolve(reference, &self.all)
    }

    /// The same, opened.
    pub(crate) async fn backup(&self, reference: &str) -> Result<Arc<dyn Backup>> {
        Ok(Arc::from(self.repository.open(&self.resolve(reference)?.id).await?))
    }

    /// The snapshots that several references mean, each once. All are clear before anything is done to the first.
    pub(crate) fn resolve_all(&self, references: &[String]) -> Result<Vec<&Summary>> {
        let mut seen = BTreeSet::new();
        let all = references.iter().map(|reference| self.resolve(reference)).collect::<Result<Vec<&Summary>>>()?;
        Ok(all.into_iter().filter(|snapshot| seen.insert(&snapshot.id)).collect())
    }

    /// Changes what is noted of snapshots, and says what holds of each then.
    pub(crate) async fn change_notes(
        &self,
        context: &Context,
        references: &[String],
        change: impl Fn(&mut Note) + Send + Sync,
        says: impl Fn(&Note) -> String,
    ) -> Result<Exit> {
        let screen = context.screen();
        for snapshot in self.resolve_all(references)? {
            let note = self.repository.change_note(&snapshot.id, &change).await?;
            if screen.is_json() {
                let (id, held) = (&snapshot.id.0, note.hold.is_some());
                screen.json(&json!({ "snapshot": id, "tags": note.tags, "held": held, "hold_reason": note.hold }))?;
            } else {
                screen.note(format_args!("{}: {}", self.title(snapshot), tame(&says(&note))));
            }
        }
        Ok(Exit::Done)
    }

    /// A snapshot as people know it.
    pub(crate) fn title(&self, snapshot: &Summary) -> String {
        format!("{} ({}, {})", self.short(snapshot), tame(&snapshot.name), local_time(snapshot.time))
    }

    /// As much of an id as tells it from all others.
    pub(crate) fn short<'a>(&self, snapshot: &'a Summary) -> &'a str {
        let id = snapshot.id.0.as_str();
        let others = || self.all.iter().filter(|other| other.id != snapshot.id);
        let shared = others().map(|other| common(id, &other.id.0) + 1).max().unwrap_or(0);
        id.get(..shared.max(SHORT_ID)).unwrap_or(id)
    }
}

/// All snapshots, oldest first; says so if the storage shows an older state than this machine has seen.
pub(crate) async fn list(context: &Context, repository: &Repository) -> Result<Vec<Summary>> {
    let listing = repository.listing().await?;
    for missing in &listing.missing {
        context.screen().warn(format_args!("{missing}; `backup forget --missing` says that this is as it should be"));
    }
    for newer in &listing.newer {
        context.screen().warn(newer);
    }
    Ok(listing.snapshots)
}

fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}
