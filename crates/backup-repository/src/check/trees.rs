use super::control::CheckedSnapshot;
use super::findings::Findings;
use crate::format::ids::{ChunkId, Kind, SessionId};
use crate::locate::Locator;
use crate::meta::{Reference, references};
use crate::pull::Blocks;
use backup_core::{Error, ErrorKind, Event, Observer, Result};
use std::collections::HashMap;

/// Walks every distinct block of metadata once, and looks whether each chunk has a place in a pack that is whole.
pub(super) async fn check(
    blocks: &Blocks,
    locator: &Locator,
    snapshots: &[&CheckedSnapshot],
    observer: &dyn Observer,
    findings: &mut Findings,
) -> Result<()> {
    let mut walk = Marks { blocks, locator, seen: HashMap::new() };
    for snapshot in snapshots {
        for tree in snapshot.components.iter().filter_map(|component| component.tree) {
            walk.tree(snapshot.id, Reference::Block { id: tree.id, level: tree.level }, findings).await?;
        }
        observer.event(Event::Progress { files: 1, bytes: 0 });
    }
    Ok(())
}

struct Marks<'a> {
    blocks: &'a Blocks,
    locator: &'a Locator,
    /// Blocks that were walked, and whether anything below them is amiss: then every snapshot walks them again.
    seen: HashMap<ChunkId, bool>,
}

impl Marks<'_> {
    async fn tree(&mut self, snapshot: SessionId, root: Reference, findings: &mut Findings) -> Result<()> {
        // Each entry: a block, and whether its children were pushed already.
        let mut stack = vec![(root, false)];
        let mut amiss: Vec<bool> = Vec::new();
        while let Some((reference, is_left)) = stack.pop() {
            if is_left {
                let own = amiss.pop().unwrap_or(false);
                if let Reference::Block { id, .. } | Reference::List { id, .. } = reference {
                    self.seen.insert(id, own);
                }
                if let Some(parent) = amiss.last_mut() {
                    *parent |= own;
                }
                continue;
            }
            let (id, is_block) = match reference {
                Reference::Chunk(id) => (id, false),
                Reference::Block { id, .. } | Reference::List { id, .. } => (id, true),
            };
            if !is_block {
                let bad = self.chunk(snapshot, &id, findings).await?;
                if let Some(parent) = amiss.last_mut() {
                    *parent |= bad;
                }
                continue;
            }
            if self.seen.get(&id) == Some(&false) {
                continue;
            }
            let mut below = Vec::new();
            let read = match self.blocks.get(&id).await {
                Ok(block) => references(&block, &mut |reference| below.push(reference)),
                Err(error) => Err(error),
            };
            findings.checked("metadata blocks", 1);
            match read {
                Ok(()) => {
                    stack.push((reference, true));
                    amiss.push(false);
                    stack.extend(below.into_iter().rev().map(|reference| (reference, false)));
                }
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported) => {
                    findings.of_snapshot(format!("metadata block {id}"), &error, snapshot);
                    self.packs_of(Kind::Metadata, &id, snapshot, findings).await?;
                    if let Some(parent) = amiss.last_mut() {
                        *parent = true;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether a chunk of content cannot be had.
    async fn chunk(&self, snapshot: SessionId, id: &ChunkId, findings: &mut Findings) -> Result<bool> {
        findings.checked("chunks", 1);
        let copies = self.locator.locate(Kind::Data, id).await?;
        if copies.iter().any(|copy| !findings.is_bad(&copy.segment.pack)) {
            return Ok(false);
        }
        if copies.is_empty() {
            let error = Error::new(ErrorKind::Damaged, "a chunk that a snapshot needs is in no index run");
            findings.of_snapshot(format!("chunk {id}"), &error, snapshot);
        }
        for copy in copies {
            findings.affects(&copy.segment.pack, snapshot);
        }
        Ok(true)
    }

    async fn packs_of(&self, kind: Kind, id: &ChunkId, snapshot: SessionId, findings: &mut Findings) -> Result<()> {
        for copy in self.locator.locate(kind, id).await? {
            findings.affects(&copy.segment.pack, snapshot);
        }
        Ok(())
    }
}
