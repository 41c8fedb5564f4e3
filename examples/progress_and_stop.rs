//! Watches a push, and stops another one: nothing of that one is visible afterwards.

use backup_core::{Catalogue, CommandSpec, ErrorKind, Event, Observer, Push, Source, Spec, Stop, Target};
use backup_drivers::{CommandOutput, Files, Local};
use backup_repository::{Repository, RepositoryOptions, new_identity};
use backup_storage::Memory;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts. Events come from many threads, so this must be quick.
#[derive(Debug, Default)]
struct Counter {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Observer for Counter {
    fn event(&self, event: Event) {
        match event {
            Event::Progress { files, bytes } => {
                self.files.fetch_add(files, Relaxed);
                self.bytes.fetch_add(bytes, Relaxed);
            }
            Event::Failed { path, reason } => eprintln!("{path}: {reason}"),
            Event::Warning(text) => eprintln!("{text}"),
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    for number in 0..10 {
        std::fs::write(folder.path().join(format!("{number}.txt")), [b'x'; 1000])?;
    }
    let (_, recipient) = new_identity();
    let repository =
        Arc::new(Repository::create(Arc::new(Memory::new()), &[recipient], RepositoryOptions::default()).await?);
    let target = || Target::new("memory", repository.clone());

    let counter = Arc::new(Counter::default());
    let files = Source::new(Arc::new(Files::new([folder.path()])?), Local::new());
    Push::new().capture(files).to(target()).spec(Spec::new("files", "me")).observer(counter.clone()).run().await?;
    assert_eq!((counter.files.load(Relaxed), counter.bytes.load(Relaxed)), (10, 10_000));

    // This program would run for ever; a front end calls `stop` when somebody presses Ctrl-C.
    let endless = CommandOutput::capture("endless", CommandSpec::new("sleep").arg("infinity"))?;
    let stop = Stop::new();
    let push = Push::new()
        .capture(Source::new(Arc::new(endless), Local::new()))
        .to(target())
        .spec(Spec::new("endless", "me"))
        .stop(stop.clone());
    let running = tokio::spawn(push.run());
    stop.stop();
    assert_eq!(running.await?.err().map(|failed| failed.error.kind()), Some(ErrorKind::Cancelled));
    assert_eq!(repository.list().await?.len(), 1);
    Ok(())
}
