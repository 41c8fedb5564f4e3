use super::cursor::{Cursor, Damage, Head};
use super::{Found, Ranges, Root};
use crate::format::ids::ChunkId;
use backup_core::Error;
use bytes::Bytes;
use std::cmp::Ordering;

/// One of two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Old,
    New,
}

/// A path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub(crate) enum Change {
    /// Only the new tree has it.
    Added(Found),
    /// Only the old tree has it.
    Removed(Found),
    /// Metadata or content differ.
    Changed {
        /// As it was.
        old: Found,
        /// As it is.
        new: Found,
    },
}

/// What a [`Diff`] has next.
#[derive(Debug)]
pub(crate) enum DiffStep {
    /// A difference, in order of paths.
    Change(Box<Change>),
    /// A block that must be given to [`Diff::provide`], or reported to [`Diff::missing`].
    Need(ChunkId),
    /// A part of a tree is lost. What the other has there is not reported.
    Lost(Side, Damage),
    /// Nothing is left.
    Done,
}

/// Compares two trees. Blocks that both have are not opened.
pub(crate) struct Diff {
    old: Cursor,
    new: Cursor,
    needed: Side,
    lost: Option<(Side, Damage)>,
}

/// What the heads of two trees ask for.
enum Act {
    Finish,
    SkipBoth,
    Open(Side, ChunkId),
    Take(Side),
    TakeBoth,
}

impl Diff {
    /// A comparison within ranges.
    pub(crate) fn new(old: Option<Root>, new: Option<Root>, ranges: Ranges) -> Self {
        let (old, new) = (Cursor::new(old, ranges.clone()), Cursor::new(new, ranges));
        Diff { old, new, needed: Side::Old, lost: None }
    }

    /// Goes to the next difference, or says what it needs for that.
    pub(crate) fn advance(&mut self) -> DiffStep {
        match self.step() {
            Ok(step) => step,
            Err((side, damage)) => {
                let other = match side {
                    Side::Old => &mut self.new,
                    Side::New => &mut self.old,
                };
                other.seek(damage.to.as_deref());
                DiffStep::Lost(side, damage)
            }
        }
    }

    fn step(&mut self) -> Result<DiffStep, (Side, Damage)> {
        loop {
            if let Some(lost) = self.lost.take() {
                return Err(lost);
            }
            self.old.settle().map_err(|damage| (Side::Old, damage))?;
            self.new.settle().map_err(|damage| (Side::New, damage))?;
            match decide(&self.old.head(), &self.new.head()) {
                Act::Finish => return Ok(DiffStep::Done),
                Act::SkipBoth => {
                    self.old.skip_block();
                    self.new.skip_block();
                }
                Act::Open(side, id) => {
                    self.needed = side;
                    return Ok(DiffStep::Need(id));
                }
                Act::Take(side) => {
                    let found = self.take(side)?;
                    return Ok(DiffStep::Change(Box::new(match side {
                        Side::Old => Change::Removed(found),
                        Side::New => Change::Added(found),
                    })));
                }
                Act::TakeBoth => {
                    let old = self.take(Side::Old)?;
                    let new = self.take(Side::New)?;
                    if old != new {
                        return Ok(DiffStep::Change(Box::new(Change::Changed { old, new })));
                    }
                }
            }
        }
    }

    fn take(&mut self, side: Side) -> Result<Found, (Side, Damage)> {
        self.cursor(side).take().map(|(found, _)| found).map_err(|damage| (side, damage))
    }

    /// Takes the block that was needed last, verified to have that id. What is wrong with it comes as `Lost`.
    pub(crate) fn provide(&mut self, block: &Bytes) {
        let side = self.needed;
        if let Err(damage) = self.cursor(side).open(block) {
            self.lost = Some((side, damage));
        }
    }

    /// Says that the block needed last cannot be had. Comes as `Lost`.
    pub(crate) fn missing(&mut self, error: Error) {
        let side = self.needed;
        self.lost = self.cursor(side).give_up(error).map(|damage| (side, damage));
    }

    /// Up to `most` blocks that will probably be needed: those ahead that only one tree has.
    pub(crate) fn upcoming(&self, most: usize) -> Vec<ChunkId> {
        let (old, new) = (self.old.upcoming(most), self.new.upcoming(most));
        let mut ids = Vec::new();
        for at in 0..most {
            let only_old = old.get(at).filter(|id| !new.contains(id));
            let only_new = new.get(at).filter(|id| !old.contains(id));
            ids.extend(only_old.into_iter().chain(only_new).copied());
        }
        ids.truncate(most);
        ids
    }

    fn cursor(&mut self, side: Side) -> &mut Cursor {
        match side {
            Side::Old => &mut self.old,
            Side::New => &mut self.new,
        }
    }
}

/// What comes first is opened or taken first; of blocks that start at one path the higher, so that equal blocks meet.
fn decide(old: &Head<'_>, new: &Head<'_>) -> Act {
    match (old, new) {
        (Head::End, Head::End) => Act::Finish,
        (Head::Block { child, .. }, Head::End) => Act::Open(Side::Old, child.id),
        (Head::End, Head::Block { child, .. }) => Act::Open(Side::New, child.id),
        (Head::Entry(_), Head::End) => Act::Take(Side::Old),
        (Head::End, Head::Entry(_)) => Act::Take(Side::New),
        (Head::Entry(old), Head::Entry(new)) => match old.cmp(new) {
            Ordering::Less => Act::Take(Side::Old),
            Ordering::Equal => Act::TakeBoth,
            Ordering::Greater => Act::Take(Side::New),
        },
        (Head::Block { child, .. }, Head::Entry(path)) if child.first.as_slice() <= *path => {
            Act::Open(Side::Old, child.id)
        }
        (Head::Block { .. }, Head::Entry(_)) => Act::Take(Side::New),
        (Head::Entry(path), Head::Block { child, .. }) if child.first.as_slice() <= *path => {
            Act::Open(Side::New, child.id)
        }
        (Head::Entry(_), Head::Block { .. }) => Act::Take(Side::Old),
        (Head::Block { level: old_level, child: old }, Head::Block { level: new_level, child: new }) => {
            if old.id == new.id && old_level == new_level {
                return Act::SkipBoth;
            }
            match old.first.cmp(&new.first).then(new_level.cmp(old_level)) {
                Ordering::Greater => Act::Open(Side::New, new.id),
                _ => Act::Open(Side::Old, old.id),
            }
        }
    }
}
