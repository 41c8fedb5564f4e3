//! An entry apart from its path and attributes, and the rules that every stored entry keeps.

use super::attributes::Attributes;
use super::content::split_ids;
use super::{Content, Found, MAX_INLINE_CHUNKS, damaged, extra};
use backup_core::{Entry, Hole, Result, Timestamp, TreePath};

/// The columns of one entry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row<'a> {
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
    pub(super) size: u64,
    pub(super) extra: &'a [u8],
    pub(super) ids: &'a [u8],
}

impl Row<'_> {
    /// Puts an entry together.
    pub(super) fn found(&self, path: TreePath, attributes: &Attributes) -> Result<Found> {
        let mut extra = extra::decode(self.extra)?;
        let mut metadata = attributes.metadata.clone();
        if attributes.has_mtime {
            metadata.mtime = Some(Timestamp { seconds: self.seconds, nanoseconds: self.nanoseconds });
        }
        let ids = split_ids(self.ids)?;
        let content = match extra.list.take() {
            None => Content::Ids(ids.collect()),
            Some(list) if ids.len() == 0 => list,
            Some(_) => return Err(damaged("an entry has chunks and a content list")),
        };
        let entry = Entry {
            kind: extra.complete(attributes.kind),
            size_bytes: attributes.has_size.then_some(self.size),
            link_group: extra.link_group,
            holes: std::mem::take(&mut extra.holes),
            changed_while_read: extra.changed_while_read,
            metadata,
            fingerprint: None,
            path,
        };
        match problem(&entry, attributes.kind.has_content(), &content) {
            None => Ok(Found { entry, content }),
            Some(problem) => Err(damaged(problem)),
        }
    }
}

/// What is wrong with an entry, if anything: looked at before it is written and after it is read.
pub(super) fn problem(entry: &Entry, has_content: bool, content: &Content) -> Option<&'static str> {
    if entry.metadata.mtime.is_some_and(|mtime| mtime.nanoseconds >= 1_000_000_000) {
        return Some("nanoseconds are out of range");
    }
    if !has_content {
        let empty = entry.holes.is_empty() && content.chunks() == 0;
        return (!empty).then_some("an entry of this kind has no content");
    }
    let Some(size) = entry.size_bytes else { return Some("the size of a content is missing") };
    let Some(data) = data_bytes(size, &entry.holes) else { return Some("holes are not sorted inside the content") };
    let chunks = content.chunks();
    if (chunks == 0) != (data == 0) || chunks > data {
        return Some("the number of chunks does not fit the size");
    }
    match content {
        Content::Ids(ids) if ids.len() > MAX_INLINE_CHUNKS => Some("too many chunks stand in an entry"),
        Content::List { levels: 0, .. } => Some("a content list has no level"),
        _ => None,
    }
}

/// Bytes of content outside the holes; none when these are not sorted, touch, are empty, or end behind `size`.
fn data_bytes(size: u64, holes: &[Hole]) -> Option<u64> {
    let mut data = 0;
    let mut end = 0;
    for (i, hole) in holes.iter().enumerate() {
        let gap = hole.offset.checked_sub(end)?;
        if hole.length == 0 || (gap == 0 && i > 0) {
            return None;
        }
        data += gap;
        end = hole.offset.checked_add(hole.length)?;
    }
    Some(data + size.checked_sub(end)?)
}
