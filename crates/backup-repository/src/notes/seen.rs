//! What this machine has seen of a repository, so that it notices when the storage shows an older state.

use crate::format::ids::SessionId;
use crate::format::snapshot::to_ms;
use crate::remembered::{load, named, store};
use crate::repository::{Inner, Listed, Named};
use backup_core::{BackupId, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

/// A snapshot that this machine has seen and that is not there any more, though no owner forgot it: the storage shows an
/// older state, or has lost it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The snapshot.
    pub id: BackupId,
    /// How many snapshots of its series this machine had seen then.
    pub seen: u64,
    /// How many of them there are now.
    pub there: u64,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Missing { id, seen, there } = self;
        write!(
            f,
            "the storage shows an older state than this machine has seen: snapshot {id} is not there, and nobody "
        )?;
        write!(f, "forgot it (snapshots of its series: seen {seen}, there now {there})")
    }
}

/// The newest snapshot of a series that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Newest {
    id: SessionId,
    /// How many there were.
    count: u64,
    /// When it was seen, by this machine's clock.
    at: i64,
}

type Series = BTreeMap<String, Newest>;

/// What was remembered before a listing. Without a cache nothing is.
#[derive(Debug)]
pub(crate) struct Seen {
    file: Option<PathBuf>,
    series: Series,
}

fn name(id: &SessionId) -> String {
    hex::encode(id.series())
}

impl Seen {
    /// What is remembered. To be asked before the snapshots are listed: what another process sees, and remembers, between the
    /// two is not missing.
    pub(crate) fn load(inner: &Inner) -> Self {
        let file = inner.cache_dir().map(|folder| folder.join(named("seen", &*inner.storage)));
        Seen { series: file.as_deref().and_then(load).unwrap_or_default(), file }
    }

    /// The newest of a series.
    pub(crate) fn newest(&self, series: &[u8; 4]) -> Option<SessionId> {
        self.series.get(&hex::encode(series)).map(|newest| newest.id)
    }

    /// The newest of every series.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.series.values().map(|newest| newest.id)
    }

    /// Whether all that was remembered is there or forgotten, so that nothing is missing.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn is_complete(&self, inner: &Inner, named: &Named) -> Result<bool> {
        for Newest { id, .. } in self.series.values() {
            if !named.stands(inner, id).await? && !named.notes.is_forgotten(inner, id).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What was remembered and is neither listed nor forgotten.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn missing(&self, inner: &Inner, listed: &Listed) -> Result<Vec<Missing>> {
        let (lag, now) = (i64::try_from(inner.config.list_lag_ms).unwrap_or(i64::MAX), to_ms(SystemTime::now()));
        let mut missing = Vec::new();
        for Newest { id, count: seen, at } in self.series.values() {
            let may_lag = lag > 0 && now.saturating_sub(*at) < lag;
            if may_lag || listed.has(id) || listed.notes.is_forgotten(inner, id).await? {
                continue;
            }
            let there = listed.snapshots.iter().filter(|(there, _)| there.series() == id.series()).count() as u64;
            missing.push(Missing { id: BackupId(id.to_string()), seen: *seen, there });
        }
        Ok(missing)
    }

    /// Remembers what counts of what is listed. What is missing stays remembered until it is there again or forgotten.
    pub(crate) fn remember<'a>(
        self,
        listed: &Listed,
        missing: &[Missing],
        counting: impl Iterator<Item = &'a SessionId>,
    ) {
        let Some(file) = &self.file else { return };
        let at = to_ms(SystemTime::now());
        let mut now = Series::new();
        for id in counting {
            let newest = now.entry(name(id)).or_insert(Newest { id: *id, count: 0, at });
            newest.id = newest.id.max(*id);
            newest.count += 1;
        }
        // As it is now: another process may have seen more meanwhile.
        let before: Series = load(file).unwrap_or_default();
        for (series, old) in &before {
            let is_missing = missing.iter().any(|missing| missing.id.0 == old.id.to_string());
            let is_news = self.series.get(series) != Some(old);
            if is_missing {
                now.insert(series.clone(), *old);
            } else if is_news || listed.has(&old.id) {
                // Not all that is listed can be read by everybody on this machine.
                let newest = now.entry(series.clone()).or_insert(*old);
                if newest.id < old.id {
                    *newest = *old;
                }
            }
        }
        let same = |(a, b): ((&String, &Newest), (&String, &Newest))| a.0 == b.0 && a.1.id == b.1.id;
        if now.len() != before.len() || !now.iter().zip(&before).all(same) {
            store(file, &now);
        }
    }
}

/// Remembers a snapshot that this machine has made or taken, the last of so many, unless its series misses another.
pub(crate) fn remember_own(inner: &Inner, id: SessionId, count: u64, missing: &[Missing]) {
    let Seen { file: Some(file), mut series } = Seen::load(inner) else { return };
    let own = Newest { id, count, at: to_ms(SystemTime::now()) };
    match series.get(&name(&id)) {
        Some(newest) if newest.id >= id || missing.iter().any(|missing| missing.id.0 == newest.id.to_string()) => {}
        _ => {
            series.insert(name(&id), own);
            store(&file, &series);
        }
    }
}
