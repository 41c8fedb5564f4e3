//! Backs up what a program writes, and gives it to another program. A program that fails becomes no backup.

use backup_core::{Catalogue, CommandSpec, ErrorKind, Pull, Push, Source, Spec, Target};
use backup_drivers::{CommandOutput, Local, OutputTarget};
use backup_repository::{Repository, RepositoryOptions, new_identity};
use backup_storage::Memory;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let (_, recipient) = new_identity();
    let repository =
        Arc::new(Repository::create(Arc::new(Memory::new()), &[recipient], RepositoryOptions::default()).await?);
    let push = |program: CommandSpec| -> backup_core::Result<_> {
        let dump = CommandOutput::capture("shop.sql", program)?;
        Ok(Push::new()
            .capture(Source::new(Arc::new(dump), Local::new()).named("shop"))
            .to(Target::new("memory", repository.clone()))
            .spec(Spec::new("shop", "db1")))
    };

    let failed = push(CommandSpec::new("sh").arg("-c").arg("echo half of it; exit 1"))?.run().await;
    assert_eq!(failed.err().map(|failed| failed.error.kind()), Some(ErrorKind::ProducerFailed));
    assert!(repository.list().await?.is_empty());

    push(CommandSpec::new("echo").arg("all of it"))?.run().await?;
    let latest = repository.list().await?.pop().ok_or("no snapshot")?;
    // In earnest this would be `mysql` or `psql`.
    let file = folder.path().join("restored.sql");
    let program = CommandSpec::new("tee").arg(file.as_os_str().as_encoded_bytes());
    let driver = CommandOutput::restore(OutputTarget::Program(program));
    let report = Pull::new().from(repository, latest.id).with(Arc::new(driver), Local::new()).run().await?;
    assert!(report.is_flawless());
    assert_eq!(std::fs::read(file)?, b"all of it\n");
    Ok(())
}
