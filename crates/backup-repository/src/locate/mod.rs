//! Finding chunks: runs that are here are asked at once, blocks of others are fetched as they are needed.

mod runs;

use crate::format::ids::{ChunkId, Kind, RunName};
use crate::index::{Answer, IndexCache, IndexSet, Location, Need, Record, Records, RowPlace};
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Observer, Result, StorageExt};
use futures_util::{StreamExt, TryStreamExt, stream};
pub(crate) use runs::{
    MAX_TOMBSTONE, bring, fill, is_unreadable, listed, load, load_whole, names, open, open_cache, packs, scratch_cache,
};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A reader that misses something does not list the index more often than this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Requests for tails and blocks of runs at the same time.
const AT_ONCE: usize = 8;

/// Answers where chunks are, fetching blocks of the index that are not here.
pub(crate) struct Locator {
    inner: Arc<Inner>,
    index: RwLock<Arc<IndexSet>>,
    /// For those who hold nothing and may be overtaken by a prune.
    again: Option<Again>,
}

struct Again {
    cache: Arc<IndexCache>,
    /// When the index was listed again, and whether it had changed.
    last: tokio::sync::Mutex<Option<(Instant, bool)>>,
    /// Blocks of runs that turned out to be damaged, by their first bytes: told once, and not fetched again.
    damaged: Mutex<HashSet<(RunName, u64)>>,
}

impl Again {
    fn damaged(&self) -> MutexGuard<'_, HashSet<(RunName, u64)>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`bring_blocks`], but no block that was damaged before.
    async fn bring(&self, inner: &Inner, index: &IndexSet, needs: &[Need]) -> Result<()> {
        let key = |need: &Need| (need.run, need.range.start);
        if let Some(need) = needs.iter().find(|need| self.damaged().contains(&key(need))) {
            let what = "a block of an index run is damaged: `backup repair index` lists anew what it listed";
            return Err(Error::new(ErrorKind::Damaged, what).context("run", need.run));
        }
        let brought = bring_blocks(inner, index, needs.to_vec()).await;
        if let Err(error) = &brought
            && error.kind() == ErrorKind::Damaged
        {
            self.damaged().extend(needs.iter().map(key));
            self.cache.tell(format!("a part of an index run is left out, `check` says more: {error}"));
        }
        brought
    }
}

impl Locator {
    pub(crate) async fn open(inner: Arc<Inner>, observer: Arc<dyn Observer>) -> Result<Self> {
        let cache = open_cache(&inner, observer);
        let index = load(&inner, &cache, false, &|_| true).await?;
        let again = Some(Again { cache, last: tokio::sync::Mutex::default(), damaged: Mutex::default() });
        Ok(Locator { inner, index: RwLock::new(Arc::new(index)), again })
    }

    /// Over an index that is loaded, and stays.
    pub(crate) fn with(inner: Arc<Inner>, index: Arc<IndexSet>) -> Self {
        Locator { inner, index: RwLock::new(index), again: None }
    }

    /// Every copy of a chunk, those last that only who was revoked vouches for; none when it is in no run.
    ///
    /// # Errors
    /// `Damaged` when a part of a run that is needed for the answer cannot be read, for a reader only if no other run knows the
    /// chunk; `Unavailable`.
    pub(crate) async fn locate(&self, kind: Kind, id: &ChunkId) -> Result<Vec<Location>> {
        Ok(self.rows(kind, id).await?.into_iter().map(|(_, location)| location).collect())
    }

    /// The same, with the row that each comes from.
    ///
    /// # Errors
    /// As [`Locator::locate`].
    pub(crate) async fn rows(&self, kind: Kind, id: &ChunkId) -> Result<Vec<(RowPlace, Location)>> {
        let mut retried = false;
        let (mut left_out, mut damage) = (Vec::new(), None);
        loop {
            let index = self.index();
            let needs = match rows_here(&index, kind, id, &left_out) {
                Answer::Known(rows) if rows.is_empty() && damage.is_some() => return damage.map_or(Ok(rows), Err),
                Answer::Known(mut rows) => {
                    rows.sort_by_key(|(place, _)| !self.is_trusted(&index, *place));
                    return Ok(rows);
                }
                Answer::Needs(needs) => needs,
            };
            let brought = match &self.again {
                Some(again) => again.bring(&self.inner, &index, &needs).await,
                None => bring_blocks(&self.inner, &index, needs.clone()).await,
            };
            match brought {
                // Who only reads sees from the bytes whether another run is right; who deletes does not.
                Err(error) if error.kind() == ErrorKind::Damaged && self.again.is_some() => {
                    left_out.extend(needs.iter().map(|need| need.run));
                    damage = Some(error);
                }
                Err(error) if error.kind() == ErrorKind::NotFound && !retried && self.look_again().await? => {
                    retried = true;
                }
                other => other?,
            }
        }
    }

    fn is_trusted(&self, index: &IndexSet, row: RowPlace) -> bool {
        index.runs().get(row.run as usize).is_some_and(|run| self.inner.signers.is_trusted(run))
    }

    /// After something that the index names was not there: lists the index once more, but not at every failure. Whether it
    /// has changed, so that another try may succeed.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn look_again(&self) -> Result<bool> {
        let Some(again) = &self.again else { return Ok(false) };
        let mut last = again.last.lock().await;
        if let Some((when, changed)) = *last
            && when.elapsed() < LOOK_AGAIN
        {
            return Ok(changed);
        }
        let newer = load(&self.inner, &again.cache, false, &|_| true).await?;
        let names = |index: &IndexSet| index.runs().iter().map(|run| run.name()).collect::<HashSet<_>>();
        let changed = names(&newer) != names(&self.index());
        if changed {
            *self.index.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(newer);
        }
        *last = Some((Instant::now(), changed));
        Ok(changed)
    }

    /// Fetches blocks of the index that an answer needs.
    ///
    /// # Errors
    /// `Damaged` when one is not as it was written; else what the storage said.
    pub(crate) async fn bring(&self, needs: &[Need]) -> Result<()> {
        bring_blocks(&self.inner, &self.index(), needs.to_vec()).await
    }

    pub(crate) fn index(&self) -> Arc<IndexSet> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn rows_here(index: &IndexSet, kind: Kind, id: &ChunkId, left_out: &[RunName]) -> Answer<Vec<(RowPlace, Location)>> {
    let mut candidates = index.locate(kind, *id).without(left_out);
    let mut rows = Vec::new();
    loop {
        match candidates.next() {
            Answer::Known(Some(location)) => rows.extend(candidates.place().map(|place| (place, location))),
            Answer::Known(None) => return Answer::Known(rows),
            Answer::Needs(needs) => return Answer::Needs(needs),
        }
    }
}

async fn bring_blocks(inner: &Inner, index: &IndexSet, needs: Vec<Need>) -> Result<()> {
    let fetches = stream::iter(needs).map(|need| async move {
        let sealed = inner.storage.get_range(&need.run.key()?, need.range.clone()).await?;
        index.provide(&need, sealed)
    });
    fetches.buffer_unordered(AT_ONCE).try_collect().await
}

/// Reads what a run says, fetching what is not here.
pub(crate) async fn next<R: Record>(locator: &Locator, records: &mut Records<'_, R>) -> Result<Option<R>> {
    loop {
        match records.next()? {
            Answer::Known(record) => return Ok(record),
            Answer::Needs(needs) => locator.bring(&needs).await?,
        }
    }
}
