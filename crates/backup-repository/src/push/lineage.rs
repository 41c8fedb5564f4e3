use crate::format::ids::SessionId;
use crate::notes::{Missing, Seen, remember_own};
use crate::repository::Inner;
use crate::session::ahead;
use backup_core::{ErrorKind, Event, Observer, Result};

/// Where a new snapshot stands among those of its writer and name.
pub(super) struct Lineage {
    /// One more than its predecessor's.
    pub(super) sequence: u64,
    /// The newest that counts.
    pub(super) previous: Option<SessionId>,
    count: u64,
    missing: Vec<Missing>,
}

impl Lineage {
    /// Looks for the predecessor, and tells what this machine has seen and is not there, and if the new one will not be the
    /// latest.
    ///
    /// # Errors
    /// What the storage said.
    pub(super) async fn find(inner: &Inner, name: &str, series: &[u8; 4], observer: &dyn Observer) -> Result<Self> {
        let seen = Seen::load(inner);
        let listed = inner.listed().await?;
        let missing = seen.missing(inner, &listed).await?;
        for missing in &missing {
            observer.event(Event::Warning(missing.to_string()));
        }
        let own: Vec<SessionId> =
            listed.snapshots.iter().map(|(id, _)| *id).filter(|id| id.series() == *series).collect();
        let count = own.len() as u64 + 1;
        for (passed_over, id) in (1..).zip(own.iter().rev()) {
            match inner.snapshot(id).await {
                Ok(snapshot) if snapshot.head.name == name => {
                    if let Some(warning) = ahead(id) {
                        observer.event(Event::Warning(warning));
                    }
                    let sequence = snapshot.head.sequence.saturating_add(passed_over);
                    return Ok(Lineage { sequence, previous: Some(*id), count, missing });
                }
                Ok(_) => {}
                // One that does not count may vanish without leaving a gap, so it is nobody's predecessor.
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => {}
                // A newer version's.
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Lineage { sequence: count, previous: None, count, missing })
    }

    /// After the commit: what this machine has made, it has seen.
    pub(super) fn remember(&self, inner: &Inner, own: SessionId) {
        remember_own(inner, own, self.count, &self.missing);
    }
}

#[cfg(test)]
mod tests {
    use crate::format::ids::SessionId;
    use crate::format::record::RecordKind;
    use crate::format::snapshot::{snapshot_key, to_ms, write_payload};
    use crate::repository::Repository;
    use crate::session::create_record;
    use crate::{RepositoryOptions, new_identity};
    use backup_core::{Catalogue, Destination, Key, PutOptions, Silent, Spec, StorageDriver, StorageExt};
    use backup_storage::Memory;
    use backup_testkit::Told;
    use std::sync::Arc;
    use std::time::SystemTime;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_push_behind_a_clock_that_was_far_ahead_says_so() {
        let (_, recipient) = new_identity();
        let storage = Memory::new();
        let options = RepositoryOptions::default().with_threads(1);
        let repository = Repository::create(Arc::new(storage.clone()), &[recipient], options).await.unwrap();
        for (hours, says) in [(23, None), (49, Some("2 days ahead"))] {
            let (last, ..) = pushed(&repository, "n").await;
            let later = later_copy(&repository, last, hours).await;
            let told = Arc::new(Told::default());
            repository.begin(Spec::new("n", "host"), told.clone()).await.unwrap().commit().await.unwrap();
            let warnings = told.warnings();
            let said: Vec<&String> = warnings.iter().filter(|warning| warning.contains(&later)).collect();
            assert_eq!(said.len(), usize::from(says.is_some()), "{warnings:?}");
            assert!(says.is_none_or(|says| said[0].contains(says)), "{said:?}");
            let names = repository.names().await.unwrap();
            let latest = names.resolve("latest:n").await.unwrap();
            assert_eq!(latest.0, later);
            assert_eq!(names.ahead(&latest).is_some(), says.is_some());
        }
    }

    /// The same snapshot under an id so many hours from now.
    async fn later_copy(repository: &Repository, id: SessionId, hours: u64) -> String {
        let inner = &repository.0;
        let head = inner.snapshot(&id).await.unwrap().head;
        let mut later = id;
        let at = to_ms(SystemTime::now()) as u64 + hours * 3_600_000;
        later.0[..6].copy_from_slice(&at.to_be_bytes()[2..]);
        let key = snapshot_key(&later).unwrap();
        let payload = write_payload(&key, &inner.keys.index, inner.recipient(), &head, &[]).unwrap();
        create_record(inner, RecordKind::Snapshot, &key, &payload).await.unwrap();
        later.to_string()
    }

    /// Pushes, and gives the session, its sequence and its predecessor.
    async fn pushed(to: &Repository, name: &str) -> (SessionId, u64, Option<String>) {
        let draft = to.begin(Spec::new(name, "host"), Arc::new(Silent)).await.unwrap();
        let committed = draft.commit().await.unwrap();
        let id = SessionId::from_hex(&committed.summary.id.0).unwrap();
        let head = to.0.snapshot(&id).await.unwrap().head;
        (id, head.sequence, head.previous)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_sequence_goes_on_whatever_is_forgotten_or_damaged() {
        let (_, recipient) = new_identity();
        let storage = Memory::new();
        let options = RepositoryOptions::default().with_threads(1);
        let repository = Repository::create(Arc::new(storage.clone()), &[recipient], options).await.unwrap();
        let mut last = None;
        for number in 1..4 {
            let (id, sequence, previous) = pushed(&repository, "n").await;
            assert_eq!((sequence, previous), (number, last.replace(id).map(|id| id.to_string())));
        }
        let third = last.unwrap();
        for summary in repository.list().await.unwrap().into_iter().filter(|summary| summary.id.0 != third.to_string())
        {
            repository.forget(&summary.id).await.unwrap();
        }
        let (fourth, sequence, previous) = pushed(&repository, "n").await;
        assert_eq!((sequence, previous), (4, Some(third.to_string())));
        let (_, sequence, previous) = pushed(&repository, "other").await;
        assert_eq!((sequence, previous), (1, None));
        let key = Key::new(format!("snapshots/{fourth}")).unwrap();
        storage.delete(std::slice::from_ref(&key)).await.unwrap();
        storage.put_bytes(&key, vec![7; 600].into(), &PutOptions::default()).await.unwrap();
        let (_, sequence, previous) = pushed(&repository, "n").await;
        assert_eq!((sequence, previous), (5, Some(third.to_string())), "as many as there were");
    }
}
