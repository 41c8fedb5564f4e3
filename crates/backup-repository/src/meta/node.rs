use super::{MAX_BLOCK_BYTES, NODE, damaged, front};
use crate::format::ids::ChunkId;
use crate::format::wire::{Fields, put_bytes, put_uint, put_varint, take_bytes, take_varint};
use backup_core::{MAX_PATH_BYTES, Result, Totals};
use std::collections::VecDeque;

const PATH: u32 = 1;
const ID: u32 = 2;
const ENTRIES: u32 = 3;
const FILES: u32 = 4;
const SIZE: u32 = 5;

/// The most bytes that the first paths of a node's children may have, written out. A writer keeps far below.
const MAX_PATHS_BYTES: usize = 8 * MAX_PATH_BYTES;

/// What a node says of a block below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Child {
    /// The block's first path.
    pub(super) first: Vec<u8>,
    pub(super) id: ChunkId,
    pub(super) totals: Totals,
}

/// A node being filled.
#[derive(Default)]
pub(super) struct NodeWriter {
    children: usize,
    totals: Totals,
    first: Vec<u8>,
    previous: Vec<u8>,
    message: Vec<u8>,
    block: Vec<u8>,
    weight: usize,
    last_id: Option<ChunkId>,
}

impl NodeWriter {
    pub(super) fn children(&self) -> usize {
        self.children
    }

    /// The child's id if there is just one.
    pub(super) fn only_child(&self) -> Option<ChunkId> {
        self.last_id.filter(|_| self.children == 1)
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    /// Bytes that a reader needs for the node, about.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Appends a child.
    pub(super) fn push(&mut self, child: &Child) {
        if self.children == 0 {
            self.first.clone_from(&child.first);
        }
        self.message.clear();
        let mut path = Vec::with_capacity(child.first.len() + 8);
        front::put(&mut path, &self.previous, &child.first);
        put_bytes(&mut self.message, PATH, &path);
        put_bytes(&mut self.message, ID, &child.id.0);
        put_uint(&mut self.message, ENTRIES, child.totals.entries);
        put_uint(&mut self.message, FILES, child.totals.files);
        put_uint(&mut self.message, SIZE, child.totals.size_bytes);
        put_varint(&mut self.block, self.message.len() as u64);
        self.block.extend_from_slice(&self.message);
        self.previous.clone_from(&child.first);
        self.children += 1;
        self.weight += weight(child);
        self.last_id = Some(child.id);
        self.totals += child.totals;
    }

    /// The finished block, and an empty node instead of this one.
    pub(super) fn finish(&mut self, level: u8) -> Vec<u8> {
        let done = std::mem::take(self);
        let mut block = Vec::with_capacity(done.block.len() + 2);
        block.extend_from_slice(&[NODE, level]);
        block.extend_from_slice(&done.block);
        block
    }
}

/// What a child adds to a node's weight.
pub(super) fn weight(child: &Child) -> usize {
    child.first.len() + 40
}

/// The messages of a node of this level.
pub(super) fn messages(block: &[u8], level: u8) -> Result<impl Iterator<Item = Result<Fields<'_>>>> {
    let mut rest = match block {
        [NODE, at, rest @ ..] if *at == level && block.len() <= MAX_BLOCK_BYTES => rest,
        _ => return Err(damaged("it is not a node of this level")),
    };
    if rest.is_empty() {
        return Err(damaged("a node is empty"));
    }
    Ok(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = take_varint(&mut rest).and_then(|length| take_bytes(&mut rest, length));
        if message.is_err() {
            rest = &[];
        }
        Some(message.and_then(|message| Fields::new(message, &[PATH, ID, ENTRIES, FILES, SIZE])))
    }))
}

/// Reads a node of this level.
pub(super) fn read(block: &[u8], level: u8) -> Result<VecDeque<Child>> {
    let mut children = VecDeque::new();
    let mut path = Vec::new();
    let mut bytes = 0;
    for message in messages(block, level)? {
        let mut fields = message?;
        let mut id = None;
        let mut totals = Totals::default();
        let mut has_path = false;
        while let Some((field, value)) = fields.next()? {
            match field {
                PATH => {
                    front::take(&mut value.bytes()?, &mut path, children.is_empty())?;
                    has_path = true;
                }
                ID => id = Some(ChunkId::from_slice(value.bytes()?)?),
                ENTRIES => totals.entries = value.uint()?,
                FILES => totals.files = value.uint()?,
                SIZE => totals.size_bytes = value.uint()?,
                _ => {}
            }
        }
        bytes += path.len();
        match id {
            Some(id) if has_path && bytes <= MAX_PATHS_BYTES => {
                children.push_back(Child { first: path.clone(), id, totals });
            }
            _ => return Err(damaged("a node's child is incomplete")),
        }
    }
    Ok(children)
}

/// The id in a child's message.
pub(super) fn child_id(mut fields: Fields<'_>) -> Result<ChunkId> {
    while let Some((field, value)) = fields.next()? {
        if field == ID {
            return ChunkId::from_slice(value.bytes()?);
        }
    }
    Err(damaged("a node's child is incomplete"))
}
