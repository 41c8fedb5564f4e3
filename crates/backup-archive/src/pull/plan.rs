use super::runs::{Run, pieces, runs};
use crate::index::Placed;
use backup_core::Entry;
use std::cmp::Reverse;
use std::iter::Peekable;

/// What of one entry lies in a piece.
pub(crate) struct Part {
    /// Which entry, as the plan was told.
    pub(crate) slot: usize,
    pub(crate) runs: Vec<Run>,
}

/// Which pieces are needed, in order, and what of them. Long files cost no more memory here than short ones.
#[derive(Default)]
pub(crate) struct Plan {
    /// Not begun; the first is the last.
    waiting: Vec<Content>,
    /// Reached by the piece that comes next.
    begun: Vec<Content>,
}

struct Content {
    slot: usize,
    first: u64,
    runs: Peekable<Box<dyn Iterator<Item = Run> + Send>>,
}

impl Plan {
    /// A plan for contents, each with its slot.
    pub(crate) fn new<'a>(contents: impl Iterator<Item = (usize, &'a Entry, Placed)>) -> Self {
        let content = |(slot, entry, placed): (usize, &Entry, Placed)| {
            let runs: Box<dyn Iterator<Item = Run> + Send> = Box::new(runs(entry, placed));
            Content { slot, first: pieces(placed).start, runs: runs.peekable() }
        };
        let mut waiting: Vec<_> = contents.map(content).collect();
        waiting.sort_by_key(|content| Reverse(content.first));
        Plan { waiting, begun: Vec::new() }
    }
}

impl Iterator for Plan {
    type Item = (u64, Vec<Part>);

    fn next(&mut self) -> Option<Self::Item> {
        let begun = self.begun.iter_mut().filter_map(|content| content.runs.peek().map(|run| run.piece)).min();
        let piece = begun.or_else(|| self.waiting.last().map(|content| content.first))?;
        while self.waiting.last().is_some_and(|content| content.first <= piece) {
            self.begun.extend(self.waiting.pop());
        }
        let part = |content: &mut Content| {
            let runs = std::iter::from_fn(|| content.runs.next_if(|run| run.piece == piece)).collect();
            Part { slot: content.slot, runs }
        };
        let parts = self.begun.iter_mut().map(part).collect();
        self.begun.retain_mut(|content| content.runs.peek().is_some());
        Some((piece, parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::PIECE_BYTES;
    use backup_core::{EntryKind, TreePath};

    #[test]
    fn each_piece_comes_once_in_order_with_all_that_lies_in_it() {
        let piece = PIECE_BYTES as u64;
        let placed = [(5 * piece, 1), (0, 10), (10, 2 * piece), (2 * piece + 10, 5), (0, 10)];
        let placed = placed.map(|(at, bytes)| Placed { at, bytes });
        let entries = placed.map(|placed| {
            let mut entry = Entry::new(TreePath::root(), EntryKind::File);
            entry.size_bytes = Some(placed.bytes);
            entry
        });
        let contents = entries.iter().zip(placed).enumerate().map(|(slot, (entry, placed))| (slot, entry, placed));
        let plan: Vec<_> = Plan::new(contents)
            .map(|(piece, parts)| {
                let mut slots: Vec<_> = parts.iter().map(|part| part.slot).collect();
                slots.sort_unstable();
                assert!(parts.iter().all(|part| !part.runs.is_empty() && part.runs.iter().all(|r| r.piece == piece)));
                (piece, slots)
            })
            .collect();
        assert_eq!(plan, [(0, vec![1, 2, 4]), (1, vec![2]), (2, vec![2, 3]), (5, vec![0])]);
    }
}
