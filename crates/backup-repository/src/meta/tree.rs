use super::body::Body;
use super::cut::{Cutter, SHAPE, Shape};
use super::leaf_writer::LeafWriter;
use super::node::{self, Child, NodeWriter};
use super::{MAX_ENTRY_BYTES, MAX_LEVEL};
use crate::crypto::ChunkKey;
use crate::format::ids::ChunkId;
use backup_core::{Error, ErrorKind, Result, Totals, TreePath};
use std::collections::VecDeque;

/// The root of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    /// Its block.
    pub(crate) id: ChunkId,
    /// 0 when that is a leaf.
    pub(crate) level: u8,
}

/// Makes a tree of entries that come in ascending order of paths. Memory: one unfinished block for each level, and
/// finished nodes up to 8 MiB.
///
/// A *sink* takes each finished block and gives its id. Leaves go to it as they are finished; nodes are held back until
/// [`TreeBuilder::finish`], so that a reader who goes down from the root finds them side by side.
pub(crate) struct TreeBuilder {
    cutter: Cutter,
    leaf: LeafWriter,
    /// The unfinished nodes, from level 1 upwards.
    nodes: Vec<NodeWriter>,
    held: VecDeque<HeldNode>,
    held_bytes: usize,
    totals: Totals,
    last: Option<Vec<u8>>,
    failed: bool,
}

struct HeldNode {
    level: u8,
    first: Vec<u8>,
    totals: Totals,
    block: Vec<u8>,
}

impl TreeBuilder {
    /// A tree without entries. The domain's key decides where blocks are cut.
    pub(crate) fn new(key: ChunkKey) -> Self {
        TreeBuilder::with_shape(key, SHAPE)
    }

    pub(super) fn with_shape(key: ChunkKey, shape: Shape) -> Self {
        TreeBuilder {
            cutter: Cutter::new(key, shape),
            leaf: LeafWriter::default(),
            nodes: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            totals: Totals::default(),
            last: None,
            failed: false,
        }
    }

    /// Appends an entry; `body` as [`encode_body`](super::encode_body) made it.
    ///
    /// # Errors
    /// `InvalidInput` when `path` does not follow the last one or the entry is too long, `Damaged` for a malformed
    /// body; the tree is as before then. After an error of the sink every further call fails.
    pub(crate) fn push(
        &mut self,
        path: &TreePath,
        body: &[u8],
        sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>,
    ) -> Result<()> {
        self.check_usable()?;
        let encoded = path.as_encoded();
        if self.last.as_deref().is_some_and(|last| last >= encoded) {
            return Err(Error::new(ErrorKind::InvalidInput, "entries are not in order").context("path", path));
        }
        if encoded.len() + body.len() > MAX_ENTRY_BYTES {
            return Err(Error::new(ErrorKind::InvalidInput, "an entry is longer than 1 MiB").context("path", path));
        }
        let body_bytes = body.len();
        let body = Body::parse(body)?;
        let entries = self.leaf.entries();
        let full = entries > 0 && self.cutter.is_over(self.leaf.len() + body_bytes + encoded.len());
        if full || self.cutter.cuts(0, entries, encoded) {
            self.guarded(|tree| tree.finish_leaf(sink))?;
        }
        self.leaf.push(encoded, &body)?;
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(encoded);
        Ok(())
    }

    /// How much the tree holds so far.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = self.totals;
        totals += self.leaf.totals();
        totals
    }

    /// Writes what is left, the nodes last; none for a tree without entries.
    ///
    /// # Errors
    /// Those of the sink.
    pub(crate) fn finish(mut self, sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>) -> Result<Option<Root>> {
        self.check_usable()?;
        if self.leaf.entries() > 0 {
            self.finish_leaf(sink)?;
        }
        for level in 1..=MAX_LEVEL {
            self.flush(sink)?;
            let is_top = self.nodes.len() == usize::from(level);
            let Some(node) = self.nodes.get_mut(usize::from(level) - 1) else { break };
            // What stands alone on its level is the root: a node with one child would say nothing.
            if let (true, Some(only)) = (is_top, node.only_child()) {
                return Ok(Some(Root { id: only, level: level - 1 }));
            }
            let node = HeldNode::finish(node, level);
            self.held.push_back(node);
        }
        match self.last {
            None => Ok(None),
            Some(_) => Err(too_deep()),
        }
    }

    fn check_usable(&self) -> Result<()> {
        match self.failed {
            false => Ok(()),
            true => Err(Error::new(ErrorKind::Internal, "a tree is used after it failed")),
        }
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.failed = true;
        work(self)?;
        self.failed = false;
        Ok(())
    }

    fn finish_leaf(&mut self, sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>) -> Result<()> {
        let totals = self.leaf.totals();
        let first = self.leaf.first().to_vec();
        let id = sink(self.leaf.finish()?)?;
        self.totals += totals;
        self.add_child(1, Child { first, id, totals })?;
        if self.cutter.is_over_held(self.held_bytes) { self.flush(sink) } else { Ok(()) }
    }

    /// Appends a child to the unfinished node of a level.
    fn add_child(&mut self, level: u8, child: Child) -> Result<()> {
        if level > MAX_LEVEL {
            return Err(too_deep());
        }
        let at = usize::from(level) - 1;
        if self.nodes.len() == at {
            self.nodes.push(NodeWriter::default());
        }
        let Some(node) = self.nodes.get_mut(at) else { return Err(too_deep()) };
        // Two children at least, so that every level has at most half the blocks of the one below.
        let full = node.children() >= 2 && self.cutter.is_over(node.weight() + node::weight(&child));
        if full || self.cutter.cuts(level, node.children(), &child.first) {
            let finished = HeldNode::finish(node, level);
            self.held_bytes += finished.block.len();
            self.held.push_back(finished);
        }
        node.push(&child);
        Ok(())
    }

    /// Gives the held nodes to the sink, and with them those that they complete.
    fn flush(&mut self, sink: &mut impl FnMut(Vec<u8>) -> Result<ChunkId>) -> Result<()> {
        while let Some(held) = self.held.pop_front() {
            let id = sink(held.block)?;
            self.add_child(held.level + 1, Child { first: held.first, id, totals: held.totals })?;
        }
        self.held_bytes = 0;
        Ok(())
    }
}

impl HeldNode {
    fn finish(node: &mut NodeWriter, level: u8) -> Self {
        let (first, totals) = (node.first().to_vec(), node.totals());
        HeldNode { level, first, totals, block: node.finish(level) }
    }
}

fn too_deep() -> Error {
    Error::new(ErrorKind::Internal, "a tree has too many levels")
}
