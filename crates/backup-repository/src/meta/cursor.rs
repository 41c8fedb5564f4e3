use super::leaf_reader::LeafReader;
use super::node::{self, Child};
use super::{Found, MAX_LEVEL, Ranges, Root, damaged};
use crate::format::ids::ChunkId;
use backup_core::{Error, ErrorKind, Result, Totals, TreePath};
use bytes::Bytes;
use std::collections::VecDeque;

/// A part of a tree that cannot be read.
#[derive(Debug)]
pub(crate) struct Damage {
    /// Why.
    pub(crate) error: Error,
    /// The first path that may be lost, encoded.
    pub(crate) from: Vec<u8>,
    /// The first path behind it that is not, encoded; none when there is none.
    pub(crate) to: Option<Vec<u8>>,
    /// Entries that stood there, where known.
    pub(crate) entries: Option<u64>,
}

/// What a cursor stands at.
pub(super) enum Head<'a> {
    /// A block that is not opened: to be opened or given up.
    Block(&'a Child),
    /// An entry, to be taken.
    Entry(&'a [u8]),
    /// The end.
    End,
}

/// A place in a tree, moving forward over what is in the ranges.
pub(super) struct Cursor {
    /// From the root down to where the cursor is.
    frames: Vec<Frame>,
    ranges: Ranges,
}

struct Frame {
    inside: Inside,
    /// Paths in the frame are below this.
    to: Option<Vec<u8>>,
}

enum Inside {
    /// Children that were not opened yet, of this level.
    Node { level: u8, children: VecDeque<Child> },
    /// Entries.
    Leaf { reader: Box<LeafReader>, state: State },
}

/// Where a reader of a leaf is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At an entry that may be outside the ranges.
    Unsure,
    /// At an entry in the ranges.
    Wanted,
    /// Behind an entry.
    Passed,
}

impl Cursor {
    pub(super) fn new(root: Option<Root>, ranges: Ranges) -> Self {
        let frames = root.into_iter().map(|root| {
            // The root's first path is not known; nothing comes before the empty one.
            let child = Child { first: Vec::new(), id: root.id, totals: Totals::default() };
            Frame { inside: Inside::Node { level: root.level, children: [child].into() }, to: None }
        });
        Cursor { frames: frames.collect(), ranges }
    }

    /// Moves to the next block or entry in the ranges.
    ///
    /// # Errors
    /// Damage inside an open leaf, whose rest is passed over.
    pub(super) fn settle(&mut self) -> Result<(), Damage> {
        if self.ranges.is_empty() {
            self.frames.clear();
        }
        while let Some(frame) = self.frames.last_mut() {
            match &mut frame.inside {
                Inside::Node { children, .. } => {
                    while let Some(child) = children.front() {
                        if self.ranges.overlap(&child.first, end(children, 0, &frame.to)) {
                            return Ok(());
                        }
                        children.pop_front();
                    }
                }
                Inside::Leaf { reader, state } => {
                    match next_wanted(reader, state, frame.to.as_deref(), &mut self.ranges) {
                        Ok(true) => return Ok(()),
                        Ok(false) => {}
                        Err(error) => return Err(self.give_up_leaf(error)),
                    }
                }
            }
            self.frames.pop();
        }
        Ok(())
    }

