use backup_core::{Entry, Hole};

/// Where the bytes of a content stand in its file: everywhere but in the holes.
pub(crate) struct Extents<'a> {
    holes: std::slice::Iter<'a, Hole>,
    /// Place in the file of the next byte of the content.
    file: u64,
    /// Bytes until the next hole.
    room: u64,
    next_hole: Option<Hole>,
}

impl<'a> Extents<'a> {
    pub(crate) fn new(entry: &'a Entry) -> Self {
        let mut extents = Extents { holes: entry.holes.iter(), file: 0, room: 0, next_hole: None };
        extents.advance();
        extents
    }

    fn advance(&mut self) {
        loop {
            if let Some(hole) = self.next_hole.take() {
                self.file = hole.offset.saturating_add(hole.length);
            }
            self.next_hole = self.holes.next().copied();
            self.room = self.next_hole.map_or(u64::MAX, |hole| hole.offset.saturating_sub(self.file));
            if self.room > 0 {
                return;
            }
        }
    }

    /// Places the next `length` bytes of the content: calls `piece` with (offset in the file, length) for each part.
    pub(crate) fn place(&mut self, mut length: u64, mut piece: impl FnMut(u64, u64)) {
        while length > 0 {
            let part = length.min(self.room);
            piece(self.file, part);
            self.file = self.file.saturating_add(part);
            if self.room != u64::MAX {
                self.room -= part;
            }
            length -= part;
            if self.room == 0 {
                self.advance();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::{EntryKind, TreePath};

    #[test]
    fn content_flows_around_holes() {
        let mut entry = Entry::new(TreePath::root(), EntryKind::File);
        entry.holes =
            vec![Hole { offset: 0, length: 10 }, Hole { offset: 15, length: 5 }, Hole { offset: 30, length: 70 }];
        let mut extents = Extents::new(&entry);
        let mut pieces = Vec::new();
        for length in [3, 7, 5, 100] {
            extents.place(length, |offset, part| pieces.push((offset, part)));
        }
        assert_eq!(pieces, [(10, 3), (13, 2), (20, 5), (25, 5), (100, 100)]);
        entry.holes.clear();
        let mut whole = Vec::new();
        Extents::new(&entry).place(9, |offset, part| whole.push((offset, part)));
        assert_eq!(whole, [(0, 9)]);
    }
}
