use super::clock::Awake;
use super::failure::Failure;
use super::objects::{SessionInfo, create, key_of, signer};
use crate::format::record::RecordKind;
use crate::protocol::{Object, Outcome, Renewal, RenewalTask};
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;

/// After an error: soon enough to keep the lease, seldom enough not to be a load.
const AGAIN: Duration = Duration::from_secs(60);

/// Renews a session's lease until it is dropped; a session that may have been ended by others fails.
pub(super) async fn renew(
    inner: Arc<Inner>,
    info: SessionInfo,
    mut renewal: Renewal,
    started: Awake,
    failure: Arc<Failure>,
) {
    loop {
        let now = started.elapsed();
        match renewal.next(now) {
            RenewalTask::WaitUntil(time) => tokio::time::sleep(time.saturating_sub(now)).await,
            RenewalTask::Create(object) => match attempt(&inner, &info, &mut renewal, &object, now).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Fenced => return failure.set(error),
                Err(_) => tokio::time::sleep(AGAIN).await,
            },
            RenewalTask::Stop => {
                return failure.set(Error::new(
                    ErrorKind::Fenced,
                    "the session could not renew its lease for a whole day and may have been ended: push again",
                ));
            }
        }
    }
}

/// Tries once to create the renewal that is due.
///
/// # Errors
/// `Fenced` when somebody else writes this session's renewals; what the storage said: then it is tried again.
async fn attempt(
    inner: &Inner,
    info: &SessionInfo,
    renewal: &mut Renewal,
    object: &Object,
    now: Duration,
) -> Result<()> {
    renewal.sent(now);
    match create(inner, object, info).await? {
        // Sealed anew it has other bytes: one of ours that was stored before is as good.
        Outcome::Taken(_) if is_own(inner, object).await? => renewal.arrived_before(),
        outcome => renewal.created(now, outcome)?,
    }
    Ok(())
}

/// Whether a renewal stands there that this signer wrote.
async fn is_own(inner: &Inner, object: &Object) -> Result<bool> {
    let found = signer(inner, RecordKind::Renewal, &key_of(object)?).await?;
    Ok(found == Some(inner.signing.verifying()?.id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Lease;
    use crate::repository::Repository;
    use crate::session::new_id;
    use crate::{RepositoryOptions, new_identity};
    use backup_core::{Key, StorageExt};
    use backup_storage::Memory;
    use backup_testkit::storage::{FaultPlan, Faulty, Method, Moment};
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    const HOUR: Duration = Duration::from_secs(3600);

    struct Place {
        storage: Arc<Memory>,
        inner: Arc<Inner>,
        renewal: Renewal,
        /// So many more answers about renewals that are stored are lost.
        lost: Arc<AtomicU64>,
    }

    impl Place {
        async fn new() -> Place {
            let (storage, lost) = (Arc::new(Memory::new()), Arc::new(AtomicU64::new(0)));
            let left = lost.clone();
            let plan = FaultPlan::when(move |call| {
                let is_renewal = call.method == Method::Finish && call.key.starts_with("sessions/");
                is_renewal && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
            });
            let faulty = Faulty::new(storage.clone(), plan.with_moment(Moment::After));
            let (_, recipient) = new_identity();
            let options = RepositoryOptions::default().with_threads(1);
            let repository = Repository::create(Arc::new(faulty), &[recipient], options).await.unwrap();
            let renewal = Renewal::new(new_id(&repository.0, "n").unwrap(), Lease::STANDARD);
            Place { storage, inner: repository.0.clone(), renewal, lost }
        }

        /// What is done at this time, if anything is due.
        async fn at(&mut self, now: Duration) -> Result<()> {
            let RenewalTask::Create(object) = self.renewal.next(now) else { return Ok(()) };
            attempt(&self.inner, &SessionInfo::default(), &mut self.renewal, &object, now).await
        }

        async fn keys(&self) -> Vec<Key> {
            self.storage.list_all("sessions/").await.unwrap().into_iter().map(|(key, _)| key).collect()
        }
    }

    #[tokio::test]
    async fn a_renewal_whose_answer_was_lost_is_recognised() {
        let mut place = Place::new().await;
        place.lost.store(1, SeqCst);
        assert_eq!(place.at(HOUR).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(place.keys().await.len(), 1, "it is there");
        assert_eq!(place.renewal.next(25 * HOUR), RenewalTask::Stop, "nothing was heard of it");
        place.at(HOUR + AGAIN).await.unwrap();
        assert_eq!(place.keys().await.len(), 1, "it was recognised");
        assert_eq!(place.renewal.next(HOUR + AGAIN), RenewalTask::WaitUntil(2 * HOUR), "from when it was stored");
        place.at(2 * HOUR).await.unwrap();
        assert_eq!(place.keys().await.len(), 2);
    }

    /// The storage was not to be reached for a day after it had stored the renewal. Others see that one, and its age.
    #[tokio::test]
    async fn an_answer_that_comes_late_keeps_nothing_alive() {
        let mut place = Place::new().await;
        place.lost.store(1, SeqCst);
        place.at(HOUR).await.unwrap_err();
        place.at(24 * HOUR - AGAIN).await.unwrap();
        assert_eq!(place.renewal.next(25 * HOUR), RenewalTask::Stop);
        // What is due at once is another renewal, and only that one counts.
        place.at(24 * HOUR).await.unwrap();
        assert_eq!(
            (place.keys().await.len(), place.renewal.next(25 * HOUR - AGAIN)),
            (2, RenewalTask::WaitUntil(25 * HOUR))
        );
    }

    #[tokio::test]
    async fn what_somebody_else_wrote_there_ends_the_session() {
        let mut place = Place::new().await;
        let RenewalTask::Create(object) = place.renewal.next(HOUR) else { panic!("nothing is due") };
        place.storage.create(&key_of(&object).unwrap(), vec![7; 300].into()).await.unwrap();
        assert_eq!(place.at(HOUR).await.unwrap_err().kind(), ErrorKind::Fenced);
    }
}
