use crate::storage::subject::Subject;
use crate::suite::{broken, ensure};
use backup_core::Result;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Some storages round to seconds, and not everywhere in the same way.
const ROUNDING: Duration = Duration::from_secs(2);
/// 2000-01-01T00:00:00Z: no storage's clock is older.
const EARLIEST: Duration = Duration::from_secs(946_684_800);

fn apart(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).or_else(|_| b.duration_since(a)).unwrap_or_default()
}

/// Finish, stat and listing say the same.
pub(super) async fn times_agree(subject: &Subject) -> Result<()> {
    for name in ["a", "b/c"] {
        let finished = subject.put(name, "some bytes").await?;
        let key = subject.key(name)?;
        let stat = subject.storage.stat(&key).await?;
        subject.settle().await;
        let listed = subject.pages(key.as_str(), None).await?.into_iter().next();
        let (_, listed) = listed.ok_or_else(|| broken(format!("{key} is not listed")))?;
        for (by, meta) in [("stat", &stat), ("a listing", &listed)] {
            ensure!(meta.size_bytes == finished.size_bytes, "size by {by}: {meta:?}, by finish: {finished:?}");
            let close = apart(meta.modified, finished.modified) <= ROUNDING;
            ensure!(close, "time by {by}: {meta:?}, by finish: {finished:?}");
        }
    }
    Ok(())
}

pub(super) async fn time_does_not_run_backwards(subject: &Subject) -> Result<()> {
    let mut last = UNIX_EPOCH + EARLIEST;
    for n in 0..10 {
        let name = format!("{}", n % 7);
        let modified = subject.replace(&name, format!("{n}")).await?.modified;
        ensure!(modified + ROUNDING >= last, "put {n} was at {modified:?}, one before it (or 2000) at {last:?}");
        let stat = subject.storage.stat(&subject.key(&name)?).await?.modified;
        ensure!(stat + ROUNDING >= last, "by stat put {n} was at {stat:?}, one before it at {last:?}");
        last = last.max(modified);
    }
    Ok(())
}
