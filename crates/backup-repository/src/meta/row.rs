//! An entry apart from its path and attributes, and the rules that every stored entry keeps.

use super::attributes::Attributes;
use super::content::split_ids;
use super::extra::Extra;
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
    /// Refuses what could not be read again, without the work of reading it.
    pub(super) fn check(&self, has_content: bool, has_size: bool) -> Result<()> {
        let extra = match self.extra {
            [] => Extra::default(),
            message => extra::decode(message)?,
        };
        let inline = split_ids(self.ids)?.len();
        let size = has_size.then_some(self.size);
        content_problem(has_content, size, &extra.holes, inline, extra.list.as_ref())
            .map_or(Ok(()), |problem| Err(damaged(problem)))
    }

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
    let (inline, list) = match content {
        Content::Ids(ids) => (ids.len(), None),
        list @ Content::List { .. } => (0, Some(list)),
    };
    content_problem(has_content, entry.size_bytes, &entry.holes, inline, list)
}

/// What is wrong with a content of so many chunks in the entry, or with this list.
fn content_problem(
    has_content: bool,
    size: Option<u64>,
    holes: &[Hole],
    inline: usize,
    list: Option<&Content>,
) -> Option<&'static str> {
    let chunks = match list {
        Some(Content::List { levels: 0, .. }) => return Some("a content list has no level"),
        Some(_) if inline > 0 => return Some("an entry has chunks and a content list"),
        Some(list) => list.chunks(),
        None if inline > MAX_INLINE_CHUNKS => return Some("too many chunks stand in an entry"),
        None => inline as u64,
    };
    if !has_content {
        return (chunks > 0 || !holes.is_empty()).then_some("an entry of this kind has no content");
    }
    let Some(size) = size else { return Some("the size of a content is missing") };
    let Some(data) = data_bytes(size, holes) else { return Some("holes are not sorted inside the content") };
    ((chunks == 0) != (data == 0) || chunks > data).then_some("the number of chunks does not fit the size")
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
