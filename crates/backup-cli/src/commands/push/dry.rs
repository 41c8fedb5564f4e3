//! What a push would do, found out without doing it.

use super::sources::Sources;
use crate::commands::diff::{Change, change};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::listing::Listing;
use crate::place::{Location, Opened, open_any};
use crate::screen::{Progress, Screen, bytes, count};
use crate::snapshots;
use backup_core::{Backup, Batch, Capture, Catalogue, Connection, Entry, ErrorKind, Selection, SourceDriver, Spec};
use backup_drivers::{Files, Local};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Lists the sources and compares them with the latest snapshot of the name in the first repository. Reads no content
/// and runs no program.
pub(super) async fn run(context: &Context, sources: &Sources, places: &[Location], spec: &Spec) -> Result<Exit> {
    let screen = context.screen();
    let previous = match places.first() {
        Some(location) if location.path().is_none_or(Path::exists) => previous(context, location, spec).await?,
        _ => None,
    };
    if let Some((name, program, _)) = &sources.output {
        screen.note(format_args!("would run {} and store its output as {name}", program.display()));
    }
    for driver in &sources.drivers {
        screen.note(format_args!("would back up {}", driver.describe().kind));
    }
    let mut tally = Tally::default();
    let mut failed = 0;
    if let Some(files) = &sources.files {
        let progress = screen.progress();
        let listed = list(files, previous.as_deref(), screen, progress.clone(), &mut tally).await;
        progress.end();
        failed = listed?;
    }
    if screen.is_json() {
        screen.json(&json!({
            "snapshot": null,
            "status": "dry_run",
            "files_new": tally.new,
            "files_changed": tally.changed,
            "files_unchanged": tally.unchanged,
            "bytes_read": tally.bytes,
            "errors": failed,
        }))?;
    } else if !screen.is_quiet() {
        let mut out = screen.out();
        let [new, changed, unchanged] = [tally.new, tally.changed, tally.unchanged].map(count);
        out.line(format_args!("would read {}", bytes(tally.bytes)))?;
        out.line(format_args!("  files     {new} new · {changed} changed · {unchanged} unchanged"))?;
        out.done()?;
    }
    Ok(if failed > 0 { Exit::Unread } else { Exit::Done })
}

async fn previous(context: &Context, location: &Location, spec: &Spec) -> Result<Option<Box<dyn Backup>>> {
    let Opened::Repository(repository) = open_any(&context.settings, location).await? else {
        // An archive takes everything.
        return Ok(None);
    };
    let names = repository.names().await?;
    snapshots::warn_of(context, &names.missing);
    match names.resolve(&format!("latest:{}", spec.name)).await {
        Ok(latest) => Ok(Some(Catalogue::open(&repository, &latest).await?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Walks over the files; gives the number of those that could not even be listed.
async fn list(
    files: &Files,
    previous: Option<&dyn Backup>,
    screen: &Screen,
    progress: Arc<Progress>,
    tally: &mut Tally,
) -> Result<u64> {
    let component = previous.and_then(|p| Some((p, p.components().iter().position(|c| c.spec.name == "files")?)));
    let mut before = match component {
        Some((backup, number)) => Some(Listing::open(screen, backup, number, &Selection::default()).await?),
        None => None,
    };
    let session = Local::new().setup(None).await?;
    let mut capture: Box<dyn Capture> = files.capture(session.clone(), progress).await?;
    while let Some(batch) = capture.list().await? {
        compare(&batch, &mut before, screen, tally).await?;
    }
    let outcome = capture.finish().await?;
    session.clean().await?;
    outcome.failures.iter().for_each(|failure| screen.entry_failed(&failure.path, &failure.reason));
    Ok(outcome.failed())
}

/// Both listings are in the same order.
async fn compare(batch: &Batch, before: &mut Option<Listing>, screen: &Screen, tally: &mut Tally) -> Result<()> {
    for entry in &batch.entries {
        let mut was = None;
        if let Some(before) = before {
            while before.entry().is_some_and(|old| old.path < entry.path) {
                before.advance().await?;
            }
            was = before.entry().filter(|old| old.path == entry.path);
        }
        tally.count(entry, was, screen);
    }
    Ok(())
}

/// Files and what would be read of them.
#[derive(Debug, Default)]
struct Tally {
    new: u64,
    changed: u64,
    unchanged: u64,
    bytes: u64,
}

impl Tally {
    fn count(&mut self, entry: &Entry, before: Option<&Entry>, screen: &Screen) {
        if !entry.has_content() {
            return;
        }
        // Extended attributes come with the content, so metadata cannot be compared yet.
        let (count, letter) = match before.map(|before| change(before, entry)) {
            None => (&mut self.new, '+'),
            Some(None | Some(Change::Metadata)) => {
                self.unchanged += 1;
                return;
            }
            Some(Some(_)) => (&mut self.changed, 'M'),
        };
        *count += 1;
        self.bytes += entry.size_bytes.unwrap_or(0);
        if screen.is_verbose() {
            screen.note(format_args!("{letter} {}", entry.path));
        }
    }
}
