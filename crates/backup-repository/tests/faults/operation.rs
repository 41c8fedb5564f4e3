//! What is tried, and what it says that it has done.

use super::world::{World, at_once, tree};
use backup_core::*;
use backup_repository::*;
use backup_testkit::memory::*;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Push,
    Pull,
    Check,
    Forget,
    Prune,
    AddOwner,
    AddWriter,
}

pub enum Done {
    Pushed(BackupId),
    Forgot,
    /// Whether nothing is left to delete.
    Pruned(bool),
    Looked,
    Owner(Secret),
    Writer(WriterCredential),
}

impl Operation {
    /// What [`Operation::Push`] stores.
    pub fn tree(self) -> Tree {
        tree(12..45)
    }

    /// Whether check may name this after a fault.
    pub fn is_by_design(self, finding: &Finding) -> bool {
        // An owner file is written before its card.
        self == Operation::AddOwner && finding.object.starts_with("keys/owners/") && finding.problem.contains("no card")
    }

    pub async fn run(self, world: &World, storage: Arc<dyn StorageDriver>) -> Result<Done> {
        let repository = world.open(storage.clone()).await?;
        match self {
            Operation::Push => store(&repository, &self.tree()).await.map(Done::Pushed),
            Operation::Pull => {
                // With what this machine remembers, and without.
                pull_all(world, &repository).await?;
                pull_all(world, &world.open_elsewhere_through(storage).await?).await
            }
            Operation::Check => {
                let options = CheckOptions::default().with_read(ReadData::All);
                let report = repository.check(options, Arc::new(Silent)).await?;
                assert!(report.is_clean(), "nothing is damaged: {:?}", report.findings);
                Ok(Done::Looked)
            }
            Operation::Forget => match repository.forget(&world.doomed.0).await {
                // It was done already.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Done::Forgot),
                other => other.map(|()| Done::Forgot),
            },
            Operation::Prune => {
                let report = repository.prune(&at_once(), Arc::new(Silent), &Stop::new()).await?;
                Ok(Done::Pruned(report.is_finished()))
            }
            Operation::AddOwner => {
                let (secret, recipient) = new_identity();
                repository.add_owner(&recipient).await.map(|_| Done::Owner(secret))
            }
            Operation::AddWriter => {
                let spec = WriterSpec::default().with_names(["w"]).with_domain("another");
                repository.add_writer(&spec).await.map(Done::Writer)
            }
        }
    }
}

async fn pull_all(world: &World, repository: &Repository) -> Result<Done> {
    for (id, tree) in &world.kept {
        let (pulled, lost) = pull(repository, id, &Selection::default()).await?;
        for (path, (_, bytes)) in &pulled {
            // Half of what was there is never given for the whole.
            assert!(bytes.as_ref().is_err() || *bytes.as_ref().unwrap() == tree[path].bytes(), "{path}");
        }
        if let Some(error) = lost.into_iter().next() {
            return Err(error);
        }
        if let Some((_, (_, Err(error)))) = pulled.iter().find(|(_, (_, bytes))| bytes.is_err()) {
            return Err(Error::new(ErrorKind::Unavailable, error.clone()));
        }
        assert_same(tree, &pulled);
    }
    Ok(Done::Looked)
}

/// Pushes as a command does: what cannot be committed is aborted.
async fn store(repository: &Repository, tree: &Tree) -> Result<BackupId> {
    let mut draft = repository.begin(Spec::new("n", "host"), Arc::new(Silent)).await?;
    let mut capture = MemoryCapture::new(tree, 5);
    let captured = async {
        let ingest = send(&mut *draft, &mut capture).await?;
        draft.accept(ingest, Outcome::default()).await
    };
    match captured.await {
        Ok(component) => {
            assert_eq!(component.status, Status::Complete);
            Ok(draft.commit().await?.summary.id)
        }
        Err(error) => {
            // This, too, may meet a storage that does not answer.
            drop(draft.abort().await);
            Err(error)
        }
    }
}
