use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::place::{Opened, chosen, open_any};
use crate::screen::{local_time, tame};
use backup_archive::ArchiveFolder;
use backup_core::{Backup, BackupId, Catalogue, Status, Summary};
use backup_repository::{Missing, Names, Note, Repository};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// An id is never shown shorter, so that ids of different days look alike.
const SHORT_ID: usize = 12;
const HINT: &str = "`backup list` shows what there is";

/// The snapshots of the one repository, or the archives of the one folder, that a command works on.
#[derive(Debug)]
pub(crate) struct Snapshots<'a> {
    context: &'a Context,
    pub(crate) place: Opened,
    /// Listed when they are asked for.
    names: OnceCell<Names>,
    archives: OnceCell<Vec<Summary>>,
}

impl<'a> Snapshots<'a> {
    pub(crate) async fn open(context: &'a Context) -> Result<Self> {
        let place = open_any(&context.settings, &chosen(context)?).await?;
        Ok(Snapshots { context, place, names: OnceCell::new(), archives: OnceCell::new() })
    }

    /// All of them, read, oldest first.
    pub(crate) async fn all(&self) -> Result<Vec<Summary>> {
        match &self.place {
            Opened::Repository(repository) => list(self.context, repository).await,
            Opened::Archives(_) => Ok(self.archives().await?.to_vec()),
        }
    }

    pub(crate) fn catalogue(&self) -> &dyn Catalogue {
        self.place.catalogue()
    }

    /// What the catalogue shows of one.
    pub(crate) async fn summary(&self, id: &BackupId) -> backup_core::Result<Summary> {
        match &self.place {
            Opened::Repository(repository) => repository.summary(id).await,
            Opened::Archives(folder) => Ok(folder.open(id).await?.summary().clone()),
        }
    }

    async fn archives(&self) -> backup_core::Result<&[Summary]> {
        self.archives.get_or_try_init(|| self.catalogue().list()).await.map(Vec::as_slice)
    }

    /// The snapshot that a reference on the command line means. A whole id means itself.
    pub(crate) async fn resolve(&self, reference: &str) -> Result<BackupId> {
        let Opened::Repository(repository) = &self.place else {
            return archive(self.archives().await?, reference);
        };
        if is_whole_id(reference) {
            return Ok(BackupId(reference.to_ascii_lowercase()));
        }
        let names = self.names(repository).await?;
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
        let opened = self.catalogue().open(&id).await;
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
            snapshots.push(self.summary(&id).await?);
        }
        for snapshot in snapshots {
            let note = match &self.place {
                Opened::Repository(repository) => repository.change_note(&snapshot.id, &change).await?,
                Opened::Archives(folder) => change_archive(folder, &snapshot, &change).await?,
            };
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
        let id = match &self.place {
            Opened::Repository(repository) => short(&snapshot.id, self.names(repository).await?.ids()),
            Opened::Archives(_) => &snapshot.id.0,
        };
        Ok(format!("{} ({}, {})", tame(id), tame(&snapshot.name), local_time(snapshot.time)))
    }

    async fn names(&self, repository: &Repository) -> Result<&Names> {
        let listed = async {
            let names = repository.names().await?;
            warn_of(self.context, &names.missing);
            Ok(names)
        };
        self.names.get_or_try_init(|| listed).await
    }
}

/// The archive that a reference means: its name, `latest`, or `latest:NAME`.
fn archive(archives: &[Summary], reference: &str) -> Result<BackupId> {
    let counts = |summary: &&Summary| summary.status != Status::Incomplete;
    if let Some(series) = reference.strip_prefix("latest:") {
        let latest = archives.iter().filter(counts).rfind(|summary| summary.name == series);
        let none = || Failure::new(Exit::NotFound, format!("there is no archive of {series}")).hint(HINT);
        return latest.map(|summary| summary.id.clone()).ok_or_else(none);
    }
    if reference == "latest" {
        let names: BTreeSet<&str> = archives.iter().filter(counts).map(|summary| summary.name.as_str()).collect();
        if names.len() > 1 {
            let names = names.into_iter().map(|name| tame(name).into_owned()).collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format!("there are archives of several names: {names}")).hint("say latest:NAME"));
        }
        let latest = archives.iter().rfind(counts).map(|summary| summary.id.clone());
        return latest.ok_or_else(|| Failure::new(Exit::NotFound, "there are no archives yet"));
    }
    // Never the beginning of a name: one that cannot be read is not listed, and another must not be taken for it.
    Ok(BackupId(reference.to_owned()))
}

/// Of an archive only the hold can change.
async fn change_archive(
    folder: &ArchiveFolder,
    archive: &Summary,
    change: &(dyn Fn(&mut Note) + Send + Sync),
) -> Result<Note> {
    let mut note = Note::default();
    note.tags.clone_from(&archive.tags);
    note.hold = archive.held.then(String::new);
    let before = note.clone();
    change(&mut note);
    if note.tags != before.tags || note.hold.as_ref().is_some_and(|reason| !reason.is_empty()) {
        return Err(Failure::usage("the tags of an archive are those of its push, and a hold has no reason there"));
    }
    match (before.hold, &note.hold) {
        (None, Some(_)) => folder.hold(&archive.id).await?,
        (Some(_), None) => folder.release(&archive.id).await?,
        _ => {}
    }
    Ok(note)
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

/// As much of an id as tells it from all others; the whole name of an archive.
pub(crate) fn short(id: &BackupId, all: impl Iterator<Item = BackupId>) -> &str {
    if !is_whole_id(&id.0) {
        return &id.0;
    }
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
