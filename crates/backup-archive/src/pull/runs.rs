use crate::index::{PIECE_BYTES, Placed};
use backup_core::{Entry, Hole};
use std::ops::Range;

const PIECE: u64 = PIECE_BYTES as u64;

/// Bytes of an entry's content that lie side by side in one piece and in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where in the file, holes counted.
    pub(crate) file: u64,
    /// In which piece.
    pub(crate) piece: u64,
    /// Where in it.
    pub(crate) bytes: Range<usize>,
}

/// The numbers of the pieces that a content lies in.
pub(crate) fn pieces(placed: Placed) -> Range<u64> {
    let first = placed.at / PIECE;
    if placed.bytes == 0 { first..first } else { first..(placed.at + placed.bytes).div_ceil(PIECE) }
}

/// An entry's content from first to last, cut at holes and at the borders of pieces.
pub(crate) fn runs(entry: &Entry, placed: Placed) -> impl Iterator<Item = Run> + Send + use<> {
    let (mut at, mut file) = (placed.at, 0);
    let end = Hole { offset: entry.size_bytes.unwrap_or(0), length: 0 };
    entry.holes.clone().into_iter().chain([end]).flat_map(move |hole| {
        let data = Placed { at, bytes: hole.offset.saturating_sub(file) };
        let begins = file;
        (at, file) = (at + data.bytes, hole.offset + hole.length);
        pieces(data).map(move |piece| {
            let from = data.at.max(piece * PIECE);
            let to = (data.at + data.bytes).min((piece + 1) * PIECE);
            let bytes = (from - piece * PIECE) as usize..(to - piece * PIECE) as usize;
            Run { file: begins + (from - data.at), piece, bytes }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::{EntryKind, TreePath};

    fn of(size: u64, holes: &[(u64, u64)], at: u64) -> Vec<(u64, u64, Range<usize>)> {
        let mut entry = Entry::new(TreePath::root(), EntryKind::File);
        entry.size_bytes = Some(size);
        entry.holes = holes.iter().map(|(offset, length)| Hole { offset: *offset, length: *length }).collect();
        let free: u64 = holes.iter().map(|hole| hole.1).sum();
        runs(&entry, Placed { at, bytes: size - free }).map(|run| (run.file, run.piece, run.bytes)).collect()
    }

    #[test]
    fn content_is_cut_at_holes_and_pieces() {
        let piece = PIECE_BYTES;
        assert_eq!(of(0, &[], 5), []);
        assert_eq!(of(0, &[], PIECE), []);
        assert_eq!(of(PIECE, &[], 0), [(0, 0, 0..piece)]);
        assert_eq!(of(9, &[], PIECE - 4), [(0, 0, piece - 4..piece), (4, 1, 0..5)]);
        assert_eq!(of(30, &[(0, 10), (15, 5)], 7), [(10, 0, 7..12), (20, 0, 12..22)]);
        assert_eq!(of(30, &[(4, 26)], PIECE - 2), [(0, 0, piece - 2..piece), (2, 1, 0..2)]);
        assert_eq!(of(30, &[(0, 30)], 100), []);
    }
}