    /// What `settle` moved to.
    pub(super) fn head(&self) -> Head<'_> {
        match self.frames.last().map(|frame| &frame.inside) {
            None => Head::End,
            Some(Inside::Leaf { reader, .. }) => Head::Entry(reader.path()),
            Some(Inside::Node { children, .. }) => match children.front() {
                Some(child) => Head::Block(child),
                None => Head::End,
            },
        }
    }

    /// Takes the entry at the head, and about how many bytes it takes.
    ///
    /// # Errors
    /// Damage; the rest of the leaf is passed over, but for an entry of a newer version only this.
    pub(super) fn take(&mut self) -> Result<(Found, usize), Damage> {
        let taken = match self.frames.last_mut() {
            Some(Frame { inside: Inside::Leaf { reader, state }, .. }) => {
                *state = State::Passed;
                reader.take()
            }
            _ => Err(damaged("no entry is there")),
        };
        taken.map_err(|error| match error.kind() {
            ErrorKind::Unsupported => self.give_up_entry(error),
            _ => self.give_up_leaf(error),
        })
    }

    /// Opens the block at the head.
    ///
    /// # Errors
    /// Damage; the block is passed over.
    pub(super) fn open(&mut self, block: &Bytes) -> Result<(), Damage> {
        let is_root = self.frames.len() == 1;
        let Some((level, child, to)) = self.pop_child() else { return Ok(()) };
        let opened = open(block, level, &child, is_root, to.as_deref());
        match opened {
            Ok(inside) => {
                self.frames.push(Frame { inside, to });
                Ok(())
            }
            Err(error) => Err(lost(error, child, to)),
        }
    }

    /// Gives up the block at the head, which cannot be had.
    pub(super) fn give_up(&mut self, error: Error) -> Option<Damage> {
        self.pop_child().map(|(_, child, to)| lost(error, child, to))
    }

    /// Up to `most` blocks that will be needed, the next one first, as far as is known now.
    pub(super) fn upcoming(&self, most: usize) -> Vec<ChunkId> {
        let mut ids = Vec::new();
        for frame in self.frames.iter().rev() {
            let Inside::Node { children, .. } = &frame.inside else { continue };
            for (i, child) in children.iter().enumerate() {
                if ids.len() == most {
                    return ids;
                }
                if self.ranges.overlap(&child.first, end(children, i, &frame.to)) {
                    ids.push(child.id);
                }
            }
        }
        ids
    }

    fn pop_child(&mut self) -> Option<(u8, Child, Option<Vec<u8>>)> {
        let frame = self.frames.last_mut()?;
        let Inside::Node { level, children } = &mut frame.inside else { return None };
        let to = end(children, 0, &frame.to).map(<[u8]>::to_vec);
        Some((*level, children.pop_front()?, to))
    }

    fn give_up_entry(&self, error: Error) -> Damage {
        let path = match self.head() {
            Head::Entry(path) => path,
            _ => &[],
        };
        Damage { error: located(error, path), from: path.to_vec(), to: Some([path, &[0]].concat()), entries: Some(1) }
    }

    fn give_up_leaf(&mut self, error: Error) -> Damage {
        let frame = self.frames.pop();
        let (from, to) = match frame {
            Some(Frame { inside: Inside::Leaf { reader, .. }, to }) => (reader.path().to_vec(), to),
            Some(Frame { to, .. }) => (Vec::new(), to),
            None => (Vec::new(), None),
        };
        Damage { error: located(error, &from), from, to, entries: None }
    }
}

/// Where the paths of a node's child end.
fn end<'a>(children: &'a VecDeque<Child>, at: usize, to: &'a Option<Vec<u8>>) -> Option<&'a [u8]> {
    children.get(at + 1).map(|next| next.first.as_slice()).or(to.as_deref())
}

fn open(block: &Bytes, level: u8, child: &Child, is_root: bool, to: Option<&[u8]>) -> Result<Inside> {
    if level > MAX_LEVEL {
        return Err(damaged("a tree has too many levels"));
    }
    let in_range = |first: &[u8]| is_root || first == child.first;
    if level > 0 {
        let children = node::read(block, level)?;
        let first = children.front().is_some_and(|first| in_range(&first.first));
        let last = children.back().is_some_and(|last| to.is_none_or(|to| last.first.as_slice() < to));
        return match first && last {
            true => Ok(Inside::Node { level: level - 1, children }),
            false => Err(damaged("a node has paths that belong elsewhere")),
        };
    }
    let mut reader = LeafReader::open(block)?;
    reader.advance()?;
    match in_range(reader.path()) {
        true => Ok(Inside::Leaf { reader: Box::new(reader), state: State::Unsure }),
        false => Err(damaged("a leaf has paths that belong elsewhere")),
    }
}

/// Moves a leaf to its next entry in the ranges; false when there is none.
fn next_wanted(reader: &mut LeafReader, state: &mut State, to: Option<&[u8]>, ranges: &mut Ranges) -> Result<bool> {
    loop {
        match *state {
            State::Wanted => return Ok(true),
            State::Passed if !reader.advance()? => return Ok(false),
            State::Passed if to.is_some_and(|to| reader.path() >= to) => {
                return Err(damaged("a leaf has paths that belong elsewhere"));
            }
            State::Passed => *state = State::Unsure,
            State::Unsure if ranges.take(reader.path()) => *state = State::Wanted,
            State::Unsure if !ranges.overlap(reader.path(), to) => return Ok(false),
            State::Unsure => {
                reader.skip()?;
                *state = State::Passed;
            }
        }
    }
}

fn lost(error: Error, child: Child, to: Option<Vec<u8>>) -> Damage {
    let entries = (child.totals.entries > 0).then_some(child.totals.entries);
    Damage { error: located(error, &child.first).context("block", child.id), from: child.first, to, entries }
}

fn located(error: Error, from: &[u8]) -> Error {
    match TreePath::from_encoded(from.to_vec()) {
        Ok(path) => error.context("from", path),
        Err(_) => error,
    }
}
