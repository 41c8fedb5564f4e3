use super::damaged;
use super::lines::{Lines, parse};
use super::scan::Sum;
use crate::index::{Line, Placed};
use backup_core::{Entry, Result, Selection, TreePath};

/// An entry and where its content is.
pub(crate) type Found = (Entry, Option<Placed>);

/// The second look at an index: its entries in order.
pub(crate) struct Walk {
    selection: Selection,
    /// How long the archive is in front of its first layer.
    plain_bytes: u64,
    lines: Lines,
    previous: Option<TreePath>,
    /// Entries are over: pieces follow.
    is_done: bool,
    found: Vec<Found>,
}

impl Walk {
    pub(crate) fn new(selection: &Selection, plain_bytes: u64) -> Self {
        Walk {
            selection: selection.clone(),
            plain_bytes,
            lines: Lines::default(),
            previous: None,
            is_done: false,
            found: Vec::new(),
        }
    }

    /// Takes the entries out of a block whose checksum must be the one of the first look. Keeps the thread busy.
    ///
    /// # Errors
    /// `Damaged`: what was found before it can still be taken.
    pub(crate) fn block(&mut self, block: &[u8], sum: Option<&Sum>) -> Result<()> {
        if sum != Some(blake3::hash(block).as_bytes()) {
            return Err(damaged("an index changed while it was read"));
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(block, |line| self.line(line))?;
        self.lines = lines;
        Ok(())
    }

    /// What was found since the last call.
    pub(crate) fn take(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        let row = match parse(line)? {
            Line::Head(_) => return Ok(()),
            Line::Piece(_) => {
                self.is_done = true;
                return Ok(());
            }
            Line::Entry(row) if !self.is_done => row,
            Line::Entry(_) => return Err(damaged("an entry of an index stands behind the pieces")),
        };
        let (entry, placed) = row.into_entry()?;
        if placed.is_some_and(|placed| placed.at + placed.bytes > self.plain_bytes) {
            return Err(damaged("an entry lies behind the end of its archive").context("path", &entry.path));
        }
        if self.previous.as_ref().is_some_and(|previous| *previous >= entry.path) {
            return Err(damaged("entries of an index are not in order").context("path", &entry.path));
        }
        self.previous = Some(entry.path.clone());
        if self.selection.takes(&entry.path) {
            self.found.push((entry, placed));
        }
        Ok(())
    }
}
