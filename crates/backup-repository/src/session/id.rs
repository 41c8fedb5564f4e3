use crate::crypto::random;
use crate::format::ids::SessionId;
use crate::format::snapshot::to_ms;
use crate::notes::Seen;
use crate::repository::Inner;
use backup_core::Result;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// A clock that was set back by more than this, a day, had been wrong: its times are not carried on.
const MAX_BACK_MS: u64 = 24 * 60 * 60 * 1000;

/// The time of the last id that this process made.
static LAST_MS: AtomicU64 = AtomicU64::new(0);

/// A session id of this writer and name, from now. Ids are in the order in which this machine made them, even if its
/// clock is set back a little: the last snapshot of a series is the one with the highest id.
pub(crate) fn new_id(inner: &Inner, name: &str) -> Result<SessionId> {
    let series = inner.series(name)?;
    let now = u64::try_from(to_ms(SystemTime::now())).unwrap_or(0);
    let seen = Seen::load(inner).newest(&series).map_or(0, |id| id.time_ms());
    let at = next(now, seen.max(LAST_MS.load(Ordering::Relaxed)));
    // Another thread may have made one at the same time.
    let last = LAST_MS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(at, last)));
    let at = next(at, last.unwrap_or_default()).to_be_bytes();
    let parts: [&[u8]; 3] = [at.get(2..).unwrap_or_default(), &series, &random::<6>()?];
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    Ok(SessionId(id))
}

/// What to say of the newest snapshot of a series that is far in the future: the clock of who made it was ahead, and it
/// goes on being the latest until that time has come.
pub(crate) fn ahead(newest: &SessionId) -> Option<String> {
    let now = u64::try_from(to_ms(SystemTime::now())).unwrap_or(0);
    let by = newest.time_ms().checked_sub(now).filter(|by| *by > MAX_BACK_MS)?;
    let days = by / MAX_BACK_MS;
    Some(format!(
        "snapshot {newest} is of a time {days} days ahead, by this machine's clock: until then it counts as the latest of its \
         name, whatever is pushed. Set the clock right; if it was the other's, forget that snapshot"
    ))
}

/// Now, or right after the last one if that is hardly later.
fn next(now: u64, last: u64) -> u64 {
    if (now..now.saturating_add(MAX_BACK_MS)).contains(&last) { last + 1 } else { now }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BACK_MS, new_id, next};
    use crate::format::ids::SessionId;
    use crate::notes::remember_own;
    use crate::repository::Repository;
    use crate::{RepositoryOptions, new_identity};
    use backup_storage::Memory;
    use std::sync::Arc;

    #[test]
    fn time_goes_on_unless_the_clock_was_far_ahead() {
        assert_eq!([next(10, 0), next(10, 9), next(10, 10), next(10, 50)], [10, 10, 11, 51]);
        assert_eq!([next(10, 9 + MAX_BACK_MS), next(10, 10 + MAX_BACK_MS)], [10 + MAX_BACK_MS, 10]);
    }

    #[tokio::test]
    async fn ids_ascend_within_a_process_and_behind_what_was_seen_before() {
        let (_, recipient) = new_identity();
        let cache = tempfile::tempdir().unwrap();
        let options = RepositoryOptions::default().with_cache_dir(cache.path());
        let repository = Repository::create(Arc::new(Memory::new()), &[recipient], options).await.unwrap();
        let ids: Vec<SessionId> = (0..1000).map(|_| new_id(&repository.0, "n").unwrap()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "many in a millisecond");
        // By another process, before the clock was set back.
        let mut seen = *ids.last().unwrap();
        let later = (seen.time_ms() + 2000).to_be_bytes();
        seen.0[..6].copy_from_slice(&later[2..]);
        remember_own(&repository.0, seen, 1, &[]);
        assert!(new_id(&repository.0, "n").unwrap() > seen);
    }
}
