use super::objects::{is_valid, key_of};
use crate::format::ids::{SessionId, decimal};
use crate::format::record::RecordKind;
use crate::protocol::{Lease, ListedSession, Object};
use crate::repository::Inner;
use backup_core::{Error, Key, Result, StorageExt};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// Small objects read at once.
const AT_ONCE: usize = 16;

/// Every session of which an object is there. An `end` counts if its signature is good.
pub(crate) async fn sessions(inner: &Inner, now: SystemTime) -> Result<Vec<ListedSession>> {
    let mut found: BTreeMap<SessionId, (SystemTime, bool)> = BTreeMap::new();
    for (key, meta) in inner.storage.list_all("sessions/").await? {
        let Some((session, part)) = session_of(&key) else { continue };
        let (last, has_ended) = found.entry(session).or_insert((SystemTime::UNIX_EPOCH, false));
        *last = meta.modified.max(*last);
        *has_ended |= part == "end";
    }
    // Where listings lag: what a session that is over created before its end must be in the listings that follow.
    let lag = Duration::from_millis(inner.config.list_lag_ms);
    if !lag.is_zero() {
        tokio::time::sleep(lag).await;
    }
    let verified = iter(found).map(|(session, (last, has_end))| async move {
        let has_ended = has_end && is_valid(inner, RecordKind::SessionEnd, &key_of(&Object::End(session))?).await?;
        Ok::<_, Error>(ListedSession { session, has_ended, has_lapsed: Lease::STANDARD.has_lapsed(last, now) })
    });
    verified.buffered(AT_ONCE).try_collect().await
}

/// Session and last part of a key below `sessions/`; none for what is foreign.
pub(crate) fn session_of(key: &Key) -> Option<(SessionId, &str)> {
    let (session, part) = key.as_str().strip_prefix("sessions/")?.split_once('/')?;
    let id = SessionId::from_hex(session).ok()?;
    (part == "end" || decimal(part).is_some()).then_some((id, part))
}
