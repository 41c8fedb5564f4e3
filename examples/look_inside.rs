//! Lists what is in a snapshot and reads one file of it, without restoring anything.

use backup_core::{Backup, Catalogue, Push, Selection, Source, Spec, StorageDriver, Target, TreePath, read_entry};
use backup_drivers::{Files, Local};
use backup_repository::{OwnerIdentity, Repository, RepositoryOptions, new_identity};
use backup_storage::Directory;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// The paths in a snapshot that a selection takes.
async fn paths(backup: &dyn Backup, selection: &Selection) -> backup_core::Result<Vec<TreePath>> {
    let mut paths = Vec::new();
    for component in 0..backup.components().len() {
        let mut entries = backup.entries(component, selection)?;
        while let Some(batch) = entries.next().await? {
            paths.extend(batch.entries.iter().map(|entry| entry.path.clone()));
        }
    }
    Ok(paths)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("home");
    std::fs::create_dir_all(home.join("notes"))?;
    std::fs::write(home.join("notes/todo.txt"), "back up")?;
    std::fs::write(home.join("huge.iso"), vec![0; 1 << 20])?;

    let (identity, recipient) = new_identity();
    let storage: Arc<dyn StorageDriver> = Arc::new(Directory::create(folder.path().join("repository")).await?);
    let repository = Repository::create(storage.clone(), &[recipient], RepositoryOptions::default()).await?;
    Push::new()
        .capture(Source::new(Arc::new(Files::new([&home])?), Local::new()))
        .to(Target::new("repository", Arc::new(repository)))
        .spec(Spec::new("home", "laptop").with_tags(["example".to_owned()]))
        .run()
        .await?;

    // Another program, another day: the storage and the identity are all it takes.
    let owner = OwnerIdentity::Key(identity);
    let repository = Repository::open(storage, &owner, RepositoryOptions::default()).await?;
    let summary = repository.list().await?.pop().ok_or("no snapshot")?;
    assert_eq!((summary.name.as_str(), summary.totals.files), ("home", 2));
    let backup = Catalogue::open(&repository, &summary.id).await?;

    let todo = TreePath::from_slashed(home.join("notes/todo.txt").as_os_str().as_bytes())?;
    let everything = paths(&*backup, &Selection::default()).await?;
    assert!(everything.contains(&todo));

    let only = Selection { paths: vec![todo.clone()] };
    let mut entries = backup.entries(0, &only)?;
    let mut content = None;
    while let Some(batch) = entries.next().await? {
        if let Some((number, _)) = batch.numbered().find(|(_, entry)| entry.path == todo) {
            content = Some(read_entry(entries.supply(), number, 1 << 20).await?);
        }
    }
    assert_eq!(content.as_deref(), Some(&b"back up"[..]));
    Ok(())
}
