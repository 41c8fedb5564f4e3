use super::blocking;
use super::listing::Listing;
use super::pieces::Pieces;
use super::supply::ArchiveSupply;
use super::walk::{Found, Walk};
use crate::index::Placed;
use async_trait::async_trait;
use backup_core::{Batch, Entries, MAX_BATCH, Result, Selection, Supply};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Batches ready before they are asked for.
const BATCHES_AHEAD: usize = 2;

/// A batch with where its contents are.
pub(crate) struct Listed {
    pub(crate) batch: Arc<Batch>,
    places: Vec<Option<Placed>>,
    pub(crate) pieces: Arc<Pieces>,
}

impl Listed {
    /// Where the content of an entry of the batch is, by its number.
    pub(crate) fn placed(&self, number: u64) -> Option<Placed> {
        *self.places.get(usize::try_from(number.checked_sub(self.batch.first)?).ok()?)?
    }
}

/// A walk over one component; it runs ahead of who asks, and ends when it is dropped.
pub(crate) struct ArchiveEntries {
    batches: mpsc::Receiver<Result<Listed>>,
    supply: ArchiveSupply,
    _walk: JoinSet<()>,
}

impl ArchiveEntries {
    /// A walk; over a component without content when there is no listing.
    pub(crate) fn new(listing: Option<Arc<Listing>>, selection: &Selection, supply: ArchiveSupply) -> Self {
        let (send, batches) = mpsc::channel(BATCHES_AHEAD);
        let mut walk = JoinSet::new();
        if let Some(listing) = listing {
            let selection = selection.clone();
            walk.spawn(async move {
                // Nobody listens when the walk was given up.
                if let Err(error) = run(&listing, &selection, &send).await {
                    let _ = send.send(Err(error)).await;
                }
            });
        }
        ArchiveEntries { batches, supply, _walk: walk }
    }
}

#[async_trait]
impl Entries for ArchiveEntries {
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

/// Walks to the end. Behind damage there is nothing to go on with: an index is whole, or is not the one that was written.
async fn run(listing: &Listing, selection: &Selection, send: &mpsc::Sender<Result<Listed>>) -> Result<()> {
    let index = listing.index().await?;
    let mut blocks = listing.blocks(&index).await?;
    let mut walk = Walk::new(selection, listing.content.archive.plain.bytes);
    let (mut found, mut first, mut number) = (Vec::new(), 0, 0);
    loop {
        let looked = match blocks.next().await? {
            None => break,
            Some(block) => {
                let index = index.clone();
                let looked;
                (walk, looked) = blocking(move || {
                    let looked = walk.block(&block, index.blocks.get(number));
                    Ok((walk, looked))
                })
                .await?;
                looked
            }
        };
        number += 1;
        found.append(&mut walk.take());
        while found.len() >= MAX_BATCH || (looked.is_err() && !found.is_empty()) {
            let batch = found.drain(..found.len().min(MAX_BATCH)).collect();
            give(batch, &mut first, &index.pieces, send).await;
        }
        looked?;
    }
    if !found.is_empty() {
        give(found, &mut first, &index.pieces, send).await;
    }
    Ok(())
}

async fn give(found: Vec<Found>, first: &mut u64, pieces: &Arc<Pieces>, send: &mpsc::Sender<Result<Listed>>) {
    let (entries, places): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let batch = Arc::new(Batch { first: *first, entries });
    *first += batch.entries.len() as u64;
    // Who does not listen any more drops the walk.
    let _ = send.send(Ok(Listed { batch, places, pieces: pieces.clone() })).await;
}
