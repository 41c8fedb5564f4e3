//! Index runs in the storage: listed, opened, brought here.

use super::AT_ONCE;
use crate::format::ids::{PackName, RunName};
use crate::index::{IndexCache, IndexSet, RunKeys, RunReader, TailEnd, find_tail, signer_of, tail_guess};
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Key, Observer, Result, StorageExt};
use futures_util::{StreamExt, stream};
use std::collections::HashSet;
use std::sync::Arc;

/// Local runs together may take this much, in bytes.
const CACHE_BYTES: u64 = 8 << 30;
/// Memory for pages of runs.
const PAGE_MEMORY: usize = 16 << 20;
/// A tombstone in a run's place is shorter than any run.
pub(crate) const MAX_TOMBSTONE: u64 = 512;
/// Bytes of a run fetched at once.
const FILL_PART: u64 = 4 << 20;
/// A run of up to this many bytes is read whole: that takes no longer than its tail, and saves the requests that follow.
const SMALL_RUN: u64 = 64 << 10;
/// How often the index is listed again because a prune was quicker than its reader.
const MAX_LISTINGS: u32 = 10;

/// Opens the repository's cache of index runs.
pub(crate) fn open_cache(inner: &Inner, observer: Arc<dyn Observer>) -> Arc<IndexCache> {
    let folder = inner.cache_dir().map(|dir| dir.join("index"));
    IndexCache::new(inner.config.repository, folder, Some(inner.options.scratch_dir.clone()), PAGE_MEMORY, observer)
}

/// A cache that remembers nothing: what it gives came from the storage.
pub(crate) fn scratch_cache(inner: &Inner, observer: Arc<dyn Observer>) -> Arc<IndexCache> {
    IndexCache::new(inner.config.repository, None, Some(inner.options.scratch_dir.clone()), PAGE_MEMORY, observer)
}

/// Every run of this domain that counts and is `of_use`, opened; with `whole`, for a push, also brought here, so that every lookup can be
/// answered at once. One that cannot be believed is told to the cache's observer and left out: that costs storing again.
///
/// # Errors
/// What the storage said.
pub(crate) async fn load(
    inner: &Inner,
    cache: &Arc<IndexCache>,
    whole: bool,
    of_use: &(dyn Fn(RunName) -> bool + Sync),
) -> Result<IndexSet> {
    for _ in 1..MAX_LISTINGS {
        let loaded = load_once(inner, cache, whole, of_use).await;
        if !is_overtaken(&loaded) {
            return loaded;
        }
    }
    load_once(inner, cache, whole, of_use).await
}

