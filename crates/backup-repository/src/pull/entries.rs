use super::blocks::Blocks;
use super::supply::RepositorySupply;
use crate::format::ids::ChunkId;
use crate::meta::{Content, Damage, Found, Step, Walk};
use async_trait::async_trait;
use backup_core::{Batch, Entries, Error, ErrorKind, MAX_BATCH, Result, Supply, TreePath};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Blocks fetched ahead of the walk.
const READ_AHEAD: usize = 4;
/// Batches ready before they are asked for.
const BATCHES_AHEAD: usize = 2;

/// A batch with where its contents are.
pub(crate) struct Listed {
    pub(crate) batch: Arc<Batch>,
    pub(crate) contents: Vec<Content>,
}

impl Listed {
    /// The content of an entry of the batch, by its number.
    pub(crate) fn content(&self, number: u64) -> Option<&Content> {
        self.contents.get(usize::try_from(number.checked_sub(self.batch.first)?).ok()?)
    }
}

/// A walk over one component; it runs ahead of who asks.
pub(crate) struct RepositoryEntries {
    batches: mpsc::Receiver<Result<Listed>>,
    supply: RepositorySupply,
}

impl RepositoryEntries {
    pub(crate) fn new(walk: Walk, blocks: Arc<Blocks>, supply: RepositorySupply) -> Self {
        let (send, batches) = mpsc::channel(BATCHES_AHEAD);
        tokio::spawn(run(walk, blocks, send));
        RepositoryEntries { batches, supply }
    }
}

#[async_trait]
impl Entries for RepositoryEntries {
    async fn next(&mut self) -> Result<Option<Arc<Batch>>> {
        match self.batches.recv().await {
            None => Ok(None),
            Some(Err(error)) => Err(error),
            Some(Ok(listed)) => {
                let batch = listed.batch.clone();
                self.supply.set(listed);
                Ok(Some(batch))
            }
        }
    }

    fn supply(&self) -> &dyn Supply {
        &self.supply
    }
}

/// Walks to the end, or until nobody listens.
async fn run(mut walk: Walk, blocks: Arc<Blocks>, send: mpsc::Sender<Result<Listed>>) {
    let mut ahead = Ahead { blocks, running: JoinSet::new(), done: HashMap::new(), asked: Vec::new() };
    let mut found = Vec::with_capacity(MAX_BATCH);
    let mut first = 0;
    loop {
        let step = walk.advance(&mut found, MAX_BATCH);
        let sent = match step {
            Step::Full => send.send(Ok(batch(&mut found, &mut first))).await,
            Step::Need(id) => {
                match ahead.get(id, &walk).await {
                    Ok(block) => walk.provide(&block),
                    Err(error) if error.kind() == ErrorKind::Damaged => walk.missing(error),
                    // No access or no answer is not damage: the walk cannot go on.
                    Err(error) => {
                        let _ = send.send(Err(error)).await;
                        return;
                    }
                }
                Ok(())
            }
            Step::Lost(damage) => send.send(Err(lost(damage))).await,
            Step::Done if found.is_empty() => return,
            Step::Done => send.send(Ok(batch(&mut found, &mut first))).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

fn batch(found: &mut Vec<Found>, first: &mut u64) -> Listed {
    let (entries, contents): (Vec<_>, Vec<_>) = found.drain(..).map(|f| (f.entry, f.content)).unzip();
    let number = *first;
    *first += entries.len() as u64;
    Listed { batch: Arc::new(Batch { first: number, entries }), contents }
}

fn lost(damage: Damage) -> Error {
    let path = |encoded: Vec<u8>| TreePath::from_encoded(encoded).map_or_else(|_| "?".into(), |p| p.to_string());
    let mut error = Error::new(ErrorKind::Damaged, "a part of the listing is lost").context("from", path(damage.from));
    if let Some(to) = damage.to {
        error = error.context("up to", path(to));
    }
    if let Some(entries) = damage.entries {
        error = error.context("entries", entries);
    }
    error.source(damage.error)
}

/// Reads blocks before they are needed.
struct Ahead {
    blocks: Arc<Blocks>,
    running: JoinSet<(ChunkId, Result<Bytes>)>,
    done: HashMap<ChunkId, Result<Bytes>>,
    asked: Vec<ChunkId>,
}

impl Ahead {
    async fn get(&mut self, id: ChunkId, walk: &Walk) -> Result<Bytes> {
        for next in std::iter::once(id).chain(walk.upcoming(READ_AHEAD)) {
            if !self.asked.contains(&next) {
                self.asked.push(next);
                let blocks = self.blocks.clone();
                self.running.spawn(async move { (next, blocks.get(&next).await) });
            }
        }
        loop {
            if let Some(result) = self.done.remove(&id) {
                self.asked.retain(|asked| *asked != id);
                return result;
            }
            match self.running.join_next().await {
                Some(Ok((id, result))) => {
                    self.done.insert(id, result);
                }
                Some(Err(e)) => {
                    return Err(Error::new(ErrorKind::Internal, "reading metadata panicked: please report").source(e));
                }
                None => return Err(Error::new(ErrorKind::Internal, "a metadata block was never asked for")),
            }
        }
    }
}
