use super::batch::{Arrivals, Fetched};
use super::engine::Shared;
use super::scan::{Record, ScanWriter};
use crate::format::ids::ChunkId;
use crate::format::snapshot::TreeRoot;
use crate::meta::{Content, TreeBuilder, encode_body};
use backup_core::{Batch, Entry, EntryFailure, Error, ErrorKind, Event, Result, Totals};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What the tree thread is told.
pub(crate) enum Message {
    /// The next batch.
    Batch(Planned),
    /// All batches came; the listing of a failed capture is not a whole one.
    End { keeps_listing: bool },
}

/// A batch after the comparison with the previous listing, on its way into the metadata tree.
pub(crate) struct Planned {
    pub(crate) batch: Arc<Batch>,
    /// For each entry of the batch.
    pub(crate) items: Vec<Item>,
    /// The wanted ones.
    pub(crate) arrivals: Arc<Arrivals>,
}

/// Where an entry's metadata comes from.
pub(crate) enum Item {
    /// Unchanged since the previous listing.
    Reused(Record),
    /// As listed: it has no content.
    Listed,
    /// From its reading.
    Wanted,
}

/// A component's finished tree.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) root: Option<TreeRoot>,
    pub(crate) totals: Totals,
    /// Entries whose content could not be read.
    pub(crate) failures: Vec<EntryFailure>,
}

/// Takes batches in order, waits for their contents, and builds the tree and the new listing.
pub(crate) struct TreeThread<'a> {
    shared: &'a Shared,
    builder: TreeBuilder,
    scan: Option<ScanWriter>,
    tree: Tree,
    /// Something of it was: there is no tree of the rest.
    given_up: bool,
    body: Vec<u8>,
}

impl<'a> TreeThread<'a> {
    pub(crate) fn new(shared: &'a Shared, scan: Option<ScanWriter>) -> Self {
        let builder = TreeBuilder::new(shared.keys.chunk.clone());
        TreeThread { shared, builder, scan, tree: Tree::default(), given_up: false, body: Vec::new() }
    }

    pub(crate) fn run(mut self, mut batches: mpsc::Receiver<Message>) -> Result<Tree> {
        while let Some(message) = batches.blocking_recv() {
            match message {
                Message::Batch(planned) => self.batch(planned)?,
                Message::End { .. } if self.given_up => break,
                Message::End { keeps_listing } => {
                    self.scan = self.scan.filter(|_| keeps_listing);
                    return self.finish();
                }
            }
        }
        Err(Error::new(ErrorKind::Cancelled, "the component was given up"))
    }

    fn batch(&mut self, planned: Planned) -> Result<()> {
        let results = planned.arrivals.wait();
        if self.shared.failure.is_set() {
            return Err(Error::new(ErrorKind::Cancelled, "the push failed before"));
        }
        for ((entry, item), result) in planned.batch.entries.iter().zip(planned.items).zip(results) {
            match (item, result) {
                (Item::Reused(record), _) => {
                    self.store(entry, record.token.as_ref(), &record.body, &record.refs)?;
                }
                (Item::Listed, _) => self.encode(entry, &Content::Ids(Vec::new()), None, &[])?,
                (Item::Wanted, Some(Fetched::Read { entry, content, refs, settled })) => {
                    let token = entry.fingerprint.filter(|_| settled && !entry.changed_while_read).map(|f| f.token);
                    if entry.changed_while_read {
                        let path = entry.path.clone();
                        let reason = "it changed while it was read: what was read is kept".to_owned();
                        self.shared.observer.event(Event::Warning(format!("{path}: {reason}")));
                    }
                    self.encode(&entry, &content, token.as_ref(), &refs)?;
                }
                (Item::Wanted, Some(Fetched::GivenUp)) => self.given_up = true,
                (Item::Wanted, failed) => {
                    let reason = match failed {
                        Some(Fetched::Failed(reason)) => reason,
                        _ => "the source did not deliver it".to_owned(),
                    };
                    self.shared.observer.event(Event::Failed { path: entry.path.clone(), reason: reason.clone() });
                    self.tree.failures.push(EntryFailure { path: entry.path.clone(), reason });
                }
            }
        }
        Ok(())
    }

    fn encode(&mut self, entry: &Entry, content: &Content, token: Option<&[u8; 32]>, refs: &[ChunkId]) -> Result<()> {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        let encoded = encode_body(entry, content, &mut body);
        let result = encoded.and_then(|()| self.store(entry, token, &body, refs));
        self.body = body;
        result
    }

    fn store(&mut self, entry: &Entry, token: Option<&[u8; 32]>, body: &[u8], refs: &[ChunkId]) -> Result<()> {
        let metadata = &self.shared.metadata;
        self.builder.push(&entry.path, body, &mut |block| metadata.put(block))?;
        if let Some(scan) = &mut self.scan
            && let Err(error) = scan.push(entry.path.as_encoded(), token, body, refs)
        {
            self.shared.cannot_remember(&error);
            self.scan = None;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Tree> {
        let metadata = &self.shared.metadata;
        // The upper levels lie together, in segments of their own.
        metadata.flush()?;
        self.tree.totals = self.builder.totals();
        let root = self.builder.finish(&mut |block| metadata.put(block))?;
        metadata.flush()?;
        self.tree.root = root.map(|root| TreeRoot { id: root.id, level: root.level });
        if let Some(Err(error)) = self.scan.map(ScanWriter::finish) {
            self.shared.cannot_remember(&error);
        }
        Ok(self.tree)
    }
}