/// Whether a run has gone since it was listed: a prune may have merged it away. Then another has its rows, which the next
/// listing shows.
fn is_overtaken(loaded: &Result<IndexSet>) -> bool {
    loaded.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

async fn load_once(
    inner: &Inner,
    cache: &Arc<IndexCache>,
    whole: bool,
    of_use: &(dyn Fn(RunName) -> bool + Sync),
) -> Result<IndexSet> {
    let mut runs = Vec::new();
    let mut elsewhere = Vec::new();
    let useful = listed(inner).await?.into_iter().filter(|(name, ..)| of_use(*name));
    let opening = stream::iter(useful.collect::<Vec<_>>())
        .map(|(name, key, length)| async move { (name, bring(inner, cache, name, &key, length, false).await, key) });
    let opened: Vec<_> = opening.buffered(AT_ONCE).collect().await;
    for (name, run, key) in opened {
        let run = match run {
            Ok(run) if whole => filled(inner, run, &key).await,
            run => run,
        };
        match run {
            Ok(run) if run.domain() != inner.domain => elsewhere.push(name),
            // Who was revoked may have lied about what is stored. Readers see for themselves.
            Ok(run) if whole && !inner.signers.is_trusted(&run) => elsewhere.push(name),
            Ok(run) => runs.push(Arc::new(run)),
            // Anybody who can write to the storage can put it there; it must not keep others from their work. What else
            // is in one that a newer version wrote is found as ever.
            Err(error) if is_to_be_told(inner, &error) => {
                cache.tell(format!("an index run is left out, `check` says more: {error}"));
            }
            // Most of all runs of domains whose keys a writer has not.
            Err(error) if is_refused(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let set = current(runs);
    let live: HashSet<RunName> = set.runs().iter().map(|run| run.name()).chain(elsewhere).collect();
    cache.evict(&|run| live.contains(run), CACHE_BYTES, std::time::SystemTime::now());
    Ok(set)
}

/// Whether an object, or what a row says of one, cannot be believed: it is damaged, or of somebody who may not.
pub(crate) fn is_unreadable(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged | ErrorKind::AccessDenied)
}

/// Whether a run is of no use here whatever is done: signed by nobody who may, or of a domain whose keys are not here.
fn is_refused(error: &Error) -> bool {
    error.kind() == ErrorKind::AccessDenied
}

/// Whether what is amiss with a run is more than that its domain's keys are not here.
fn is_to_be_told(inner: &Inner, error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported) || is_refused(error) && inner.is_owner()
}

/// Every run of this domain, brought here whole; those that are damaged are told and left out.
///
/// # Errors
/// What the storage said.
pub(crate) async fn load_whole(
    inner: &Inner,
    cache: &Arc<IndexCache>,
    damaged: &mut (dyn FnMut(RunName, Error) + Send),
) -> Result<IndexSet> {
    for _ in 1..MAX_LISTINGS {
        let loaded = load_whole_once(inner, cache, damaged).await;
        if !is_overtaken(&loaded) {
            return loaded;
        }
    }
    load_whole_once(inner, cache, damaged).await
}

async fn load_whole_once(
    inner: &Inner,
    cache: &Arc<IndexCache>,
    damaged: &mut (dyn FnMut(RunName, Error) + Send),
) -> Result<IndexSet> {
    let mut runs = Vec::new();
    for (name, key, length) in listed(inner).await? {
        match bring(inner, cache, name, &key, length, true).await {
            Ok(run) if run.domain() != inner.domain => {}
            Ok(run) => runs.push(Arc::new(run)),
            Err(error) if is_to_be_told(inner, &error) => {
                damaged(name, error);
            }
            Err(error) if is_refused(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(current(runs))
}

/// The runs that no other replaces.
fn current(mut runs: Vec<Arc<RunReader>>) -> IndexSet {
    let replaced: HashSet<RunName> = runs.iter().flat_map(|run| run.replaces().iter().copied()).collect();
    runs.retain(|run| !replaced.contains(&run.name()));
    IndexSet::new(runs)
}

/// The names of all listed runs.
///
/// # Errors
/// What the storage said.
pub(crate) async fn names(inner: &Inner) -> Result<HashSet<RunName>> {
    Ok(listed(inner).await?.into_iter().map(|(name, ..)| name).collect())
}

/// Names, keys and lengths of what is listed as a run and is no tombstone.
pub(crate) async fn listed(inner: &Inner) -> Result<Vec<(RunName, Key, u64)>> {
    let mut runs = Vec::new();
    for (key, meta) in inner.storage.list_all("index/").await? {
        let Some(name) = RunName::from_key(&key) else { continue };
        if meta.size_bytes >= MAX_TOMBSTONE || !occupant_is_tombstone(inner, &key).await? {
            runs.push((name, key, meta.size_bytes));
        }
    }
    Ok(runs)
}

/// The packs whose keys begin so, with their lengths in bytes.
///
/// # Errors
/// What the storage said.
pub(crate) async fn packs<C: FromIterator<(PackName, u64)>>(inner: &Inner, prefix: &str) -> Result<C> {
    let listed = inner.storage.list_all(prefix).await?.into_iter();
    Ok(listed.filter_map(|(key, meta)| Some((PackName::from_key(&key)?, meta.size_bytes))).collect())
}

/// Opens a listed run; with `whole`, also brings it here.
///
/// # Errors
/// `NotFound` when it has gone; `Damaged`, `AccessDenied`; what the storage said.
pub(crate) async fn bring(
    inner: &Inner,
    cache: &Arc<IndexCache>,
    name: RunName,
    key: &Key,
    length: u64,
    whole: bool,
) -> Result<RunReader> {
    let run = open(inner, cache, name, key, length).await.map_err(|e| e.context("run", name))?;
    if whole { filled(inner, run, key).await } else { Ok(run) }
}

async fn filled(inner: &Inner, run: RunReader, key: &Key) -> Result<RunReader> {
    if !run.is_complete() {
        let judged = |error| inner.signers.judge(&run.signer(), error).context("run", run.name());
        fill(inner, &run, key).await.map_err(judged)?;
    }
    Ok(run)
}

async fn occupant_is_tombstone(inner: &Inner, key: &Key) -> Result<bool> {
    Ok(crate::session::occupant(inner, key).await? == crate::protocol::Occupant::RunTombstone)
}

pub(crate) async fn open(
    inner: &Inner,
    cache: &Arc<IndexCache>,
    name: RunName,
    key: &Key,
    length: u64,
) -> Result<RunReader> {
    let run = opened(inner, cache, name, key, length).await?;
    inner.signers.may_index(&run)?;
    Ok(run)
}

async fn opened(inner: &Inner, cache: &Arc<IndexCache>, name: RunName, key: &Key, length: u64) -> Result<RunReader> {
    let keys = || RunKeys::new(inner.config.repository, inner.index_keys(), name);
    let key_of = |signer: &crate::crypto::SignerId| inner.signers.key_of(signer);
    if let Some(run) = RunReader::open_cached(cache, keys(), length, &key_of)? {
        return Ok(run);
    }
    let guess = if length <= SMALL_RUN { 0..length } else { tail_guess(length) };
    let mut end = inner.storage.get_range(key, guess).await?;
    let tail = loop {
        match find_tail(&end, length)? {
            TailEnd::Whole(bytes) => break end.split_off(end.len().saturating_sub(bytes)),
            TailEnd::Longer(longer) => end = inner.storage.get_range(key, longer).await?,
        }
    };
    let judged = |error| match signer_of(&tail) {
        Some(signer) => inner.signers.judge(&signer, error),
        None => error,
    };
    let run = RunReader::from_tail(cache, keys(), &tail, length, &key_of).map_err(judged)?;
    if length <= SMALL_RUN {
        let mut filler = run.fill();
        // A damaged block is found again, and told, by whoever needs it.
        let _ = filler.feed(&end).and_then(|()| filler.finish());
    }
    Ok(run)
}

pub(crate) async fn fill(inner: &Inner, run: &RunReader, key: &Key) -> Result<()> {
    let range = run.fill_range();
    let mut filler = run.fill();
    let mut at = range.start;
    while at < range.end {
        let to = range.end.min(at + FILL_PART);
        filler.feed(&inner.storage.get_range(key, at..to).await?)?;
        at = to;
    }
    filler.finish()
}
