use super::damaged;
use crate::index::{Line, MAX_LINE, Row};
use backup_core::{Error, Result};

/// Lines of heads and pieces are shorter.
const MAX_SHORT: usize = 64 << 10;
/// How we begin the lines of entries.
const ENTRY: &[u8] = b"{\"path\"";

/// Puts together the lines of an index that comes in blocks.
#[derive(Default)]
pub(crate) struct Lines {
    /// A line that has only begun.
    begun: Vec<u8>,
}

impl Lines {
    /// Calls `line` with each line that ends in this block, without its end.
    ///
    /// # Errors
    /// `Damaged` for a line that is too long; what `line` gives.
    pub(crate) fn push(&mut self, mut block: &[u8], mut line: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while let Some((head, rest)) = block.iter().position(|byte| *byte == b'\n').and_then(|at| split(block, at)) {
            block = rest;
            if self.begun.is_empty() {
                line(head)?;
            } else {
                self.keep(head)?;
                line(&self.begun)?;
                self.begun.clear();
            }
        }
        self.keep(block)
    }

    fn keep(&mut self, part: &[u8]) -> Result<()> {
        if self.begun.len() + part.len() > MAX_LINE {
            return Err(damaged("a line of an index is too long").context("limit_bytes", MAX_LINE));
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }

    /// Whether the last line has ended.
    pub(crate) fn is_whole(&self) -> bool {
        self.begun.is_empty()
    }
}

fn split(block: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    block.get(..at).zip(block.get(at + 1..))
}

/// Whether a line surely is an entry's.
pub(crate) fn is_entry(line: &[u8]) -> bool {
    line.starts_with(ENTRY) || line.len() > MAX_SHORT
}

/// What a line says.
///
/// # Errors
/// `Damaged` when it is none of an index.
pub(crate) fn parse(line: &[u8]) -> Result<Line> {
    let parsed = if is_entry(line) {
        serde_json::from_slice::<Row>(line).map(|row| Line::Entry(Box::new(row)))
    } else {
        serde_json::from_slice(line)
    };
    parsed.map_err(|e: serde_json::Error| not_a_line(e))
}

fn not_a_line(e: serde_json::Error) -> Error {
    damaged("a line of an index makes no sense").source(e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::ErrorKind;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_of_any_length_give_the_same_lines(text in "[ab\n]{0,40}", len in 1usize..9) {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for block in text.as_bytes().chunks(len) {
                lines.push(block, |line| { found.push(line.to_vec()); Ok(()) }).unwrap();
            }
            prop_assert_eq!(lines.is_whole(), text.is_empty() || text.ends_with('\n'));
            let mut expected: Vec<_> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            expected.pop();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let (mut lines, block) = (Lines::default(), vec![b'x'; 1 << 20]);
        let refused = (0..64).find_map(|number| Some((number, lines.push(&block, |_| Ok(())).err()?)));
        let (number, error) = refused.unwrap();
        assert_eq!((number, error.kind()), (16, ErrorKind::Damaged));
        assert!(lines.begun.capacity() <= 2 * MAX_LINE);
    }
}
