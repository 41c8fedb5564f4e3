//! Reads a source once and stores it in two repositories. When one of them fails, the other has the backup all the same.

use async_trait::async_trait;
use backup_core::{Catalogue, Destination, Draft, Error, ErrorKind, Observer, Push, Result, Source, Spec, Target};
use backup_drivers::{Files, Local};
use backup_repository::{Repository, RepositoryOptions, new_identity};
use backup_storage::Memory;
use std::sync::Arc;

/// A destination that is never there.
#[derive(Debug)]
struct Unplugged;

#[async_trait]
impl Destination for Unplugged {
    async fn begin(&self, _: Spec, _: Arc<dyn Observer>) -> Result<Box<dyn Draft>> {
        Err(Error::new(ErrorKind::Unavailable, "the disk is not plugged in"))
    }
}

async fn repository() -> Result<Arc<Repository>> {
    let (_, recipient) = new_identity();
    let storage = Arc::new(Memory::new());
    Ok(Arc::new(Repository::create(storage, &[recipient], RepositoryOptions::default()).await?))
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("letter.txt"), "dear")?;
    let files = Source::new(Arc::new(Files::new([folder.path()])?), Local::new());
    let (near, far) = (repository().await?, repository().await?);

    let report = Push::new()
        .capture(files)
        .to(Target::new("near", near.clone()))
        .to(Target::new("usb", Arc::new(Unplugged)))
        .to(Target::new("far", far.clone()))
        .spec(Spec::new("letters", "laptop"))
        .run()
        .await?;

    let committed: Vec<&str> = report.committed().map(|(label, _)| label).collect();
    assert_eq!(committed, ["near", "far"]);
    let failed: Vec<String> = report.failed().map(|(label, failure)| format!("{label}: {failure}")).collect();
    assert_eq!(failed, ["usb: the disk is not plugged in"]);
    for repository in [near, far] {
        assert_eq!(repository.list().await?.len(), 1);
    }
    Ok(())
}
